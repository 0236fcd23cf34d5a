"""Whether samples of a model that is asked for no class cover the classes of its data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from acgan.metrics.arrays import Int64Array

_DRAWS = 50  # subsets over which a distance at a smaller count is averaged


def class_counts(logits: npt.NDArray[Any]) -> Int64Array:
    """How many images a classifier reads as each class, int64 (K,), from its logits (N, K)."""
    return np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]).astype(np.int64)


def total_variation(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """½ Σ_k |p_k − q_k|: the share of images that would have to change their class.

    Args:
        first: counts or shares of each class, (K,), not all 0.
        second: likewise.

    Example:
        >>> total_variation(np.array([5, 5]), np.array([10, 0]))
        0.5
    """
    p, q = first / first.sum(), second / second.sum()
    return float(0.5 * np.abs(p - q).sum())


def total_variation_at(
    count: int, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], *, seed: int
) -> float:
    """The mean distance to ``second`` of ``count`` images drawn from those counted in ``first``.

    Chance alone puts few images at a larger distance than many, so that a distance and its floor
    are to be taken at equal counts.

    Args:
        count: at most as many as there are.
        first: counts (K,).
        second: counts (K,).
        seed: of the draws.
    """
    if count == first.sum():
        return total_variation(first, second)
    random = np.random.default_rng(seed)
    drawn = random.multivariate_hypergeometric(first, count, size=_DRAWS)
    return float(np.mean([total_variation(each, second) for each in drawn]))
