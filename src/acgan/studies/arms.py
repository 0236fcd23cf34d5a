"""Arms of a usefulness study: training sets that differ only in their images.

An arm gives the number of real images and samples of each class, with or without augmentation;
`compose` builds its images. Samples come from a model, a folder of images, or any function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self, final

import numpy as np
from pydantic import Field, model_validator

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.config import Config
from acgan.data.images import Images, LabeledImages
from acgan.data.split import random_order
from acgan.errors import DataError
from acgan.metrics.arrays import Int64Array
from acgan.model.model import Model
from acgan.sampling.latents import SEEDS

FIT_IMAGES = 48_000
"""Images used in a fit: some 20 seconds of one core for 28×28 gray, 100 for 32×32 color."""
Ratio = Annotated[float, Field(gt=0)]


@final
class UsefulnessConfig(Config):
    """The arms, and the network and fit that all arms share.

    Attributes:
        fit: of the augmented arms; the others are fitted without shift, flip and erasing.
        network: fitted to every arm, from the same initial weights at the same seed.
        ratios: samples per real image in the mixed arms, which keep the class proportions.
        headline_ratio: the one of ``ratios`` that is also fitted with augmentation and that the
            findings report. Choose it before the study, never by its results.
        balance_cap: most samples per real image in the capped balanced arm.
    """

    fit: FitConfig
    network: ReferenceNetworkConfig = ReferenceNetworkConfig(stem=16, stages=(32, 64, 96))
    ratios: tuple[Ratio, ...] = Field(default=(0.5, 1.0, 2.0, 5.0), min_length=1)
    headline_ratio: Ratio = 1.0
    balance_cap: Ratio = 5.0

    @model_validator(mode="after")
    def _headline_is_fitted(self) -> Self:
        if self.headline_ratio not in self.ratios:
            raise ValueError(
                f"headline_ratio {self.headline_ratio:g} is none of the ratios; add it to them"
            )
        if len({round(100 * ratio) for ratio in self.ratios}) < len(self.ratios):
            raise ValueError("two ratios are the same to the percent; leave one out")
        return self

    def quick(self) -> Self:
        """Return an indicative study of minutes: a quarter of the images per fit, one ratio."""
        fit = self.fit.model_copy(update={"images": max(1, self.fit.images // 4)})
        return self.model_copy(update={"fit": fit, "ratios": (self.headline_ratio,)})

    def fit_of(self, *, augmented: bool) -> FitConfig:
        """Return the fit with or without classical augmentation."""
        if augmented:
            return self.fit
        return self.fit.model_copy(update={"flip": False, "shift_pixels": 0, "erase_pixels": 0})


def usefulness_config(
    train: LabeledImages, *, flip: bool, images: int = FIT_IMAGES
) -> UsefulnessConfig:
    """Return the configuration of a study for some data.

    Rate, budget and augmentation were chosen once, on real images alone, by validation splits: of a
    tenth of Fashion-MNIST, where flips help and shifts only slow the fit down, and of 1,080 images
    of MNIST, where a shift of one pixel is as good as two. For color images they are the usual
    ones, and not measured.

    Args:
        train: the real training split.
        flip: whether a horizontal flip keeps the class: true for photographs and clothes, false
            for digits and letters.
        images: used in each fit, repetitions counted.
    """
    gray = train.shape.channels == 1
    return UsefulnessConfig(
        fit=FitConfig(
            flip=flip,
            images=images,
            optimizer="sgd-nesterov",
            peak_lr=0.1,
            weight_decay=5e-4,
            label_smoothing=0.1,
            shift_pixels=2 if not gray else 0 if flip else 1,
        ),
        network=ReferenceNetworkConfig(
            stem=16 if gray else 32, stages=(32, 64, 96) if gray else (64, 128, 128)
        ),
    )


_SEEDS_PER_CLASS = 2**32  # image seeds reserved for each class of each study seed


@final
@dataclass(frozen=True)
class Samples:
    """A source of samples of each class.

    Attributes:
        generate: ``generate(class index, count, seed)`` returns uint8 (count, C, H, W); equal
            arguments give equal images, and a smaller count the first of a larger one's.
        identity: hash of weights or images; equal identities mean equal samples, so that cached
            fits can be reused.
        available: number of samples of each class; None if unlimited.
        trained_on: content hash of the generator's training images; None if unknown.
        origin: model, data, images seen …, for the protocol.
    """

    generate: Callable[[int, int, int], Images]
    identity: str
    available: tuple[int, ...] | None = None
    trained_on: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


def model_samples(model: Model) -> Samples:
    """Return fresh samples of a model: other latents for every study seed and every class.

    Samples of one image seed share a style across classes, so classes with the same image seeds
    would have less diversity than they appear to.
    """

    def generate(index: int, count: int, seed: int) -> Images:
        # Stream 0 has the image seeds from 0 on, which grids and other metrics use.
        stream = seed * len(model.classes) + index + 1
        if not 0 <= stream < SEEDS // _SEEDS_PER_CLASS:
            raise ValueError(f"study seed {seed} leaves no image seeds; use one below a million")
        return model.sample(index, count, stream * _SEEDS_PER_CLASS)

    return Samples(
        generate,
        identity=f"model {model.record.content_hash}",
        trained_on=model.split["train"]["content_hash"],
        origin={
            "model": model.record.content_hash,
            "model_recipe": model.config.recipe,
            "model_seed": model.config.seed,
            "model_images_seen": model.images_seen,
        },
    )


def given_samples(samples: LabeledImages) -> Samples:
    """Return existing samples of any tool as a source; a study seed selects a random subset."""
    members = [np.flatnonzero(samples.labels == index) for index in range(len(samples.classes))]

    def generate(index: int, count: int, seed: int) -> Images:
        if count > len(members[index]):
            raise DataError(
                f"{count} samples of {samples.classes[index].name} are needed, "
                f"{len(members[index])} exist; add more"
            )
        order = random_order(len(members[index]), "samples", seed, samples.classes[index].name)
        chosen: Images = samples.images[members[index][order[:count]]]
        return chosen

    return Samples(
        generate,
        identity=f"images {samples.content_hash}",
        available=tuple(samples.class_counts.tolist()),
        origin={"images": samples.content_hash},
    )


REAL = "real"
REAL_AUGMENTED = "real-augmented"
OVERSAMPLED = "oversampled"
OVERSAMPLED_AUGMENTED = "oversampled-augmented"
SYNTHETIC = "synthetic"
BALANCED = "balanced"


@final
@dataclass(frozen=True)
class Arm:
    """One training set.

    Attributes:
        key: stable name, without dots: ``real-augmented``, ``mixed-100-percent`` …
        title: display name.
        real: real images of each class, repetitions counted, K values.
        synthetic: samples of each class, K values.
        augmented: whether each batch is shifted (and flipped).
    """

    key: str
    title: str
    real: tuple[int, ...]
    synthetic: tuple[int, ...]
    augmented: bool = False

    @property
    def has_samples(self) -> bool:
        """Whether it contains samples."""
        return any(self.synthetic)

    @property
    def images(self) -> int:
        """Total number of images."""
        return sum(self.real) + sum(self.synthetic)

    @property
    def content(self) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
        """Key of the training set: arms of equal content are the same."""
        return self.real, self.synthetic, self.augmented


def mixed_key(ratio: float) -> str:
    """Return the key of the arm with ``ratio`` samples per real image, without augmentation."""
    return f"mixed-{round(100 * ratio)}-percent"


def study_arms(train: Int64Array, config: UsefulnessConfig) -> tuple[Arm, ...]:
    """Return all arms for a real training split with these class counts, in reading order.

    Args:
        train: real training images of each class, int64 (K,), each at least 1.
        config: the ratios and the cap.

    Returns:
        Some may have equal content: balanced arms do if all classes have the same size.
    """
    none, full = np.zeros_like(train), np.full_like(train, train.max())
    missing = full - train
    capped = np.minimum(missing, np.floor(config.balance_cap * train).astype(np.int64))
    filled = "real, filled up with"
    arms = [  # the last column: whether the arm is also fitted with augmentation
        (REAL, "real", train, none, True),
        (OVERSAMPLED, "real, oversampled to equal classes", full, none, True),
        (SYNTHETIC, "samples only", none, train, False),
    ]
    for ratio in config.ratios:
        samples = np.maximum(1, np.rint(train * ratio)).astype(np.int64)
        title, is_headline = f"real + {ratio:g} × as many samples", ratio == config.headline_ratio
        arms.append((mixed_key(ratio), title, train, samples, is_headline))
    title = f"{filled} at most {config.balance_cap:g} samples a real image"
    arms += [
        (BALANCED, f"{filled} samples to equal classes", train, missing, True),
        (f"{BALANCED}-capped", title, train, capped, False),
    ]
    return tuple(
        Arm(
            f"{key}-augmented" if augmented else key,
            f"{title}, augmented" if augmented else title,
            tuple(real.tolist()),
            tuple(synthetic.tolist()),
            augmented,
        )
        for key, title, real, synthetic, both in arms
        for augmented in ((False, True) if both else (False,))
    )


def compose(
    arm: Arm, train: LabeledImages, generate: Callable[[int, int], Images], *, seed: int
) -> LabeledImages:
    """Return the images of an arm, real ones first, in class order.

    If an arm has more real images of a class than the split, each occurs ``n // available`` times
    and some, selected by the seed, once more.

    Args:
        arm: to build.
        train: the real training split.
        generate: ``generate(class, count)`` returns the first ``count`` samples of a class, uint8
            (count, C, H, W).
        seed: of the repetitions.
    """
    indices = _repeated(train, arm.real, seed)
    labels = np.repeat(np.arange(len(train.classes), dtype=np.int64), arm.synthetic)
    images = np.empty((arm.images, *train.shape), np.uint8)
    images[: len(indices)] = train.images[indices]
    start = len(indices)
    for index, count in enumerate(arm.synthetic):
        if count:
            images[start : start + count] = generate(index, count)
        start += count
    return LabeledImages(images, np.concatenate([train.labels[indices], labels]), train.classes)


def _repeated(train: LabeledImages, wanted: tuple[int, ...], seed: int) -> Int64Array:
    """Return the indices of the real images of an arm, int64."""
    chosen = [np.empty(0, np.int64)]
    for index, count in enumerate(wanted):
        members = np.flatnonzero(train.labels == index)
        times, rest = divmod(count, len(members)) if count else (0, 0)
        order = random_order(len(members), "oversampling", seed, train.classes[index].name)
        chosen += [np.tile(members, times), members[order[:rest]]]
    return np.concatenate(chosen)
