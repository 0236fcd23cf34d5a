"""Arms of a usefulness study: training sets that differ only in their images.

An arm gives the number of real images and samples of each class, with or without augmentation;
`compose` builds its images. Samples come from a model, a folder of images, or any function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from acgan.data.images import Images, LabeledImages
from acgan.data.split import random_order
from acgan.errors import DataError
from acgan.metrics.arrays import Int64Array
from acgan.model.model import Model
from acgan.sampling.latents import SEEDS
from acgan.studies.usefulness_config import UsefulnessConfig

_SEEDS_A_CLASS = 2**32  # each class of each study seed has so many image seeds to itself


@final
@dataclass(frozen=True)
class Samples:
    """A source of samples, class by class.

    Attributes:
        draw: ``draw(class index, count, seed)`` gives uint8 (count, C, H, W); the same three
            give the same images, and a smaller count the first of a larger one's.
        identity: equal where the draws are equal (a hash of weights or of images); kept results
            are recognized by it.
        available: samples of each class where they are finite; None without a limit.
        learned_from: content hash of the images that the maker of the samples learned from; None
            where nobody knows.
        origin: for the protocol: model, data, images seen …
    """

    draw: Callable[[int, int, int], Images]
    identity: str
    available: tuple[int, ...] | None = None
    learned_from: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


def model_samples(model: Model) -> Samples:
    """Fresh samples of a trained model: other ones for every study seed and every class.

    No latent is used twice. (Samples of one image seed share a style across classes, so classes
    with the same image seeds would vary less than they look.)
    """

    def draw(index: int, count: int, seed: int) -> Images:
        # Stream 0 holds the image seeds from 0 on, which sheets and other measures show.
        stream = seed * len(model.classes) + index + 1
        if not 0 <= stream < SEEDS // _SEEDS_A_CLASS:
            raise ValueError(f"study seed {seed} leaves no image seeds; take one below a million")
        return model.sample(index, count, stream * _SEEDS_A_CLASS)

    return Samples(
        draw,
        identity=f"model {model.record.content_hash}",
        learned_from=model.split["train"]["content_hash"],
        origin={
            "model": model.record.content_hash,
            "model_recipe": model.config.recipe,
            "model_seed": model.config.seed,
            "model_images_seen": model.images_seen,
        },
    )


def given_samples(samples: LabeledImages) -> Samples:
    """Samples that somebody drew before, from whatever tool; a study seed takes a random part."""
    members = [np.flatnonzero(samples.labels == index) for index in range(len(samples.classes))]

    def draw(index: int, count: int, seed: int) -> Images:
        if count > len(members[index]):
            raise DataError(
                f"{count} samples of {samples.classes[index].name} are needed, "
                f"{len(members[index])} are there; add more"
            )
        order = random_order(len(members[index]), "samples", seed, samples.classes[index].name)
        chosen: Images = samples.images[members[index][order[:count]]]
        return chosen

    return Samples(
        draw,
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
BALANCED_CAPPED = "balanced-capped"
BALANCED_AUGMENTED = "balanced-augmented"


@final
@dataclass(frozen=True)
class Arm:
    """One training set.

    Attributes:
        key: stable name, without dots: ``real-augmented``, ``mixed-100-percent`` …
        title: as a person reads it.
        real: real images of each class, repetitions counted, K values.
        synthetic: samples of each class, K values.
        augmented: whether images are shifted (and mirrored) as they are shown.
    """

    key: str
    title: str
    real: tuple[int, ...]
    synthetic: tuple[int, ...]
    augmented: bool = False

    @property
    def has_samples(self) -> bool:
        """Whether a single sample is in it."""
        return any(self.synthetic)

    @property
    def images(self) -> int:
        """Images in all."""
        return sum(self.real) + sum(self.synthetic)

    @property
    def content(self) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
        """What sets it apart from others: arms of equal content are one training set."""
        return self.real, self.synthetic, self.augmented


def mixed_key(ratio: float, *, augmented: bool = False) -> str:
    """Key of the arm with ``ratio`` samples a real image."""
    return f"mixed-{round(100 * ratio)}-percent" + ("-augmented" if augmented else "")


def study_arms(train: Int64Array, config: UsefulnessConfig) -> tuple[Arm, ...]:
    """All arms for a real training part with these class counts, in reading order.

    Args:
        train: real training images of each class, int64 (K,), each at least 1.
        config: the ratios and the cap.

    Returns:
        Some may be of equal content, as rebalanced arms are where all classes are equally large.
    """
    none, full = np.zeros_like(train), np.full_like(train, train.max())
    missing = full - train
    capped = np.minimum(missing, np.floor(config.balance_cap * train).astype(np.int64))

    def arms() -> Iterator[Arm]:
        yield _arm(REAL, "real", train, none)
        yield _arm(REAL_AUGMENTED, "real, augmented", train, none, augmented=True)
        title = "real, oversampled to equal classes"
        yield _arm(OVERSAMPLED, title, full, none)
        yield _arm(OVERSAMPLED_AUGMENTED, f"{title}, augmented", full, none, augmented=True)
        yield _arm(SYNTHETIC, "samples only", none, train)
        for ratio in config.ratios:
            samples = _times(train, ratio)
            title = f"real + {ratio:g} × as many samples"
            yield _arm(mixed_key(ratio), title, train, samples)
            if ratio == config.headline_ratio:
                key = mixed_key(ratio, augmented=True)
                yield _arm(key, f"{title}, augmented", train, samples, augmented=True)
        title = "real, filled up with samples to equal classes"
        yield _arm(BALANCED, title, train, missing)
        yield _arm(BALANCED_AUGMENTED, f"{title}, augmented", train, missing, augmented=True)
        title = f"real, filled up with at most {config.balance_cap:g} samples a real image"
        yield _arm(BALANCED_CAPPED, title, train, capped)

    return tuple(arms())


def samples_needed(arms: tuple[Arm, ...]) -> Int64Array:
    """The largest number of samples of each class that an arm takes, int64 (K,)."""
    needed: Int64Array = np.array([arm.synthetic for arm in arms], np.int64).max(axis=0)
    return needed


def compose(
    arm: Arm, train: LabeledImages, draw: Callable[[int, int], Images], *, seed: int
) -> LabeledImages:
    """The images of an arm, real ones first, class after class.

    Where more real images are asked for than there are, every one occurs ``n // available`` times,
    and some, drawn by the seed, once more. Otherwise all are taken as they are.

    Args:
        arm: what to put together.
        train: the real training part.
        draw: ``draw(class, count)`` gives the first ``count`` samples of a class, uint8
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
            images[start : start + count] = draw(index, count)
        start += count
    return LabeledImages(images, np.concatenate([train.labels[indices], labels]), train.classes)


def _arm(
    key: str, title: str, real: Int64Array, synthetic: Int64Array, *, augmented: bool = False
) -> Arm:
    return Arm(key, title, tuple(real.tolist()), tuple(synthetic.tolist()), augmented)


def _times(counts: Int64Array, ratio: float) -> Int64Array:
    times: Int64Array = np.maximum(1, np.rint(counts * ratio)).astype(np.int64)
    return times


def _repeated(train: LabeledImages, wanted: tuple[int, ...], seed: int) -> Int64Array:
    splits = [np.empty(0, np.int64)]
    for index, count in enumerate(wanted):
        members = np.flatnonzero(train.labels == index)
        times, rest = divmod(count, len(members)) if count else (0, 0)
        order = random_order(len(members), "oversampling", seed, train.classes[index].name)
        splits += [np.tile(members, times), members[order[:rest]]]
    return np.concatenate(splits)
