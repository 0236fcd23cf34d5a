"""The reference classifier: fitted to the real training split, it classifies samples.

It never learns from samples and is independent of the discriminator. Its features are a space in
which sets of images are compared (`acgan.evaluation`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from acgan.backbones.reference_network import (
    NetworkConfig,
    PooledNetworkConfig,
    ReferenceNetwork,
    ReferenceNetworkConfig,
)
from acgan.classifiers.extractor import Predictions, hash_weights, predict_in_batches
from acgan.classifiers.fit import (
    FitConfig,
    FitProgress,
    fit_classifier,
    measure_images_per_second,
)
from acgan.classifiers.fit_checkpoint import FitCheckpoint
from acgan.config import Config
from acgan.data.images import Images, ImageShape, LabeledImages
from acgan.errors import DataError, is_out_of_memory
from acgan.execution.progress import Progress
from acgan.storage.files import write_atomic


class ReferenceClassifierConfig(Config):
    """Network and fit of a reference classifier; with data and a seed it determines the weights.

    Attributes:
        network: kind and channels.
        fit: with the largest budget in images.
        round_images: images per round of the fit, each with its own cycle of the learning rate;
            after each round the loss on the validation split decides whether another one follows.
            None for a single round of the whole budget.
    """

    network: NetworkConfig
    fit: FitConfig
    round_images: int | None = Field(default=None, gt=0)

    @property
    def rounds(self) -> tuple[int, ...]:
        """Images of each possible round; their sum is the budget."""
        budget, each = self.fit.images, self.round_images or self.fit.images
        whole, rest = divmod(budget, each)
        return (each,) * whole + ((rest,) if rest else ())


def reference_classifier_config(
    train: LabeledImages, *, flip: bool, images: int | None = None
) -> ReferenceClassifierConfig:
    """Return the default configuration for some data.

    Networks and budgets grow from glyphs (gray, flips change the class) over other gray images to
    color images. The budget is 20 epochs, but at most 300,000 glyphs, 400,000 gray or 450,000 color
    images. Fewer than 3,000 training images get rounds of 20 epochs or 6,000 images, whichever is
    more, until the validation loss stops falling (`NOT_BETTER`) or 60,000 images are used. Fewer
    than 94 get at most ten rounds of 64 epochs.

    Args:
        train: the training split.
        flip: whether a horizontally flipped image keeps its class.
        images: the budget, used completely in one round; None for the budget above.
    """
    gray = train.shape.channels == 1
    glyphs = gray and not flip
    most = 300_000 if glyphs else 400_000 if gray else 450_000
    epochs = 20 * len(train)
    round_images = None
    if images is None and epochs < _SMALL_BUDGET:
        round_images = max(epochs, min(_SMALL_ROUND, _SMALL_EPOCHS * len(train)))
        images = min(_SMALL_BUDGET, _ROUNDS * round_images)
    elif images is None:
        images = min(epochs, most)
    network = (
        ReferenceNetworkConfig(stem=32, stages=(32, 64, 128) if glyphs else (64, 128, 256))
        if gray
        else PooledNetworkConfig(components=12, stages=(64, 256, 256))
    )
    fit = FitConfig(
        flip=flip, images=images, optimizer="sgd-nesterov", peak_lr=0.1, weight_decay=5e-4
    )
    return ReferenceClassifierConfig(network=network, fit=fit, round_images=round_images)


NOT_BETTER = 0.05
"""Relative decrease of the validation loss in a round below which no other round follows."""
_SMALL_BUDGET, _SMALL_ROUND = 60_000, 6_000  # images
_ROUNDS, _SMALL_EPOCHS = 10, 64

FORMAT = 3
_KEY = "acgan-reference-classifier"  # of the record in a file's header
_BATCH = 250  # images per forward pass, see `predict_in_batches`


class ReferenceClassifierRecord(Config):
    """Everything about a reference classifier except its weights; stored in the same file.

    Attributes:
        format: of the file.
        config: network and fit.
        seed: of the fit.
        images: used in the fit; fewer than the budget if the validation loss stopped falling.
        shape: channels, height and width of its images.
        classes: names of the K classes in label order.
        train_hash: content hash of the training split.
        train_images: number of training images.
        accuracies: its accuracy on other splits, by their content hash.
    """

    format: int = FORMAT
    config: ReferenceClassifierConfig
    seed: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train_hash: str
    train_images: int
    images: int = 0
    accuracies: dict[str, float] = Field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class ReferenceClassifier:
    """A fitted reference classifier, on the CPU.

    `fit_reference_classifier` fits one, `load_reference_classifier` reads one.

    Attributes:
        record: its configuration and data.
        network: in eval mode.
    """

    record: ReferenceClassifierRecord
    network: ReferenceNetwork

    @property
    def name(self) -> str:
        """``reference-classifier``; implements `acgan.classifiers.extractor.Extractor`."""
        return "reference-classifier"

    @property
    def resize_rule(self) -> str:
        """No resizing: it takes images of the data's size only."""
        return f"none: images are compared at {self.shape}"

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of its images."""
        return ImageShape(*self.record.shape)

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Return logits and features of images, in float32.

        Batches have a fixed size, so an output depends on its image alone, bit for bit.

        Args:
            images: uint8 (N, C, H, W).
            progress: called after each batch.

        Raises:
            DataError: the images have another size or number of channels.
        """
        if images.shape[1:] != self.shape:
            given = (
                ImageShape(*images.shape[1:]) if images.ndim == 4 else f"an array {images.shape}"
            )
            raise DataError(
                f"the reference classifier takes images of {self.shape} (height×width×channels), "
                f"but these are {given}; fit one to data of that size"
            )
        head = self.network.head

        def forward(pixels: Tensor) -> tuple[Tensor, Tensor]:
            inputs = pixels.contiguous(memory_format=torch.channels_last)
            pooled = self.network.features(inputs)
            return head(pooled), pooled

        sizes = {"batch": _BATCH, "classes": head.out_features, "features": head.in_features}
        return predict_in_batches(images, forward, **sizes, progress=progress)

    def accuracy(self, data: LabeledImages) -> float:
        """Return the share of correctly classified images; looked up if measured before."""
        known = self.record.accuracies.get(data.content_hash)
        if known is not None:
            return known
        return float(np.mean(self.predict(data.images).logits.argmax(1) == data.labels))

    def measured_on(self, *splits: LabeledImages) -> ReferenceClassifier:
        """Return the same classifier with its accuracy on these (non-empty) splits recorded."""
        measured = {split.content_hash: self.accuracy(split) for split in splits if len(split)}
        accuracies = {**self.record.accuracies, **measured}
        return replace(self, record=self.record.model_copy(update={"accuracies": accuracies}))

    def weights_hash(self) -> str:
        """Return the SHA-256 over names, shapes and values of all weights."""
        return hash_weights(self.network.state_dict())

    def save(self, path: Path) -> None:
        """Write one safetensors file, with the record as JSON in its header.

        Raises:
            DiskError: the file cannot be written.
        """
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        write_atomic(path, save(state, {_KEY: self.record.model_dump_json()}))


