"""Whether one latent keeps its style when the class changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from acgan.metrics.arrays import Float64Array, UInt8Array

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_SHUFFLES = 200
SMALLEST_SEEDS = 10


@final
@dataclass(frozen=True, eq=False)
class StyleConsistency:
    """How much two classes agree about one seed, statistic by statistic.

    Attributes:
        names: of the S statistics.
        correlations: float64 (S,): mean correlation over seeds between two classes; NaN where a
            statistic does not vary in at least two classes.
        shuffled: float64 (S,): what 95 % of shuffles stay below, in which the seed means nothing.
        mean: of the defined correlations; NaN without any.
    """

    names: tuple[str, ...]
    correlations: Float64Array
    shuffled: Float64Array

    @property
    def mean(self) -> float:
        """Over the statistics for which it is defined; NaN without any."""
        defined = self.correlations[np.isfinite(self.correlations)]
        return float(defined.mean()) if len(defined) else float("nan")


def style_statistics(images: UInt8Array) -> tuple[tuple[str, ...], Float64Array]:
    """Plain properties that an image of any class has.

    Gray: brightness (mean), contrast (standard deviation) and slant, the shear that the second
    moments of what differs from the border show. Color: brightness, contrast, and warmth (mean
    red minus mean blue).

    Args:
        images: uint8 (N, C, H, W), C 1 or 3.

    Returns:
        The S names, and float64 (N, S).
    """
    pixels = images.astype(np.float64)
    color = images.shape[1] == 3
    luma = np.tensordot(pixels, _LUMA, axes=([1], [0])) if color else pixels[:, 0]
    brightness, contrast = luma.mean(axis=(1, 2)), luma.std(axis=(1, 2))
    if color:
        warmth = pixels[:, 0].mean(axis=(1, 2)) - pixels[:, 2].mean(axis=(1, 2))
        return ("brightness", "contrast", "warmth"), np.stack([brightness, contrast, warmth], 1)
    return ("brightness", "contrast", "slant"), np.stack([brightness, contrast, _slant(luma)], 1)


def style_consistency(images: UInt8Array, *, seed: int) -> StyleConsistency:
    """How far the seed alone decides an image's style, whatever its class.

    Each statistic is standardized within its class, which takes out what the class decides; then
    the correlation over seeds of every two classes is taken, and averaged: 1 where a seed means
    the same in every class, 0 where it means nothing across classes. This is the share of the
    variance within classes that the seed explains in all of them (an intraclass correlation).

    Args:
        images: uint8 (n, K, C, H, W), a row for each seed, a column for each class.
        seed: of the shuffles.

    Raises:
        ValueError: fewer than ten seeds.
    """
    count, classes = images.shape[:2]
    if count < SMALLEST_SEEDS:
        raise ValueError(f"it takes at least {SMALLEST_SEEDS} seeds, not {count}")
    names, flat = style_statistics(images.reshape(-1, *images.shape[2:]))
    table = flat.reshape(count, classes, len(names))
    random = np.random.default_rng(seed)
    found, shuffled = np.full(len(names), np.nan), np.full(len(names), np.nan)
    for index in range(len(names)):
        values = table[:, :, index]
        varied = values[:, values.std(axis=0) > 1e-9]
        if varied.shape[1] >= 2:
            scores = (varied - varied.mean(axis=0)) / varied.std(axis=0)
            found[index] = _mean_correlation(scores)
            chance = [_mean_correlation(random.permuted(scores, axis=0)) for _ in range(_SHUFFLES)]
            shuffled[index] = np.quantile(chance, 0.95)
    return StyleConsistency(names, found, shuffled)


def _mean_correlation(scores: Float64Array) -> float:
    """Of every two columns of standardized (n, K): from the variance of the rows' sums."""
    columns = scores.shape[1]
    together = float(np.square(scores.sum(axis=1)).mean())
    return float((together - columns) / (columns * (columns - 1)))


def _slant(luma: npt.NDArray[Any]) -> Float64Array:
    """Pixels to the left for each pixel down, (N,); 0 for an image all of one gray."""
    count, height, width = luma.shape
    border = np.concatenate([luma[:, 0], luma[:, -1], luma[:, :, 0], luma[:, :, -1]], axis=1)
    ink = np.abs(luma - np.median(border, axis=1)[:, None, None])
    total = np.maximum(ink.sum(axis=(1, 2)), 1e-12)
    y, x = np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64)
    rows, columns = ink.sum(axis=2), ink.sum(axis=1)
    down = y - (rows @ y / total)[:, None]
    across = x - (columns @ x / total)[:, None]
    mixed = np.einsum("nhw,nh,nw->n", ink, down, across, optimize=True)
    spread = (rows * np.square(down)).sum(axis=1)
    slant: Float64Array = np.divide(-mixed, spread, out=np.zeros(count), where=spread > 1e-9)
    return slant
