"""Precision, recall, density and coverage of two sets of features.

The manifold of a set is the union of balls around its points. The radius of a ball is the distance
of its point to the k-th nearest other point of the same set.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np

from acgan.metrics.arrays import Array, Float64Array, blocks, check_widths, finite_features

NEIGHBORS = 5
"""k, as in Naeem et al. 2020 (section 4.3.1)."""
SMALLEST_MANIFOLD_COUNT = 100
"""Minimum number of images per side: with fewer, the standard error of a share can exceed 0.05, and
a ball contains more than a twentieth of its set."""

_BLOCK = 2048  # distances of 2048 × 2048 pairs at a time: 32 MiB
_TIE = 1e-12  # of the largest squared length: far above rounding, far below differences of images


@final
@dataclass(frozen=True)
class Manifold:
    """Overlap of the manifolds of samples and real images.

    Attributes:
        precision: share of samples inside the ball of any real image (Kynkäänniemi et al. 2019).
        recall: share of real images inside the ball of any sample (same paper).
        density: mean number of real balls that contain a sample, over k; may exceed 1 (Naeem et
            al. 2020, eq. 5).
        coverage: share of real images with a sample in their ball (same paper, eq. 6).
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
    real_radii: Float64Array | None = None,
) -> Manifold:
    """Return precision, recall, density and coverage.

    All four depend on the number of images; compare them at equal counts only.

    Balls include their surface, as in the formula of Kynkäänniemi et al. (eq. 1) and in
    torch-fidelity; prdc excludes it. The two differ only on ties: a model that repeats the real
    images has precision 1 with closed balls, 0 with open ones. Distances are float64,
    |x|² + |y|² − 2 x·y of centered features; squared distances that differ by less than 1e-12 of
    the largest squared length count as tied.

    Args:
        fake: features of the samples, (N, F), N > k, any real dtype.
        real: features of real images, (M, F), M > k.
        k: the radius of a ball is the distance to the k-th nearest other point.
        real_radii: `ball_radii` of ``real`` with the same k; None to compute them.

    Raises:
        ValueError: too few images for k, or values that are not finite.
    """
    check_widths(fake, real)
    around_fake = ball_radii(fake, k)
    around_real = ball_radii(real, k) if real_radii is None else real_radii
    fake, real = _checked(fake, k), _checked(real, k)
    center = real.mean(axis=0)
    fake -= center
    real -= center
    left, right = _left(real), _right(fake)
    tie = _TIE * max(left[:, -2].max(), right[:, -1].max())
    reach_of_fake, reach_of_real = np.square(around_fake) + tie, np.square(around_real) + tie

    balls_around = np.zeros(len(fake), np.int64)  # number of real balls with each sample
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows in blocks(len(real), _BLOCK):
        for columns in blocks(len(fake), _BLOCK):
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
    """Return the distance of each point to its k-th nearest other point.

    For (N, F) of any real dtype, N > k ≥ 1: float64 (N,).

    Raises:
        ValueError: too few images for k, or values that are not finite.
    """
    points = _checked(features, k)
    points -= points.mean(axis=0)
    left, right = _left(points), _right(points)
    nearest = np.full((len(points), k), np.inf)
    for rows, columns in combinations_with_replacement(blocks(len(points), _BLOCK), 2):
        distances = left[rows] @ right[columns].T  # they serve both blocks
        if rows == columns:
            np.fill_diagonal(distances, np.inf)  # the point itself is no neighbor
        else:
            nearest[columns] = _smallest(nearest[columns], distances.T)
        nearest[rows] = _smallest(nearest[rows], distances)
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
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return finite_features(features, f"the nearest neighbor number {k}", least=k + 1)
