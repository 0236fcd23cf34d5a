"""KID: how far two sets of features lie apart by a polynomial kernel, with an interval.

Unlike the Fréchet distance it supposes no Gaussian and has no bias: its expectation is the same at
any number of images, and 0 for equal distributions. Single values may lie below 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from acgan.errors import DataError

Array = npt.NDArray[Any]
Float64s = npt.NDArray[np.float64]

SMALLEST_KERNEL_COUNT = 100
"""Images a side below which no kernel distance is given: its interval would rest on too few."""

_BLOCK = 2048  # kernel values of 2048 × 2048 pairs at a time: 32 MiB


@final
@dataclass(frozen=True, eq=False)
class KernelDistance:
    """An unbiased estimate of the squared kernel distance, and what each image adds to it.

    Attributes:
        value: the estimate; below 0 only by chance.
        influence_a: float64 (N,), 2 (mean_{j≠i} k(aᵢ, aⱼ) − mean_j k(aᵢ, bⱼ)): by how much, to
            first order and per unit of its weight, image i of the first side moves the estimate.
        influence_b: float64 (M,), likewise of the second side. ``value`` is the mean of the means
            of both.
    """

    value: float
    influence_a: Float64s
    influence_b: Float64s

    def interval(self, *, seed: int, replicates: int = 2_000) -> tuple[float, float]:
        """95 % bootstrap interval over the images of both sides.

        Resampling images and computing the estimate anew would be wrong: copies of an image meet
        in pairs i ≠ j as k(x, x), which lifts every replicate. So the images' influences are
        resampled, to first order what weights on images do (von Mises expansion; Efron &
        Tibshirani 1993, ch. 22), and no image is ever paired with itself.

        It holds the true distance 92 to 95 times of 100 where the distributions differ, by
        simulation with some hundreds of Gaussians a side. Where they are equal the influences are
        mostly estimation noise and the interval is too wide, by up to √2: it errs towards "cannot
        tell". The spread of means over subsets, as is often printed, is no interval of the
        estimate: it shrinks and grows with the subsets' size.

        Args:
            seed: of the resampling.
            replicates: how often.

        Returns:
            Lower and upper end.
        """
        random = np.random.default_rng(seed)
        shifts = sum(
            _resampled_means(each - each.mean(), replicates, random)
            for each in (self.influence_a, self.influence_b)
        )
        low, high = self.value + np.quantile(shifts, (0.025, 0.975))
        return float(low), float(high)


def kernel_distance(a: Array, b: Array) -> KernelDistance:
    """Unbiased squared maximum mean discrepancy under k(x, y) = (x·y / F + 1)³.

    mean_{i≠j} k(aᵢ, aⱼ) + mean_{i≠j} k(bᵢ, bⱼ) − 2 mean_{i,j} k(aᵢ, bⱼ), over all pairs, in float64
    (Gretton et al. 2012, eq. 3; the kernel is Bińkowski et al. 2018's, in Inception's features the
    KID). The KID of the literature is the mean of this over 100 random subsets of 1 000 images: the
    same expectation with more noise, for more arithmetic at 10 000 images.

    Args:
        a: (N, F), N ≥ 2, any real dtype.
        b: (M, F), M ≥ 2.

    Raises:
        DataError: fewer than two rows, or values that are not finite.

    Example:
        >>> kernel_distance(np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]])).value
        7.0
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (N, F) and (M, F), not {a.shape} and {b.shape}")
    if min(len(a), len(b)) < 2:
        raise DataError(
            f"a kernel distance needs at least 2 images a side, not {min(len(a), len(b))}"
        )
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("a kernel distance needs finite features; some are infinite or NaN")
    within_a, within_b = _sums_within(a) / (len(a) - 1), _sums_within(b) / (len(b) - 1)
    across_a, across_b = _sums_across(a, b)
    across_a, across_b = across_a / len(b), across_b / len(a)
    value = within_a.mean() + within_b.mean() - 2 * across_a.mean()
    return KernelDistance(float(value), 2 * (within_a - across_a), 2 * (within_b - across_b))


def _sums_within(x: Float64s) -> Float64s:
    """Σ_{j≠i} k(xᵢ, xⱼ) for each i; every pair of blocks is computed once."""
    sums = np.zeros(len(x))
    for i in range(0, len(x), _BLOCK):
        for j in range(i, len(x), _BLOCK):
            kernel = _kernel(x[i : i + _BLOCK], x[j : j + _BLOCK])
            if i == j:
                np.fill_diagonal(kernel, 0)
            else:
                sums[j : j + _BLOCK] += kernel.sum(axis=0)
            sums[i : i + _BLOCK] += kernel.sum(axis=1)
    return sums


def _sums_across(a: Float64s, b: Float64s) -> tuple[Float64s, Float64s]:
    """Σ_j k(aᵢ, bⱼ) for each i, and Σ_i k(aᵢ, bⱼ) for each j."""
    of_a, of_b = np.zeros(len(a)), np.zeros(len(b))
    for i in range(0, len(a), _BLOCK):
        for j in range(0, len(b), _BLOCK):
            kernel = _kernel(a[i : i + _BLOCK], b[j : j + _BLOCK])
            of_a[i : i + _BLOCK] += kernel.sum(axis=1)
            of_b[j : j + _BLOCK] += kernel.sum(axis=0)
    return of_a, of_b


def _kernel(x: Float64s, y: Float64s) -> Float64s:
    """(x·y / F + 1)³ of every pair."""
    base: Float64s = x @ y.T
    base /= x.shape[1]
    base += 1
    cube = np.square(base)
    cube *= base
    return cube


def _resampled_means(values: Float64s, replicates: int, random: np.random.Generator) -> Float64s:
    """Means of samples of the values' own number, drawn with replacement."""
    count = len(values)
    return np.array([values[random.integers(count, size=count)].mean() for _ in range(replicates)])
