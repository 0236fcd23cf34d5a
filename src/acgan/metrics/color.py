"""Diversity of brightness and color, relative to other images.

Features of a classifier are insensitive to color: a class may have a single color scheme although
the variance of its features is close to that of real images.
"""

from __future__ import annotations

import numpy as np

from acgan.metrics.arrays import Float64Array, UInt8Array
from acgan.metrics.variance_ratio import class_variance

NEGLIGIBLE = 0.25
"""Variance between images, in squared levels of 0 to 255, that rounding may cause."""


def mean_colors(images: UInt8Array) -> Float64Array:
    """Return the mean level, 0 to 255, of each channel: float64 (N, C)."""
    colors: Float64Array = images.mean(axis=(2, 3), dtype=np.float64)
    return colors


def brightness_variance_ratio(a: UInt8Array, b: UInt8Array) -> float:
    """Return the variance of the mean levels of images in ``a`` over that in ``b``.

    NaN if a set has fewer than two images or the brightness in ``b`` is constant.
    """
    return _ratio(*(mean_colors(each).mean(axis=1, keepdims=True) for each in (a, b)))


def color_variance_ratio(a: UInt8Array, b: UInt8Array) -> float:
    """Return the variance of the mean colors in ``a`` over that in ``b``, without brightness.

    A mean color is the mean of each channel less the mean of all; the variances of the channels
    are summed, as in `acgan.metrics.variance_ratio.variance_ratio`.

    Returns:
        The ratio; NaN for images with one channel, if a set has fewer than two images, or if the
        color in ``b`` is constant, as in gray images with three channels.
    """
    a_colors, b_colors = mean_colors(a), mean_colors(b)
    return _ratio(
        a_colors - a_colors.mean(axis=1, keepdims=True),
        b_colors - b_colors.mean(axis=1, keepdims=True),
    )


def _ratio(a: Float64Array, b: Float64Array) -> float:
    above, below = (class_variance(each, np.zeros(len(each), np.int64), 1)[0] for each in (a, b))
    return float(above / below) if below > NEGLIGIBLE else float("nan")
