"""Multi-scale structural similarity (MS-SSIM) of two images, at any image size.

Its mean over pairs of images of one class decreases with their diversity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from scipy.linalg import convolution_matrix

from acgan.metrics.arrays import Array, Float64Array, Int64Array, UInt8Array, blocks

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (2003, §3.2)
_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_NUMBERS = 1 << 21  # pixel values per side of a chunk of pairs


@final
@dataclass(frozen=True)
class SsimScales:
    """Scales and window for images of one size, from `ssim_scales`.

    Attributes:
        weights: exponent of each scale, finest first, with the sum 1.
        window: side of the Gaussian window in pixels, equal at every scale.
    """

    weights: tuple[float, ...]
    window: int

    @property
    def name(self) -> str:
        """Name of metrics with these scales, such as ``MS-SSIM, 2 scales, window 11``."""
        plural = "s" if len(self.weights) > 1 else ""
        return f"MS-SSIM, {len(self.weights)} scale{plural}, window {self.window}"


def ssim_scales(height: int, width: int) -> SsimScales:
    """Return as many of the five scales as fit, the smallest at least as wide as the window.

    Images from 161 pixels have all five scales with the published weights. Smaller ones have the
    finest of them, with weights normalized to the sum 1. Images below 11 pixels have one scale and
    the widest odd window that fits. Values with different scales are not comparable.
    """
    side, scales = min(height, width), 1
    while scales < len(_WEIGHTS) and (half := -(-side // 2)) >= _WINDOW:
        side, scales = half, scales + 1
    window = _WINDOW if side >= _WINDOW else side - 1 + side % 2
    total = sum(_WEIGHTS[:scales])
    weights = tuple(weight / total for weight in _WEIGHTS[:scales])
    return SsimScales(_WEIGHTS if scales == len(_WEIGHTS) else weights, window)


def ms_ssim(a: UInt8Array, b: UInt8Array) -> Float64Array:
    """Return the MS-SSIM of each image of ``a`` and the image of ``b`` with the same index.

    Wang, Simoncelli & Bovik (2003), eq. 7: the product of the mean contrast-and-structure term of
    every scale and the mean luminance term of the last, each to the power of its weight. Gaussian
    window with σ = 1.5 without padding, 2×2 averages between scales, K₁ = 0.01, K₂ = 0.03. As in
    pytorch-msssim, negative terms count as 0, an odd side is padded with a line of zeros before it
    is halved, and color images have the mean over their channels.

    Args:
        a: uint8 (N, C, H, W).
        b: uint8, of the same shape.

    Returns:
        float64 (N,), in [0, 1]; 1 for equal images.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(
            f"images must be two arrays of equal shape (N, C, H, W), not {a.shape}, {b.shape}"
        )
    scales = ssim_scales(*a.shape[2:])
    result = np.empty(len(a))
    step = max(1, _NUMBERS // max(1, int(np.prod(a.shape[1:]))))
    for part in blocks(len(a), step):
        result[part] = _ms_ssim_of_chunk(a[part], b[part], scales)
    return result


def mean_ms_ssim(images: UInt8Array, *, pairs: int, seed: int) -> float:
    """Return the mean MS-SSIM over random pairs of images, near 1 if all look the same.

    Args:
        images: uint8 (N, C, H, W), of one class.
        pairs: number of different pairs; all pairs if there are fewer.
        seed: of the pairs.

    Returns:
        The mean; NaN for fewer than two images.
    """
    first, second = random_pairs(len(images), pairs, seed=seed)
    if not len(first):
        return float("nan")
    return float(ms_ssim(images[first], images[second]).mean())


def random_pairs(count: int, pairs: int, *, seed: int) -> tuple[Int64Array, Int64Array]:
    """Return random different pairs i < j of indices below ``count``, all equally likely.

    Returns:
        int64 (P,) and (P,), i and j; P is ``pairs``, or count (count − 1) / 2 if that is less.
    """
    total = count * (count - 1) // 2
    random = np.random.default_rng(seed)
    chosen = random.choice(total, pairs, replace=False) if pairs < total else np.arange(total)
    # Pair number j (j − 1) / 2 + i stands for (i, j), i < j.
    second = ((1 + np.sqrt(1 + 8 * chosen.astype(np.float64))) / 2).astype(np.int64)
    second -= second * (second - 1) // 2 > chosen  # the root may round to the wrong side
    second += second * (second + 1) // 2 <= chosen
    return chosen - second * (second - 1) // 2, second


def _ms_ssim_of_chunk(images_a: UInt8Array, images_b: UInt8Array, scales: SsimScales) -> Array:
    import torch
    from torch.nn import functional as F

    a, b = (torch.from_numpy(each.astype(np.float64)) for each in (images_a, images_b))
    offsets = torch.arange(scales.window, dtype=torch.float64) - scales.window // 2
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    window /= window.sum()
    product = torch.ones(a.shape[:2], dtype=a.dtype)
    for index, weight in enumerate(scales.weights):
        if index:
            padding = [a.shape[2] % 2, a.shape[3] % 2]
            a, b = F.avg_pool2d(a, 2, padding=padding), F.avg_pool2d(b, 2, padding=padding)
        structure, whole = _terms(a, b, window)
        last = index == len(scales.weights) - 1
        product *= (whole if last else structure).clamp(min=0) ** weight
    return product.mean(dim=1).numpy()


def _terms(a: Tensor, b: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Means of the contrast-and-structure term and of its product with luminance, (N, C) each."""
    import torch

    maps = torch.stack((a, b, a * a, b * b, a * b))
    rows, columns = (_sliding(window, side) for side in a.shape[2:])
    mean_a, mean_b, square_a, square_b, product = rows @ maps @ columns.T
    variances = square_a - mean_a**2 + square_b - mean_b**2
    structure = (2 * (product - mean_a * mean_b) + _C2) / (variances + _C2)
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return structure.mean(dim=(2, 3)), (luminance * structure).mean(dim=(2, 3))


def _sliding(window: Tensor, side: int) -> Tensor:
    """The window at every position, (side − size + 1, side): faster than a convolution."""
    import torch

    matrix = convolution_matrix(window.numpy(), side - len(window) + 1)
    return torch.from_numpy(np.ascontiguousarray(matrix.T))
