"""Smaller or skewed training sets: a fraction, so many per class, or a long tail; seeded.

A subset concerns the training part alone, so figures stay comparable: validation and test are the
same for every subset. Of one seed, a smaller subset lies within every larger one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from acgan.data.classes import ClassName, find_class
from acgan.data.config import DataConfig
from acgan.data.order import random_order
from acgan.errors import DataError

Labels = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


def wanted_counts(counts: Counts, config: DataConfig) -> Counts:
    """How many training images of each class to use, int64 (K,), each from 1 to ``counts``.

    Raises:
        DataError: a long tail over one class, or one that would leave a class without an image.
    """
    if config.fraction is not None:
        share: Counts = np.rint(counts * config.fraction).astype(np.int64)
        return np.maximum(share, 1)
    if config.per_class is not None:
        return np.minimum(counts, config.per_class).astype(np.int64)
    if config.long_tail is not None:
        return long_tail_counts(counts, config.long_tail)
    return counts


def long_tail_counts(counts: Counts, ratio: float) -> Counts:
    """Exponential imbalance ``n_k = n_0 · ratio^(-k / (K-1))``, rounded down, in label order.

    The profile is Cui et al., Class-Balanced Loss, CVPR 2019, section 5.1. ``n_0`` is the largest
    number for which every class has enough images, so a balanced set keeps its first class whole.

    Raises:
        DataError: there is one class only, or the last class would get no image.
    """
    if len(counts) < 2:
        raise DataError("a long tail needs at least two classes")
    profile = ratio ** (-np.arange(len(counts)) / (len(counts) - 1))
    largest = float((counts / profile).min())
    result = np.floor(largest * profile + 1e-9).astype(np.int64)
    if result.min() < 1:
        raise DataError(
            f"a long tail of {ratio:g} leaves less than one image for the rarest class; "
            f"at most {int(largest)} is possible here"
        )
    return result


def pick(
    labels: Labels, classes: Sequence[ClassName], counts: Counts, *, seed: int
) -> npt.NDArray[np.int64]:
    """Ascending indices of ``counts[k]`` images of each class k, drawn without replacement."""
    chosen = []
    for index, name in enumerate(classes):
        members = np.flatnonzero(labels == index)
        order = random_order(len(members), "subset", seed, name.name)
        chosen.append(members[order[: counts[index]]])
    return np.sort(np.concatenate(chosen)).astype(np.int64, copy=False)


def kept_classes(classes: Sequence[ClassName], wanted: Sequence[str]) -> list[int]:
    """Ascending indices of the classes that a person names.

    Raises:
        UsageError: a name is unknown.
    """
    return sorted({find_class(classes, name) for name in wanted})
