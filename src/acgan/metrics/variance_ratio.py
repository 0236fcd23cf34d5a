"""Diversity within a class, relative to the real images of the class."""

from __future__ import annotations

import numpy as np

from acgan.metrics.arrays import Array, Float64Array, IntegerArray
from acgan.metrics.ms_ssim import random_pairs
from acgan.metrics.neighbors import NearestSearch

NEAR_IDENTICAL = 0.1
"""Two samples are near-identical below this fraction of the typical distance of real images."""

_PAIRS = 1000  # of real images, for the typical distance between two


def variance_ratio(
    fake: Array, fake_labels: IntegerArray, real: Array, real_labels: IntegerArray, classes: int
) -> Float64Array:
    """Return the summed feature variance of samples over that of real images, per class.

    About 1 if samples are as diverse as real images, near 0 if all samples of a class are equal,
    well above 1 for noise or ignored labels. Unbiased variances, in float64.

    Args:
        fake: features of the samples, (N, F).
        fake_labels: their target labels, (N,).
        real: features of real images, (M, F).
        real_labels: their classes, (M,).
        classes: K.

    Returns:
        float64 (K,); NaN for a class with fewer than two images per side or constant real images.
    """
    above = class_variance(fake, fake_labels, classes)
    below = class_variance(real, real_labels, classes)
    ratio = np.full(classes, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def class_variance(features: Array, labels: IntegerArray, classes: int) -> Float64Array:
    """Return the variance (N − 1) of the features of each class, summed over the features.

    For features (N, F) and labels (N,): float64 (K,), NaN for a class with fewer than two images.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"features {features.shape} and labels {labels.shape} must be (N, F), (N,)"
        )
    result = np.full(classes, np.nan)
    for index in range(classes):
        members = features[labels == index].astype(np.float64)
        if len(members) >= 2:
            result[index] = members.var(axis=0, ddof=1).sum()
    return result


def typical_distance(images: Array, *, seed: int) -> float:
    """Return the median Euclidean distance of 1,000 random pairs of images of one class.

    Args:
        images: (N, …), pixels or features; NaN for fewer than two images.
        seed: of the pairs.
    """
    first, second = random_pairs(len(images), _PAIRS, seed=seed)
    if not len(first):
        return float("nan")
    flat = images.reshape(len(images), -1)
    squares = [
        np.square(flat[i].astype(np.float64) - flat[j]).sum()
        for i, j in zip(first, second, strict=True)
    ]
    return float(np.sqrt(np.median(squares)))


def duplicate_share(images: Array, typical: float) -> float:
    """Return the share of images that are near-identical to another one of the same set.

    Near-identical images are closer than 0.1 of the typical distance of two real images of the
    class, and look equal. The share increases with the number of images.

    Args:
        images: (N, …), of one class; NaN for fewer than two images.
        typical: `typical_distance` of real images of that class; NaN gives NaN.
    """
    if len(images) < 2 or not np.isfinite(typical):
        return float("nan")
    nearest = NearestSearch(images).nearest(images, skip=np.arange(len(images)))
    return float(np.mean(nearest.distance <= NEAR_IDENTICAL * typical))
