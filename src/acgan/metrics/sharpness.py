"""Sharpness of images: the energy of their finest detail, relative to other images."""

from __future__ import annotations

import numpy as np

from acgan.metrics.arrays import Float64Array, UInt8Array, blocks

_CHUNK = 1024


def laplacian_energy(images: UInt8Array) -> Float64Array:
    """Return the mean squared response to the Laplacian (4 neighbors − 4 × center) per image.

    It responds to edges and noise but not to smooth shading: blur decreases it, noise increases it.

    For uint8 (N, C, H, W): float64 (N,), in squared gray values of 0 to 255, over all inner pixels
    and channels; NaN for images with a side below 3 pixels, which have no inner pixel.
    """
    count, _, height, width = images.shape
    if min(height, width) < 3:
        return np.full(count, np.nan)
    result = np.empty(count)
    for part in blocks(count, _CHUNK):
        x = images[part].astype(np.float32)
        response = (
            x[:, :, :-2, 1:-1]
            + x[:, :, 2:, 1:-1]
            + x[:, :, 1:-1, :-2]
            + x[:, :, 1:-1, 2:]
            - 4 * x[:, :, 1:-1, 1:-1]
        )  # whole numbers, so exact in float32
        result[part] = np.square(response).mean(axis=(1, 2, 3), dtype=np.float64)
    return result


def sharpness_ratio(a: UInt8Array, b: UInt8Array) -> float:
    """Return the mean Laplacian energy of ``a`` over that of ``b``; below 1 if ``a`` is blurrier.

    A Gaussian blur of σ = 1 pixel gives about 0.1 on handwritten digits; noise and checkerboard
    artifacts give values above 1.

    Returns:
        The ratio; NaN if a set is empty, images are below 3 pixels, or ``b`` is constant.
    """
    if not len(a) or not len(b):
        return float("nan")
    above, below = laplacian_energy(a).mean(), laplacian_energy(b).mean()
    return float(above / below) if below > 0 else float("nan")
