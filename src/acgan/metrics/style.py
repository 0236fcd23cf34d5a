"""Style consistency: whether one latent has the same style in every class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.metrics.arrays import Float64Array, UInt8Array

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_SHUFFLES = 200
SMALLEST_SEEDS = 10


@final
@dataclass(frozen=True, eq=False)
class StyleConsistency:
    """Correlation of image statistics between classes, over seeds.

    Attributes:
        names: of the S statistics.
        correlations: float64 (S,), mean correlation over seeds between two classes; NaN for a
            statistic that varies in fewer than two classes.
        shuffled: float64 (S,), 95 % quantile of the same after shuffling the seeds of each class.
    """

    names: tuple[str, ...]
    correlations: Float64Array
    shuffled: Float64Array

    @property
    def mean(self) -> float:
        """Mean of the defined correlations; NaN if there is none."""
        defined = self.correlations[np.isfinite(self.correlations)]
        return float(defined.mean()) if len(defined) else float("nan")


def style_statistics(images: UInt8Array) -> tuple[tuple[str, ...], Float64Array]:
    """Return simple properties of images of any class.

    Gray: brightness (mean), contrast (standard deviation) and slant, the shear given by the second
    moments of the differences from the border. Color: brightness, contrast, and warmth (mean red
    minus mean blue).

    For uint8 (N, C, H, W), C 1 or 3: the S names, and float64 (N, S).
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
    """Return how far the seed alone determines the style of an image, independently of its class.

    Each statistic is standardized within its class; then its correlation over seeds is averaged
    over all pairs of classes. It is 1 if a seed gives the same style in every class, 0 if styles of
    different classes are independent: an intraclass correlation, the share of the within-class
    variance that the seed explains.

    Args:
        images: uint8 (n, K, C, H, W), one row per seed, one column per class.
        seed: of the shuffles.

    Raises:
        ValueError: fewer than ten seeds.
    """
    count, classes = images.shape[:2]
    if count < SMALLEST_SEEDS:
        raise ValueError(f"style consistency needs at least {SMALLEST_SEEDS} seeds, not {count}")
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
    """Mean over pairs of columns of standardized (n, K), from the variance of the row sums."""
    columns = scores.shape[1]
    together = float(np.square(scores.sum(axis=1)).mean())
    return float((together - columns) / (columns * (columns - 1)))


def _slant(luma: Float64Array) -> Float64Array:
    """Pixels to the left per pixel down, (N,); 0 for a constant image."""
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
