"""What the judge is and how it is fitted, chosen from the data's kind and size.

The judge: a classifier of its own that says what a sample shows, and in which features.

It learns from the real training part alone, never from samples, and is no discriminator's head.
Whether two sets are alike in its features is for `acgan.evaluation` to say.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from acgan.backbones.reference_network import (
    PooledNetworkConfig,
    ReferenceNetwork,
    ReferenceNetworkConfig,
)
from acgan.classifiers.extractor import Predictions, hash_weights, predict_in_batches
from acgan.classifiers.fit import FitConfig, FitProgress, fit_classifier
from acgan.config import Config
from acgan.data.images import Images, ImageShape, LabeledImages
from acgan.errors import DataError
from acgan.execution.progress import Progress
from acgan.storage.files import write_atomic


class ReferenceClassifierConfig(Config):
    """What the judge is and how it is fitted; with a seed and data it determines the judge."""

    network: ReferenceNetworkConfig | PooledNetworkConfig
    fit: FitConfig


def reference_classifier_config(
    train: LabeledImages, *, flip: bool, images: int | None = None
) -> ReferenceClassifierConfig:
    """The judge's configuration for some data.

    Three kinds of image are told apart: glyphs (gray, not to be mirrored), gray pictures of
    things, and color pictures, which take larger networks and longer fits in this order.

    Args:
        train: the training part.
        flip: whether a mirrored image is of the same class: yes for photographs and clothes, no
            for digits and letters.
        images: the budget; None for 20 rounds of the training part, but at least 60 000 images
            and at most 300 000 glyphs, 400 000 gray or 450 000 color pictures.
    """
    gray = train.shape.channels == 1
    glyphs = gray and not flip
    most = 300_000 if glyphs else 400_000 if gray else 450_000
    return ReferenceClassifierConfig(
        network=ReferenceNetworkConfig(stem=32, stages=(32, 64, 128) if glyphs else (64, 128, 256))
        if gray
        else PooledNetworkConfig(components=12, stages=(64, 256, 256)),
        fit=FitConfig(
            flip=flip,
            images=min(max(20 * len(train), 60_000), most) if images is None else images,
            optimizer="sgd-nesterov",
            peak_lr=0.1,
            weight_decay=5e-4,
            label_smoothing=0.1,
            shift_pixels=2,
        ),
    )


_FORMAT = 1
_BATCH = 250  # every forward pass has this many images, so an answer depends on its image alone


class ReferenceClassifierRecord(Config):
    """Everything about a judge but its weights; it travels in the same file.

    Attributes:
        format: of the file.
        config: network and fit.
        seed: of the fit.
        shape: channels, height and width of the images it takes.
        classes: names of the K classes in label order.
        train_hash: content hash of what it learned from.
        train_images: how many those were.
        accuracies: its accuracy on parts of the data it did not see, by their content hash.
    """

    format: int = _FORMAT
    config: ReferenceClassifierConfig
    seed: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train_hash: str
    train_images: int
    accuracies: dict[str, float] = Field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class ReferenceClassifier:
    """A fitted reference classifier, on the CPU.

    `fit_reference_classifier` fits one, `load_reference_classifier` reads one.

    Attributes:
        record: how it came about.
        network: in eval mode.
    """

    record: ReferenceClassifierRecord
    network: ReferenceNetwork

    @property
    def name(self) -> str:
        """As in `acgan.classifiers.extractor.Extractor`, which this is."""
        return "reference-classifier"

    @property
    def resize_rule(self) -> str:
        """It takes images of the data's own size only."""
        return f"none: images are compared at {self.shape}"

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of the images it takes."""
        return ImageShape(*self.record.shape)

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Logits and features of images, each a function of the one image alone.

        Computed in float32, in passes of one fixed size, so that neither the other images nor
        their number change a bit of an answer.

        Args:
            images: uint8 (N, C, H, W).
            progress: called after each pass.

        Raises:
            DataError: the images are of another size or color than the judge's.
        """
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise DataError(
                f"the judge reads images of {self.shape} (height×width×channels), these are "
                f"{_shape_text(images)}; fit a judge to data of the images' own size"
            )
        head = self.network.head

        def forward(pixels: Tensor) -> tuple[Tensor, Tensor]:
            inputs = pixels.contiguous(memory_format=torch.channels_last)
            pooled = self.network.features(inputs)
            return head(pooled), pooled

        return predict_in_batches(
            images,
            forward,
            batch=_BATCH,
            classes=head.out_features,
            features=head.in_features,
            progress=progress,
        )

    def accuracy(self, data: LabeledImages) -> float:
        """Share of images whose class it reads right; looked up where it was measured before."""
        known = self.record.accuracies.get(data.content_hash)
        if known is not None:
            return known
        return float(np.mean(self.predict(data.images).logits.argmax(1) == data.labels))

    def measured_on(self, *splits: LabeledImages) -> ReferenceClassifier:
        """The same judge, its record naming its accuracy on these (non-empty) parts too."""
        measured = {part.content_hash: self.accuracy(part) for part in splits if len(part)}
        accuracies = {**self.record.accuracies, **measured}
        return replace(self, record=self.record.model_copy(update={"accuracies": accuracies}))

    def weights_hash(self) -> str:
        """SHA-256 over names, shapes and values of all weights: equal judges, equal hash."""
        return hash_weights(self.network.state_dict())

    def save(self, path: Path) -> None:
        """Write it as one safetensors file, the record as JSON in the file's header.

        Raises:
            DiskError: it cannot be written.
        """
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        write_atomic(path, save(state, {"acgan-judge": self.record.model_dump_json()}))


