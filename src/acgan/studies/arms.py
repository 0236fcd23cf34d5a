"""The arms of a usefulness study: training sets that differ in what they hold, and in nothing else.

An arm is a recipe in numbers (how many real images and samples of each class, augmented or not);
`compose` turns it into images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images, LabelledImages
from acgan.data.order import random_order
from acgan.studies.usefulness_config import UsefulnessConfig

Counts = npt.NDArray[np.int64]

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


def study_arms(train: Counts, config: UsefulnessConfig) -> tuple[Arm, ...]:
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


def samples_needed(arms: tuple[Arm, ...]) -> Counts:
    """The largest number of samples of each class that an arm takes, int64 (K,)."""
    needed: Counts = np.array([arm.synthetic for arm in arms], np.int64).max(axis=0)
    return needed


def compose(
    arm: Arm, train: LabelledImages, draw: Callable[[int, int], Images], *, seed: int
) -> LabelledImages:
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
    return LabelledImages(images, np.concatenate([train.labels[indices], labels]), train.classes)


def _arm(key: str, title: str, real: Counts, synthetic: Counts, *, augmented: bool = False) -> Arm:
    return Arm(key, title, tuple(real.tolist()), tuple(synthetic.tolist()), augmented)


def _times(counts: Counts, ratio: float) -> Counts:
    times: Counts = np.maximum(1, np.rint(counts * ratio)).astype(np.int64)
    return times


def _repeated(train: LabelledImages, wanted: tuple[int, ...], seed: int) -> Counts:
    parts = [np.empty(0, np.int64)]
    for index, count in enumerate(wanted):
        members = np.flatnonzero(train.labels == index)
        times, rest = divmod(count, len(members)) if count else (0, 0)
        order = random_order(len(members), "oversampling", seed, train.classes[index].name)
        parts += [np.tile(members, times), members[order[:rest]]]
    return np.concatenate(parts)
