"""Whether resolution carries information: images reduced and brought back to their size."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from acgan.data.images import Images

RULE = (
    "bilinear with antialiasing to the reduced side (rounded, at least 1 pixel), rounded to 256 "
    "levels, bilinear back, rounded"
)
_CHUNK = 500


def reduced(images: Images, factor: int) -> Images:
    """Images without the detail that a ``factor`` times smaller side cannot hold.

    As Odena, Olah & Shlens 2017 (§4.1): bilinear to the smaller side and bilinear back. Antialiased
    on the way down, since plain bilinear interpolation would skip pixels and add false patterns.

    Args:
        images: uint8 (N, C, H, W).
        factor: at least 1; sides become round(side / factor), at least 1 pixel, in between.

    Returns:
        uint8 (N, C, H, W).
    """
    if factor < 1:
        raise ValueError(f"the factor must be at least 1, not {factor}")
    height, width = images.shape[2:]
    small = (max(1, round(height / factor)), max(1, round(width / factor)))
    result = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        pixels = torch.from_numpy(images[start : start + _CHUNK].astype(np.float32))
        for size in (small, (height, width)):
            pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
            pixels = pixels.round_().clamp_(0, 255)
        result[start : start + _CHUNK] = pixels.numpy().astype(np.uint8)
    return result
