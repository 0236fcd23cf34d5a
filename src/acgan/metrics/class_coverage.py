"""How well samples of an unconditional model cover the classes of the data."""

from __future__ import annotations

import numpy as np

from acgan.metrics.arrays import Array, Int64Array

_SUBSETS = 50  # over which a distance at a smaller count is averaged


def class_counts(logits: Array) -> Int64Array:
    """Return the number of images per predicted label, int64 (K,), from logits (N, K)."""
    return np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]).astype(np.int64)


def total_variation(first: Array, second: Array) -> float:
    """Return ½ Σ_k |p_k − q_k|, the share of images that would have to change their class.

    Args:
        first: counts or shares of each class, (K,), not all 0.
        second: likewise.

    Example:
        >>> total_variation(np.array([5, 5]), np.array([10, 0]))
        0.5
    """
    p, q = first / first.sum(), second / second.sum()
    return float(0.5 * np.abs(p - q).sum())


def total_variation_at(count: int, first: Int64Array, second: Int64Array, *, seed: int) -> float:
    """Return the mean distance to ``second`` of random subsets of the images of ``first``.

    The distance is larger for fewer images, so a distance and its baseline must use equal counts.

    Args:
        count: images per subset, at most the sum of ``first``.
        first: counts of each class, (K,).
        second: likewise.
        seed: of the subsets.
    """
    if count == first.sum():
        return total_variation(first, second)
    random = np.random.default_rng(seed)
    subsets = random.multivariate_hypergeometric(first, count, size=_SUBSETS)
    return float(np.mean([total_variation(each, second) for each in subsets]))
