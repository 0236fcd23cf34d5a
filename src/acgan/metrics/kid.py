"""KID: squared distance of two sets of features under a polynomial kernel, with an interval.

Unlike the Fréchet distance, it assumes no Gaussian and is unbiased: its expectation is the same for
any number of images, and 0 for equal distributions. Single values may be negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.metrics.arrays import Array, Float64Array, blocks, check_widths, finite_features

SMALLEST_KERNEL_COUNT = 100
"""Minimum number of images per side: with fewer, the interval is unreliable."""

_BLOCK = 2048  # kernel values of 2048 × 2048 pairs at a time: 32 MiB


@final
@dataclass(frozen=True)
class KernelDistance:
    """An unbiased estimate of the squared kernel distance.

    Attributes:
        value: the estimate; negative only by chance.
        interval: lower and upper end of its 95 % interval; None without replicates.
    """

    value: float
    interval: tuple[float, float] | None = None


def kernel_distance(a: Array, b: Array, *, replicates: int = 0, seed: int = 0) -> KernelDistance:
    """Return the unbiased squared maximum mean discrepancy under k(x, y) = (x·y / F + 1)³.

    mean_{i≠j} k(aᵢ, aⱼ) + mean_{i≠j} k(bᵢ, bⱼ) − 2 mean_{i,j} k(aᵢ, bⱼ), over all pairs, in float64
    (Gretton et al. 2012, eq. 3; kernel of Bińkowski et al. 2018, with Inception's features the
    KID). The literature's KID is the mean over 100 random subsets of 1,000 images: the same
    expectation with more noise and, at 10,000 images, more arithmetic.

    The estimate is unbiased for independent images. Samples with equal class counts have fewer
    pairs i ≠ j of one class than independent ones. This lowers the value by about the kernel's
    between-class spread over N, at most the width of the interval; the value can become negative.

    The interval is a bootstrap over the images of both sides. An image has weight w, the number of
    times it was sampled with replacement; a pair i ≠ j has weight wᵢ wⱼ, and the sum is divided by
    the weights of these pairs. Two copies of one image are no pair: the usual bootstrap would count
    k(x, x) among the pairs and lift every replicate above the estimate. In simulations with
    hundreds of Gaussian vectors per side, the interval contains the true distance in 93 to 98 % of
    cases if the distributions differ. If they are equal, it nearly always does, because the
    resampled statistic then has about 3 times the variance of the estimate. The spread of means
    over subsets, which is often printed, is no interval of the estimate: it depends on the subset
    size.

    Args:
        a: (N, F), N ≥ 2, any real dtype.
        b: (M, F), M ≥ 2.
        replicates: of the bootstrap; 0 for no interval. 300 determine its ends to about a tenth of
            its width.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than two rows, or values that are not finite.

    Example:
        >>> kernel_distance(np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]])).value
        7.0
    """
    check_widths(a, b)
    a, b = (finite_features(each, "a kernel distance", least=2) for each in (a, b))
    random = np.random.default_rng(seed)
    of_a, of_b = (_weights(len(each), replicates, random) for each in (a, b))
    across = _sums(a, b, of_a, of_b) / (len(a) * len(b))
    values = _mean_within(a, of_a) + _mean_within(b, of_b) - 2 * across
    if not replicates:
        return KernelDistance(float(values[0]))
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return KernelDistance(float(values[0]), (float(low), float(high)))


def _weights(count: int, replicates: int, random: np.random.Generator) -> Float64Array:
    """Weights of N images, (N, 1 + R): 1 in the first column, bootstrap counts in the others."""
    weights = np.ones((count, 1 + replicates))
    for column in range(1, 1 + replicates):
        weights[:, column] = np.bincount(random.integers(count, size=count), minlength=count)
    return weights


def _mean_within(x: Float64Array, weights: Float64Array) -> Float64Array:
    """Weighted mean of k(xᵢ, xⱼ) over i ≠ j, for each column of weights."""
    sums = np.zeros(weights.shape[1])
    for rows in blocks(len(x), _BLOCK):
        later = slice(rows.stop, None)
        kernel = _kernel(x[rows], x[rows])
        np.fill_diagonal(kernel, 0)
        sums += _weighted_sum(kernel, weights[rows], weights[rows])
        sums += 2 * _sums(x[rows], x[later], weights[rows], weights[later])
    pairs = np.square(weights.sum(axis=0)) - np.square(weights).sum(axis=0)
    means: Float64Array = sums / pairs
    return means


def _sums(x: Float64Array, y: Float64Array, of_x: Float64Array, of_y: Float64Array) -> Float64Array:
    """Weighted sum of k(xᵢ, yⱼ) over all pairs, for each column of weights."""
    sums = np.zeros(of_x.shape[1])
    for rows in blocks(len(x), _BLOCK):
        for columns in blocks(len(y), _BLOCK):
            sums += _weighted_sum(_kernel(x[rows], y[columns]), of_x[rows], of_y[columns])
    return sums


def _weighted_sum(kernel: Float64Array, left: Float64Array, right: Float64Array) -> Float64Array:
    total: Float64Array = np.einsum("nr,nr->r", left, kernel @ right)
    return total


def _kernel(x: Float64Array, y: Float64Array) -> Float64Array:
    """(x·y / F + 1)³ of every pair."""
    base: Float64Array = x @ y.T
    base /= x.shape[1]
    base += 1
    cube = np.square(base)
    cube *= base
    return cube
