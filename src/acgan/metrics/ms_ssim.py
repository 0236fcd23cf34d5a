"""MS-SSIM: how alike two images look, over several scales; at any size, and the name says how.

Its mean over pairs of images of one class tells how varied they are: the more alike, the higher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from acgan.metrics.arrays import Float64Array, Int64Array, UInt8Array

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (2003, §3.2)
_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_NUMBERS = 1 << 21  # in one image side of a chunk of pairs


@final
@dataclass(frozen=True)
class SsimScales:
    """The scales and the window that images of one size allow; `ssim_scales` makes it.

    Attributes:
        weights: exponent of each scale, finest first; they sum to 1.
        window: side of the Gaussian window in pixels, the same at every scale.
    """

    weights: tuple[float, ...]
    window: int

    @property
    def name(self) -> str:
        """As figures made with it are called: ``MS-SSIM, 2 scales, window 11``."""
        scales = f"{len(self.weights)} scale{'s' if len(self.weights) > 1 else ''}"
        return f"MS-SSIM, {scales}, window {self.window}"


def ssim_scales(height: int, width: int) -> SsimScales:
    """As many of the five scales as leave the smallest no narrower than the window of 11 pixels.

    From 161 pixels on these are all five, with the published weights; below, those of the finest,
    with their weights brought to the sum 1. UInt8Array below 11 pixels have one scale and the
    widest
    odd window that fits. Figures of different scales do not compare.
    """
    side = min(height, width)
    scales = 1
    while scales < len(_WEIGHTS) and _halved(side) >= _WINDOW:
        side, scales = _halved(side), scales + 1
    window = _WINDOW if side >= _WINDOW else side - 1 + side % 2
    total = sum(_WEIGHTS[:scales])
    weights = tuple(weight / total for weight in _WEIGHTS[:scales])
    return SsimScales(_WEIGHTS if scales == len(_WEIGHTS) else weights, window)


def ms_ssim(a: UInt8Array, b: UInt8Array, scales: SsimScales | None = None) -> Float64Array:
    """MS-SSIM of each image of ``a`` with the image of ``b`` at its place.

    Wang, Simoncelli & Bovik (2003), eq. 7: the mean contrast-and-structure term of every scale
    and the mean luminance term of the last, each to the power of its weight; Gaussian window of
    σ 1.5 without padding, scales halved by averaging, K₁ .01 and K₂ .03. As in pytorch-msssim,
    negative terms count as 0, an odd side is padded with a line of zeros before it is halved,
    and color images have the mean over their channels.

    Args:
        a: uint8 (N, C, H, W).
        b: uint8, of the same shape.
        scales: of `ssim_scales`, which is also what None means.

    Returns:
        float64 (N,), in [0, 1]; 1 for equal images.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"images must be two arrays (N, C, H, W) alike, not {a.shape}, {b.shape}")
    scales = scales or ssim_scales(*a.shape[2:])
    result = np.empty(len(a))
    step = max(1, _NUMBERS // max(1, int(np.prod(a.shape[1:]))))
    for start in range(0, len(a), step):
        part = slice(start, start + step)
        result[part] = _of_chunk(_planes(a[part]), _planes(b[part]), scales).numpy()
    return result


def mean_ms_ssim(images: UInt8Array, *, pairs: int, seed: int) -> float:
    """Mean MS-SSIM over random pairs of distinct images: near 1 where all look the same.

    Args:
        images: uint8 (N, C, H, W), of one class.
        pairs: how many, no pair twice; all of them where there are fewer.
        seed: of the choice.

    Returns:
        The mean; NaN for fewer than two images.
    """
    first, second = random_pairs(len(images), pairs, seed=seed)
    if not len(first):
        return float("nan")
    return float(ms_ssim(images[first], images[second]).mean())


def random_pairs(count: int, pairs: int, *, seed: int) -> tuple[Int64Array, Int64Array]:
    """Different unordered pairs of different numbers below ``count``, all equally likely.

    Returns:
        int64 (P,) and (P,), each first number below its second; P is ``pairs``, or all
        ``count (count − 1) / 2`` where those are fewer.
    """
    total = count * (count - 1) // 2
    random = np.random.default_rng(seed)
    chosen = random.choice(total, pairs, replace=False) if pairs < total else np.arange(total)
    # Pair number j (j − 1) / 2 + i stands for (i, j), i < j.
    second = ((1 + np.sqrt(1 + 8 * chosen.astype(np.float64))) / 2).astype(np.int64)
    second -= second * (second - 1) // 2 > chosen  # the root may round to the wrong side
    second += second * (second + 1) // 2 <= chosen
    return chosen - second * (second - 1) // 2, second


def _of_chunk(a: Tensor, b: Tensor, scales: SsimScales) -> Tensor:
    import torch
    from torch.nn import functional as F

    window = _gaussian(scales.window)
    product = torch.ones(a.shape[:2], dtype=a.dtype)
    for index, weight in enumerate(scales.weights):
        if index:
            padding = [a.shape[2] % 2, a.shape[3] % 2]
            a, b = F.avg_pool2d(a, 2, padding=padding), F.avg_pool2d(b, 2, padding=padding)
        structure, whole = _terms(a, b, window)
        last = index == len(scales.weights) - 1
        product *= (whole if last else structure).clamp(min=0) ** weight
    return product.mean(dim=1)


def _terms(a: Tensor, b: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Mean contrast-and-structure term, and its mean product with luminance; (N, C) each."""
    import torch

    maps = torch.stack((a, b, a * a, b * b, a * b))
    rows, columns = _sliding(window, a.shape[2]), _sliding(window, a.shape[3])
    mean_a, mean_b, square_a, square_b, product = rows @ maps @ columns.T
    variances = square_a - mean_a**2 + square_b - mean_b**2
    structure = (2 * (product - mean_a * mean_b) + _C2) / (variances + _C2)
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return structure.mean(dim=(2, 3)), (luminance * structure).mean(dim=(2, 3))


def _planes(images: UInt8Array) -> Tensor:
    import torch

    return torch.from_numpy(images.astype(np.float64))


def _gaussian(size: int) -> Tensor:
    import torch

    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    return weights / weights.sum()


def _sliding(window: Tensor, side: int) -> Tensor:
    """The window at every place, (side − size + 1, side): products are faster than convolutions."""
    places = side - len(window) + 1
    matrix = window.new_zeros(places, side)
    for place in range(places):
        matrix[place, place : place + len(window)] = window
    return matrix


def _halved(side: int) -> int:
    return -(-side // 2)
