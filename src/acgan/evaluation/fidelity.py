"""How far a set of features lies from another: the Fréchet distance between two Gaussians.

Which features, of how many images, against which part of the data, is the caller's to choose and
to state: the distance falls with the number of images, and compares only at equal counts.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from acgan.errors import DataError

Array = npt.NDArray[Any]
Float64s = npt.NDArray[np.float64]


def frechet_distance(a: Array, b: Array) -> float:
    """Squared Fréchet distance between the Gaussians of two sets of features.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), with unbiased covariances (N − 1), in float64
    throughout (Dowson & Landau 1982; Heusel et al. 2017, eq. 6).

    With centred features Qᵢ Rᵢ = Xᵢ / √(Nᵢ − 1), Σᵢ = Rᵢᵀ Rᵢ, and the eigenvalues of Σ₁ Σ₂ are the
    squared singular values of R₁ R₂ᵀ. So the trace of the root is the sum of those singular
    values: no matrix is squared and no root of a rounding error taken, and the result is as
    exact for features of deficient rank (fewer images than features, dead features) as for others.

    Args:
        a: (N, F), N ≥ 2, any real dtype.
        b: (M, F), M ≥ 2.

    Returns:
        The distance, in squared units of the features, at least 0.

    Raises:
        DataError: fewer than two rows, or values that are not finite.

    Example:
        >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
        9.0
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (N, F) and (M, F), not {a.shape} and {b.shape}")
    mean_a, root_a = _mean_and_root(a)
    mean_b, root_b = _mean_and_root(b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.square(root_a).sum() + np.square(root_b).sum() - 2 * cross
    distance = np.square(mean_a - mean_b).sum() + spread
    return max(0.0, float(distance))  # below 0 only by rounding


def equal_count_distance(a: Array, b: Array, *, draws: int, seed: int) -> float:
    """Fréchet distance at equal counts: all of the smaller set against subsets of the larger.

    Between two real parts this is the floor: what a perfect model would be measured at.

    Args:
        a: (N, F).
        b: (M, F).
        draws: subsets over which the distance is averaged (one where N = M).
        seed: of the subsets, which are drawn without replacement.

    Returns:
        The mean distance.
    """
    small, large = sorted((a, b), key=len)
    if len(small) == len(large):
        return frechet_distance(a, b)
    random = np.random.default_rng(seed)
    distances = [
        frechet_distance(small, large[random.permutation(len(large))[: len(small)]])
        for _ in range(draws)
    ]
    return float(np.mean(distances))


def _mean_and_root(features: Array) -> tuple[Float64s, Float64s]:
    """Mean (F,) and a triangular R, (min(N, F), F), with Rᵀ R the unbiased covariance."""
    if len(features) < 2:
        raise DataError(f"a Fréchet distance needs at least 2 images a side, not {len(features)}")
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("a Fréchet distance needs finite features; some are infinite or NaN")
    mean = values.mean(axis=0)
    root = np.linalg.qr((values - mean) / np.sqrt(len(values) - 1), mode="r")
    return mean, cast(Float64s, root)  # numpy's stubs know no mode but "reduced"
