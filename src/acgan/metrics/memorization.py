"""Whether samples lie nearer to the training images than images of the world should.

Every figure here is a comparison with held-out real images: some of those lie near a training
image too, and in the features of a network that was fitted to the training images nothing else
would mean anything. No number alone detects copying; the pictures belong beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from acgan.metrics.arrays import Array, BoolArray, Float64Array, Int64Array, UInt8Array
from acgan.metrics.neighbors import NearestSearch

NEAR_COPY = 0.7
"""A sample is a near copy below this part of its training image's distance to the next one."""

_FINE = 14  # a blur of this part of the shorter side leaves shapes and no detail
_CHUNK = 4096
_RUN = 16  # pixels whose sums bound a difference
_LOOKED_AT = 256  # training images at a time


@final
@dataclass(frozen=True, eq=False)
class Proximity:
    """How near each of N images comes to the training images; `proximities` makes it.

    Attributes:
        index: int64 (N,), its nearest training image.
        distance: float64 (N,), to that one.
        spacing: float64 (N,), from that one to its own nearest other training image.
    """

    index: Int64Array
    distance: Float64Array
    spacing: Float64Array

    @property
    def authentic(self) -> BoolArray:
        """Farther from its training image than that one is from the next (Alaa et al. 2022, §3)."""
        farther: BoolArray = self.distance > self.spacing
        return farther

    @property
    def near_copy(self) -> BoolArray:
        """Nearer to its training image than ``NEAR_COPY`` times what that one is from the next.

        Also where both are 0: an image that occurs twice in the training part, met again.
        """
        nearer: BoolArray = (self.distance < NEAR_COPY * self.spacing) | (self.distance == 0)
        return nearer

    @property
    def closeness(self) -> Float64Array:
        """Distance in units of the spacing: 0 for a copy, about 1 for a new image."""
        ratio = np.full(len(self.distance), np.inf)
        np.divide(self.distance, self.spacing, out=ratio, where=self.spacing > 0)
        ratio[self.distance == 0] = 0
        return ratio


def proximities(training: Array, queries: Sequence[Array]) -> tuple[Proximity, ...]:
    """How near several sets of images come to the training images, exactly.

    Distances between training images are taken only where they are needed: for those that are
    somebody's nearest.

    Args:
        training: (M, …), M ≥ 2: pixels or features, uint8 or floating.
        queries: sets (N, …) of samples, of held-out images …

    Returns:
        One for each set; Euclidean distances.
    """
    search = NearestSearch(training)
    found = [search.nearest(each) for each in queries]
    met = np.unique(np.concatenate([each.index for each in found]))
    spacing = np.full(len(training), np.nan)
    spacing[met] = search.nearest(training[met], skip=met).distance
    return tuple(Proximity(each.index, each.distance, spacing[each.index]) for each in found)


def blurred(images: UInt8Array) -> npt.NDArray[np.float32]:
    """UInt8Array without their detail, so that a blurred copy meets its source.

    A Gaussian blur of a fourteenth of the shorter side (2 pixels at 28 and 32), every second pixel
    kept at σ 2, and so on. Samples, held-out and training images are all compared like this: what
    blur a generator adds hardly matters then, and only what is depicted does.

    Args:
        images: uint8 (N, C, H, W).

    Returns:
        float32 (N, C, about H / σ, about W / σ), 0 to 255.
    """
    sigma = max(1, round(min(images.shape[2:]) / _FINE))
    rows, columns = (_blur(side, sigma) for side in images.shape[2:])
    result = np.empty((*images.shape[:2], rows.shape[0], columns.shape[0]), np.float32)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = rows @ (images[part].astype(np.float32) @ columns.T)
    return result


def rank_sum_z(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Mann and Whitney's z: how often values of ``a`` exceed those of ``b``, as a deviate.

    (U − nm / 2) / σ with σ² = nm / 12 · (n + m + 1 − Σ (t³ − t) / ((n + m)(n + m − 1))), t being
    the sizes of groups of equal values; about standard normal where both come from one
    distribution, below 0 where ``a`` is the smaller.

    Returns:
        z; NaN where a set is empty or all values are equal.
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
    """The data-copying test; `copying_test` makes it.

    Attributes:
        pooled: C_T, the classes' z weighted by their held-out images; NaN where no class has one.
        per_class: float64 (K,), z of each class; NaN where it has too few images.
    """

    pooled: float
    per_class: Float64Array


def copying_test(
    samples: Float64Array,
    target_labels: npt.NDArray[np.int64],
    held_out: Float64Array,
    labels: npt.NDArray[np.int64],
    classes: int,
    *,
    fewest: int,
) -> CopyingTest:
    """C_T of Meehan, Chaudhuri & Dasgupta (2020, §3), with the classes as its cells.

    Far below 0: samples lie nearer to the training images than held-out images do, as copies
    would. Far above 0: they lie farther, as images would that are not of this kind at all. It
    grows with the root of the number of images, so it says how sure a difference is, not how large.

    Args:
        samples: (N,), distance of each sample to its nearest training image.
        target_labels: (N,), its class.
        held_out: (M,), distance of each held-out image to its nearest training image.
        labels: (M,), its class.
        classes: K.
        fewest: images a side that a class needs.
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
    """The training image with the smallest sum of absolute differences: the paper's own probe.

    Odena et al. (2017, §4.4) show these neighbors. Sums over runs of pixels never differ by more
    than the pixels do (Σ|aᵢ − bᵢ| ≥ |Σaᵢ − Σbᵢ|), so training images are looked at in the order of
    that bound, until it exceeds the best found.

    Args:
        queries: uint8 (n, C, H, W).
        training: uint8 (M, C, H, W).

    Returns:
        int64 (n,); the first of several equally near ones.
    """
    flat, base = queries.reshape(len(queries), -1), training.reshape(len(training), -1)
    bounds = cdist(_run_sums(flat), _run_sums(base), "cityblock")
    index = np.empty(len(flat), np.int64)
    for place, query in enumerate(flat):
        order = np.argsort(bounds[place])
        best = (np.inf, len(base))
        for start in range(0, len(order), _LOOKED_AT):
            candidates = order[start : start + _LOOKED_AT]
            if bounds[place, candidates[0]] > best[0]:
                break
            rows = base[candidates]
            sums = (np.maximum(rows, query) - np.minimum(rows, query)).sum(axis=1, dtype=np.int64)
            least = sums.min()
            best = min(best, (least, candidates[sums == least].min()))
        index[place] = best[1]
    return index


def _run_sums(flat: UInt8Array) -> Float64Array:
    """Return the sums over runs of 16 numbers, float64 (N, ⌈F / 16⌉)."""
    starts = np.arange(0, flat.shape[1], _RUN)
    sums: Float64Array = np.add.reduceat(flat, starts, axis=1, dtype=np.float64)
    return sums


def _blur(side: int, sigma: int) -> npt.NDArray[np.float32]:
    """Every σ-th row of the matrix that blurs a line of pixels, edges mirrored."""
    whole = gaussian_filter1d(np.eye(side), sigma, axis=0, mode="reflect")
    return np.ascontiguousarray(whole[::sigma], dtype=np.float32)