def load_reference_classifier(path: Path) -> ReferenceClassifier:
    """Read a file of `ReferenceClassifier.save`.

    Raises:
        DataError: the file is missing, damaged, or of another format.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            record = ReferenceClassifierRecord.model_validate_json(metadata[_KEY])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if record.format != FORMAT:
            raise DataError(
                f"{path} has format {record.format}, but this version reads {FORMAT}; fit it again"
            )
        network = _network(record)
        network.load_state_dict(state)
    except FileNotFoundError:
        raise DataError(f"no reference classifier at {path}; fit one to the data first") from None
    except (KeyError, ValueError, OSError, RuntimeError, SafetensorError, struct.error) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} is damaged or no reference classifier ({reason}); delete it and fit it again"
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
    checkpoint: FitCheckpoint | None = None,
) -> ReferenceClassifier:
    """Fit a reference classifier to a real training split.

    Args:
        train: real training images, without any samples.
        validation: held-out images for its recorded accuracy. If the configuration has several
            rounds, their loss on these images decides which round is the last; without such
            images the whole budget is used in one round.
        seed: of initialization, order and augmentation.
        images: the budget; see `reference_classifier_config`.
        flip: see `reference_classifier_config`.
        config: replaces the default one, and with it ``images`` and ``flip``.
        progress: see `acgan.classifiers.fit.fit_classifier`.
        checkpoint: where an interrupted fit is saved and continued.

    Raises:
        DataError: fewer than two images or classes.
        DivergedError: the fit became non-finite.
        DiskError: the checkpoint cannot be written.
    """
    if len(train.classes) < 2:
        raise DataError("a reference classifier needs data with at least two classes")
    if config is None:
        config = reference_classifier_config(train, flip=flip, images=images)
    record = _record(train, config, seed)
    network = _initial_network(record, train)
    images = _fit_in_rounds(
        ReferenceClassifier(record, network), train, validation, progress, checkpoint
    )
    record = record.model_copy(update={"images": images})
    return ReferenceClassifier(record, network).measured_on(*([validation] if validation else []))


def fit_images_per_second(train: LabeledImages, config: ReferenceClassifierConfig) -> float:
    """Return the speed of a fit, by a measurement of a second or two."""
    record = _record(train, config, seed=0)
    return measure_images_per_second(_initial_network(record, train), train, config.fit)


def images_done(
    saved: Mapping[str, Tensor], train: LabeledImages, config: ReferenceClassifierConfig
) -> int:
    """Return the images that an interrupted fit has used, from the tensors of its checkpoint."""
    if not saved:
        return 0
    batch = min(config.fit.batch_size, len(train))
    return sum(config.rounds[: int(saved["round"])]) + int(saved["step"]) * batch


def _record(
    train: LabeledImages, config: ReferenceClassifierConfig, seed: int
) -> ReferenceClassifierRecord:
    return ReferenceClassifierRecord(
        config=config,
        seed=seed,
        shape=train.shape,
        classes=tuple(each.name for each in train.classes),
        train_hash=train.content_hash,
        train_images=len(train),
    )


def _initial_network(record: ReferenceClassifierRecord, train: LabeledImages) -> ReferenceNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(record.seed)
        network = _network(record)
    network.learn_statistics(train.images)
    return network


def _fit_in_rounds(
    classifier: ReferenceClassifier,
    train: LabeledImages,
    validation: LabeledImages | None,
    progress: FitProgress | None,
    checkpoint: FitCheckpoint | None,
) -> int:
    """Fit until a round lowers the validation loss too little; keep the round of the lowest loss.

    Returns:
        The images used up to the end of that round.
    """
    network, config = classifier.network, classifier.record.config
    rounds = config.rounds if validation else (config.fit.images,)
    best: dict[str, Tensor] = {}
    start = 0
    if checkpoint is not None and checkpoint.saved:
        start = int(checkpoint.saved["round"])
        best = {key: each for key, each in checkpoint.saved.items() if key.startswith("best.")}
    for index in range(start, len(rounds)):
        done = sum(rounds[:index])
        if checkpoint is not None:
            checkpoint.extra = {"round": torch.tensor(index), **best}
        fit_classifier(
            network,
            train,
            config.fit.model_copy(update={"images": rounds[index]}),
            seed=classifier.record.seed + (index << 32),
            progress=progress and partial(_in_round, progress, done, sum(rounds)),
            checkpoint=checkpoint,
        )
        if len(rounds) == 1 or not validation:
            return sum(rounds)
        loss = torch.tensor(validation_loss(classifier, validation), dtype=torch.float64)
        continues = not best or bool(loss < (1 - NOT_BETTER) * best["best.loss"])
        if not best or loss < best["best.loss"]:
            weights = {
                f"best.network.{k}": each.clone() for k, each in network.state_dict().items()
            }
            best = {"best.loss": loss, "best.images": torch.tensor(done + rounds[index]), **weights}
        if not continues:
            break
    network.load_state_dict({key: best[f"best.network.{key}"] for key in network.state_dict()})
    return int(best["best.images"])


def validation_loss(classifier: ReferenceClassifier, data: LabeledImages) -> float:
    """Return the mean cross-entropy of the true classes, in nats."""
    logits = torch.from_numpy(classifier.predict(data.images).logits).double()
    return functional.cross_entropy(logits, torch.from_numpy(data.labels.copy())).item()


def _in_round(
    progress: FitProgress, done: int, total: int, seen: int, _of: int, loss: float
) -> None:
    progress(done + seen, total, loss)


def _network(record: ReferenceClassifierRecord) -> ReferenceNetwork:
    shape = ImageShape(*record.shape)
    network = ReferenceNetwork(record.config.network, shape, len(record.classes))
    return network.to(memory_format=torch.channels_last)
