"""Precision, recall, density and coverage: two sets of features as unions of balls.

A set's manifold is the union of balls around its points, each as large as the distance to the
point's k-th nearest neighbor in its own set, the point itself not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.metrics.arrays import Array, Float64Array

NEIGHBORS = 5
"""k, as Naeem et al. 2020 choose it (section 4.3.1)."""
SMALLEST_MANIFOLD_COUNT = 100
"""Images a side below which none of the four is given: each is a share of so many images, so its
standard error would pass .05, and a ball would hold more than a twentieth of the set."""

_BLOCK = 2048  # distances of 2048 × 2048 pairs at a time: 32 MiB
_TIE = 1e-12  # of the largest squared length: far above rounding, far below what two images differ


@final
@dataclass(frozen=True)
class Manifold:
    """How the samples lie to the real images.

    Attributes:
        precision: share of samples inside the ball of some real image (Kynkäänniemi et al. 2019).
        recall: share of real images inside the ball of some sample (the same).
        density: real balls that a sample lies in, over k, on average; may exceed 1 (Naeem et al.
            2020, eq. 5).
        coverage: share of real images with a sample in their ball (the same, eq. 6).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(
    fake: Array,
    real: Array,
    *,
    k: int = NEIGHBORS,
    fake_radii: Float64Array | None = None,
    real_radii: Float64Array | None = None,
) -> Manifold:
    """Precision, recall, density and coverage.

    All four depend on the number of images; compare them at equal counts only.

    Balls are closed: on their surface is inside, as in the formula of Kynkäänniemi et al. (eq. 1)
    and in torch-fidelity; prdc counts only what lies strictly inside. The two differ on ties alone,
    where the closed ball gives a model that repeats the real images precision 1 and not 0.
    Distances are float64, by |x|² + |y|² − 2 x·y of centered features; squared ones that differ by
    less than 1e-12 of the largest squared length count as tied.

    Args:
        fake: features of the samples, (N, F), N > k, any real dtype.
        real: features of real images, (M, F), M > k.
        k: which neighbor's distance is a ball's radius; the point itself is none.
        fake_radii: `ball_radii` of ``fake`` with the same k, where they are known.
        real_radii: likewise of ``real``.

    Raises:
        ValueError: too few images for k, or values that are not finite.
    """
    if fake.ndim != 2 or real.ndim != 2 or fake.shape[1] != real.shape[1]:
        raise ValueError(f"features must be (N, F) and (M, F), not {fake.shape} and {real.shape}")
    around_fake = ball_radii(fake, k) if fake_radii is None else fake_radii
    around_real = ball_radii(real, k) if real_radii is None else real_radii
    fake, real = _checked(fake, k), _checked(real, k)
    center = real.mean(axis=0)
    fake -= center
    real -= center
    left, right = _left(real), _right(fake)
    tie = _TIE * max(left[:, -2].max(), right[:, -1].max())
    reach_of_fake, reach_of_real = np.square(around_fake) + tie, np.square(around_real) + tie

    balls_around = np.zeros(len(fake), np.int64)  # real balls that each sample lies in
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for i in range(0, len(real), _BLOCK):
        rows = slice(i, i + _BLOCK)
        for j in range(0, len(fake), _BLOCK):
            columns = slice(j, j + _BLOCK)
            distances = left[rows] @ right[columns].T
            in_real_ball = distances <= reach_of_real[rows, None]
            balls_around[columns] += in_real_ball.sum(axis=0)
            covered[rows] |= in_real_ball.any(axis=1)
            recalled[rows] |= (distances <= reach_of_fake[None, columns]).any(axis=1)
    return Manifold(
        precision=float((balls_around > 0).mean()),
        recall=float(recalled.mean()),
        density=float(balls_around.mean() / k),
        coverage=float(covered.mean()),
    )


def ball_radii(features: Array, k: int = NEIGHBORS) -> Float64Array:
    """Distance of each point to its k-th nearest neighbor among the others.

    Args:
        features: (N, F), N > k, any real dtype.
        k: at least 1.

    Returns:
        float64 (N,).

    Raises:
        ValueError: too few images for k, or values that are not finite.
    """
    points = _checked(features, k)
    points -= points.mean(axis=0)
    left, right = _left(points), _right(points)
    nearest = np.full((len(points), k), np.inf)
    for i in range(0, len(points), _BLOCK):
        rows = slice(i, i + _BLOCK)
        for j in range(i, len(points), _BLOCK):  # a pair of blocks serves both
            columns = slice(j, j + _BLOCK)
            distances = left[rows] @ right[columns].T
            if i == j:
                np.fill_diagonal(distances, np.inf)  # the point itself is no neighbor
            nearest[rows] = _smallest(nearest[rows], distances)
            if i != j:
                nearest[columns] = _smallest(nearest[columns], distances.T)
    radii: Float64Array = np.sqrt(np.maximum(nearest.max(axis=1), 0))  # < 0 only by rounding
    return radii


def _smallest(known: Float64Array, more: Float64Array) -> Float64Array:
    """Return the k smallest values of each row of ``known`` (N, k) and ``more`` (N, M)."""
    k = known.shape[1]
    smallest: Float64Array = np.partition(np.hstack([known, more]), k - 1, axis=1)[:, :k]
    return smallest


def _left(x: Float64Array) -> Float64Array:
    """(−2x, |x|², 1): its product with `_right` is |x|² + |y|² − 2 x·y, in one call of BLAS."""
    return np.column_stack([-2 * x, np.square(x).sum(axis=1), np.ones(len(x))])


def _right(y: Float64Array) -> Float64Array:
    """(y, 1, |y|²)."""
    return np.column_stack([y, np.ones(len(y)), np.square(y).sum(axis=1)])


def _checked(features: Array, k: int) -> Float64Array:
    """A float64 copy."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if len(features) <= k:
        raise ValueError(
            f"the {k}-th nearest neighbor needs more than {k} images a side, not {len(features)}"
        )
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("neighbors need finite features; some are infinite or NaN")
    return values
