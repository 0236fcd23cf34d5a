"""How varied the samples of one class are, beside the real images of that class."""

from __future__ import annotations

import numpy as np

from acgan.metrics.arrays import Array, Float64Array, IntegerArray
from acgan.metrics.ms_ssim import random_pairs
from acgan.metrics.neighbors import NearestSearch

NEAR_IDENTICAL = 0.1
"""Two samples are near-identical below this part of the distance between two real images."""

_PAIRS = 1000  # of real images, for the typical distance between two


def variance_ratio(
    fake: Array, fake_labels: IntegerArray, real: Array, real_labels: IntegerArray, classes: int
) -> Float64Array:
    """Per class, the summed variance of the samples' features over that of the real images'.

    About 1 where samples vary as real images do; near 0 where all samples of a class look the
    same; well above 1 for noise, or where the label is ignored. Unbiased variances, in float64.

    Args:
        fake: features of the samples, (N, F).
        fake_labels: the classes asked for, (N,).
        real: features of real images, (M, F).
        real_labels: their classes, (M,).
        classes: K.

    Returns:
        float64 (K,); NaN for a class with fewer than two images on a side, or real images that
        do not vary at all.
    """
    above = class_variance(fake, fake_labels, classes)
    below = class_variance(real, real_labels, classes)
    ratio = np.full(classes, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def class_variance(features: Array, labels: IntegerArray, classes: int) -> Float64Array:
    """Variance (N − 1) of each class's features, summed over the features.

    Args:
        features: (N, F).
        labels: (N,), each in [0, K).
        classes: K.

    Returns:
        float64 (K,); NaN for a class with fewer than two images.
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
    """Median Euclidean distance over 1 000 random pairs of distinct images of one class.

    Args:
        images: (N, …), pixels or features.
        seed: of the pairs.

    Returns:
        The distance; NaN for fewer than two images.
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
    """Share of images that are near-identical to another one of the same set.

    Near-identical: nearer than a tenth of what two real images of the class are typically apart,
    in which one sees no difference. The share grows with the number of images.

    Args:
        images: (N, …), of one class.
        typical: `typical_distance` of real images of that class.

    Returns:
        The share; NaN for fewer than two images or where ``typical`` is not defined.
    """
    if len(images) < 2 or not np.isfinite(typical):
        return float("nan")
    nearest = NearestSearch(images).nearest(images, skip=np.arange(len(images)))
    return float(np.mean(nearest.distance <= NEAR_IDENTICAL * typical))
