"""Fréchet distance between two sets of features.

The distance decreases with the number of images; compare values at equal counts only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast, final

import numpy as np
from scipy.linalg import lapack

from acgan.metrics.arrays import Array, Float64Array, check_widths, finite_features

SMALLEST_COUNT = 256
"""Minimum number of images per side of a Fréchet distance, for any features."""

_BASELINE_SUBSETS = 5
_WIDE = 512  # features from which a subset takes over a second; two agree to a few percent
_CONDITION = 1e-10  # reciprocal, of a covariance, above which its Cholesky factor is exact enough


def smallest_count(features: int) -> int:
    """Return the minimum number of images per side: twice the number of features.

    A covariance of F features has full rank only with more than F images; with few images, the
    distance is mostly estimation noise.
    """
    return max(SMALLEST_COUNT, 2 * features)


def baseline_subsets(features: int) -> int:
    """Return the number of random subsets that a baseline is averaged over."""
    return _BASELINE_SUBSETS if features < _WIDE else 2


@final
@dataclass(frozen=True)
class Baseline:
    """Fréchet distance between two real splits, the expected value of a perfect model.

    Attributes:
        distance: at equal counts; NaN if the smaller split is below `smallest_count`.
        count: images per side.
        subsets: number of subsets of the larger split that it is averaged over.
        seed: of these subsets.
    """

    distance: float
    count: int
    subsets: int
    seed: int


def frechet_baseline(a: Array, b: Array, *, seed: int) -> Baseline:
    """Return the distance between the features of two real splits, (N, F) and (M, F)."""
    count, features = min(len(a), len(b)), a.shape[1]
    subsets = 1 if len(a) == len(b) else baseline_subsets(features)
    if count < smallest_count(features):
        return Baseline(math.nan, count, subsets, seed)
    return Baseline(equal_count_distance(a, b, subsets=subsets, seed=seed), count, subsets, seed)


def frechet_distance(a: Array, b: Array) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to two sets of features.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), with unbiased covariances (N − 1), in float64
    throughout (Dowson & Landau 1982; Heusel et al. 2017, eq. 6).

    With centered features Qᵢ Rᵢ = Xᵢ / √(Nᵢ − 1), Σᵢ = Rᵢᵀ Rᵢ, and the eigenvalues of Σ₁ Σ₂ are the
    squared singular values of R₁ R₂ᵀ, whose sum is the trace of the root. This is equally exact for
    features of deficient rank (fewer images than features, dead features). torch-fidelity takes the
    roots of eigenvalues of Σ₁ Σ₂, which turns rounding of 1e-16 into 1e-8 for every missing rank.
    R of a well-conditioned covariance is its Cholesky factor, 4 times as fast as QR.

    Args:
        a: (N, F), N ≥ 2, any real dtype.
        b: (M, F), M ≥ 2.

    Returns:
        The distance, in squared units of the features, at least 0.

    Raises:
        ValueError: fewer than two rows, or values that are not finite.

    Example:
        >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
        9.0
    """
    check_widths(a, b)
    return _between(_gaussian(a), _gaussian(b))


def equal_count_distance(a: Array, b: Array, *, subsets: int, seed: int) -> float:
    """Return the distance at equal counts: the smaller set against subsets of the larger.

    Args:
        a: (N, F).
        b: (M, F).
        subsets: number of subsets to average over (one if N = M).
        seed: of the subsets, sampled without replacement.
    """
    small, large = sorted((a, b), key=len)
    if len(small) == len(large):
        return frechet_distance(a, b)
    random = np.random.default_rng(seed)
    fixed = _gaussian(small)
    distances = [
        _between(fixed, _gaussian(large[random.permutation(len(large))[: len(small)]]))
        for _ in range(subsets)
    ]
    return float(np.mean(distances))


def _between(a: tuple[Float64Array, Float64Array], b: tuple[Float64Array, Float64Array]) -> float:
    (mean_a, root_a), (mean_b, root_b) = a, b
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.square(root_a).sum() + np.square(root_b).sum() - 2 * cross
    distance = np.square(mean_a - mean_b).sum() + spread
    return max(0.0, float(distance))  # below 0 only by rounding


def _gaussian(features: Array) -> tuple[Float64Array, Float64Array]:
    """Mean (F,) and a triangular R, (min(N, F), F), with Rᵀ R the unbiased covariance."""
    values = finite_features(features, "a Fréchet distance", least=2)
    mean = values.mean(axis=0)
    values -= mean
    values /= np.sqrt(len(values) - 1)
    return mean, _root(values)


def _root(values: Float64Array) -> Float64Array:
    """A triangular R with Rᵀ R = Xᵀ X."""
    if len(values) > values.shape[1]:
        product = values.T @ values
        factor, failed = lapack.dpotrf(product)
        # Squaring X halves the digits of its smallest directions, so only where none is small.
        if not failed and lapack.dpocon(factor, np.abs(product).sum(axis=0).max())[0] > _CONDITION:
            return np.asarray(factor, dtype=np.float64)
    return cast(Float64Array, np.linalg.qr(values, mode="r"))  # numpy's stubs: only "reduced"