def load_reference_classifier(path: Path) -> ReferenceClassifier:
    """Read what `Judge.save` wrote, bit for bit.

    Raises:
        DataError: there is no such file, or it is no judge of this version.
    """
    try:
        with safe_open(path, "pt") as file:
            record = ReferenceClassifierRecord.model_validate_json(
                (file.metadata() or {})["acgan-judge"]
            )
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if record.format != _FORMAT:
            raise DataError(f"{path} holds a judge of format {record.format}, not {_FORMAT}")
        network = _network(record)
        network.load_state_dict(state)
    except FileNotFoundError:
        raise DataError(f"there is no judge at {path}; fit one to the data first") from None
    except (
        KeyError,
        OSError,
        RuntimeError,
        SafetensorError,
        ValidationError,
        json.JSONDecodeError,
        struct.error,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} is damaged or no judge ({reason}); delete it and fit anew"
        ) from error
    return ReferenceClassifier(record, network.eval())


def fit_reference_classifier(
    train: LabeledImages,
    validation: LabeledImages | None = None,
    *,
    seed: int = 0,
    images: int | None = None,
    flip: bool = False,
    config: ReferenceClassifierConfig | None = None,
    progress: FitProgress | None = None,
) -> ReferenceClassifier:
    """Fit a judge to a real training part.

    Args:
        train: what it learns from; samples are judged by it later, so none may be among these.
        validation: what its accuracy is measured on, unseen; nothing is chosen by it.
        seed: of initialization, order and augmentation.
        images: the budget; see `reference_classifier_config`.
        flip: see `reference_classifier_config`.
        config: instead of the default one, of which ``images`` and ``flip`` are a part.
        progress: see `acgan.classifiers.fit.fit_classifier`.

    Raises:
        DataError: fewer than two images or classes.
        DivergedError: the fit became non-finite.
    """
    if len(train.classes) < 2:
        raise DataError("a judge tells classes apart, so the data need at least two of them")
    if config is None:
        config = reference_classifier_config(train, flip=flip, images=images)
    record = ReferenceClassifierRecord(
        config=config,
        seed=seed,
        shape=train.shape,
        classes=tuple(each.name for each in train.classes),
        train_hash=train.content_hash,
        train_images=len(train),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(record)
    network.learn_statistics(train.images)
    fit_classifier(network, train, config.fit, seed=seed, progress=progress)
    reference_classifier = ReferenceClassifier(record, network)
    return (
        reference_classifier if validation is None else reference_classifier.measured_on(validation)
    )


def _network(record: ReferenceClassifierRecord) -> ReferenceNetwork:
    network = ReferenceNetwork(
        record.config.network, ImageShape(*record.shape), len(record.classes)
    )
    return network.to(memory_format=torch.channels_last)


def _shape_text(images: Images) -> str:
    return str(ImageShape(*images.shape[1:])) if images.ndim == 4 else f"an array {images.shape}"
