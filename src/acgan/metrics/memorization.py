"""Distances of samples to the training images, to be compared with those of held-out real images.

Some held-out images are near a training image too, so no value has a meaning without this
comparison. No number alone detects copying; show the nearest images beside the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from acgan.metrics.arrays import (
    Array,
    BoolArray,
    Float32Array,
    Float64Array,
    Int64Array,
    UInt8Array,
    blocks,
)
from acgan.metrics.neighbors import NearestSearch

NEAR_COPY = 0.7
"""A near copy is closer than this fraction of the distance between training images (spacing)."""

_FINE = 14  # σ of the blur is the shorter side over this: shapes remain, details do not
_CHUNK = 4096


@final
@dataclass(frozen=True, eq=False)
class Proximity:
    """Distances of N images to the training images, from `proximities`.

    Attributes:
        index: int64 (N,), the nearest training image.
        distance: float64 (N,), to the nearest training image.
        spacing: float64 (N,), from that training image to its own nearest other training image.
    """

    index: Int64Array
    distance: Float64Array
    spacing: Float64Array

    @property
    def authentic(self) -> BoolArray:
        """Whether the distance exceeds the spacing (Alaa et al. 2022, §3)."""
        farther: BoolArray = self.distance > self.spacing
        return farther

    @property
    def near_copy(self) -> BoolArray:
        """Whether the distance is below ``NEAR_COPY`` times the spacing, or 0.

        Both are 0 for a copy of an image that occurs twice in the training split.
        """
        nearer: BoolArray = (self.distance < NEAR_COPY * self.spacing) | (self.distance == 0)
        return nearer

    @property
    def closeness(self) -> Float64Array:
        """Distance over spacing: 0 for a copy, about 1 for a new image."""
        ratio = np.full(len(self.distance), np.inf)
        np.divide(self.distance, self.spacing, out=ratio, where=self.spacing > 0)
        ratio[self.distance == 0] = 0
        return ratio


def proximities(training: Array, queries: Sequence[Array]) -> tuple[Proximity, ...]:
    """Return the exact Euclidean distances of several sets of images to the training images.

    Args:
        training: (M, …), M ≥ 2, pixels or features, uint8 or floating.
        queries: sets (N, …), such as samples and held-out images.

    Returns:
        One `Proximity` per set.
    """
    search = NearestSearch(training)
    found = [search.nearest(each) for each in queries]
    met = np.unique(np.concatenate([each.index for each in found]))
    spacing = np.full(len(training), np.nan)
    spacing[met] = search.nearest(training[met], skip=met).distance
    return tuple(Proximity(each.index, each.distance, spacing[each.index]) for each in found)


def blurred(images: UInt8Array) -> Float32Array:
    """Return images without their details, so that a blurred copy is close to its source.

    Gaussian blur with σ = 1/14 of the shorter side (2 pixels at 28 and 32), then every σ-th pixel.
    If samples, held-out and training images are all blurred, the blur that a generator adds has
    little influence on distances.

    For uint8 (N, C, H, W): float32 (N, C, about H / σ, about W / σ), 0 to 255.
    """
    sigma = max(1, round(min(images.shape[2:]) / _FINE))
    rows, columns = (_blur(side, sigma) for side in images.shape[2:])
    result = np.empty((*images.shape[:2], rows.shape[0], columns.shape[0]), np.float32)
    for part in blocks(len(images), _CHUNK):
        result[part] = rows @ (images[part].astype(np.float32) @ columns.T)
    return result


def rank_sum_z(a: Array, b: Array) -> float:
    """Return the z score of the Mann-Whitney U test, negative if values of ``a`` are smaller.

    (U − nm / 2) / σ with σ² = nm / 12 · (n + m + 1 − Σ (t³ − t) / ((n + m)(n + m − 1))), where t
    are the sizes of groups of equal values. About standard normal if both sets have the same
    distribution; NaN if a set is empty or all values are equal.
    """
    n, m = len(a), len(b)
    values = np.concatenate([a, b])
    _, ties = np.unique(values, return_counts=True)
    tied = float(np.sum(ties.astype(np.float64) ** 3 - ties))
    total = n + m
    if not n or not m or len(ties) < 2:
        return float("nan")
    u = rankdata(values)[:n].sum() - n * (n + 1) / 2
    deviation = np.sqrt(n * m / 12 * (total + 1 - tied / (total * (total - 1))))
    return float((u - n * m / 2) / deviation)


@final
@dataclass(frozen=True, eq=False)
class CopyingTest:
    """Result of the data-copying test, `copying_test`.

    Attributes:
        pooled: C_T, mean z of the classes weighted by their held-out images; NaN if none has a z.
        per_class: float64 (K,), z of each class; NaN for a class with too few images.
    """

    pooled: float
    per_class: Float64Array


def copying_test(
    samples: Float64Array,
    target_labels: Int64Array,
    held_out: Float64Array,
    labels: Int64Array,
    classes: int,
    *,
    fewest: int,
) -> CopyingTest:
    """Return C_T of Meehan, Chaudhuri & Dasgupta (2020, §3), with the classes as cells.

    Far below 0, samples are nearer to the training images than held-out images are, like copies;
    far above 0 they are farther, like images of another kind. C_T increases with the root of the
    number of images: it measures the significance of a difference, not its size.

    Args:
        samples: (N,), distance of each sample to its nearest training image.
        target_labels: (N,), of the samples.
        held_out: (M,), distance of each held-out image to its nearest training image.
        labels: (M,), classes of the held-out images.
        classes: K.
        fewest: minimum number of images per class and side.
    """
    z = np.full(classes, np.nan)
    weight = np.zeros(classes)
    for index in range(classes):
        of_samples, of_held_out = samples[target_labels == index], held_out[labels == index]
        if min(len(of_samples), len(of_held_out)) >= fewest:
            z[index] = rank_sum_z(of_samples, of_held_out)
            weight[index] = len(of_held_out)
    known = np.isfinite(z)
    pooled = np.average(z[known], weights=weight[known]) if known.any() else np.nan
    return CopyingTest(float(pooled), z)


def nearest_by_l1(queries: UInt8Array, training: UInt8Array) -> Int64Array:
    """Return the training image with the smallest sum of absolute differences to each query.

    Odena et al. (2017, §4.4) show these neighbors.

    For uint8 (n, C, H, W) and (M, C, H, W): int64 (n,), the first of several equally near ones.
    """
    flat, base = queries.reshape(len(queries), -1), training.reshape(len(training), -1)
    index, least = np.zeros(len(flat), np.int64), np.full(len(flat), np.inf)
    for part in blocks(len(base), _CHUNK):
        sums = cdist(flat, base[part], "cityblock")
        nearer = sums.min(axis=1) < least
        index[nearer] = part.start + sums.argmin(axis=1)[nearer]
        least = np.minimum(least, sums.min(axis=1))
    return index


def _blur(side: int, sigma: int) -> Float32Array:
    """Every σ-th row of the matrix that blurs a line of pixels, reflected at its ends."""
    whole = gaussian_filter1d(np.eye(side), sigma, axis=0, mode="reflect")
    return np.ascontiguousarray(whole[::sigma], dtype=np.float32)
