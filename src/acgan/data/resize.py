"""Resizing of images.

The center is cropped to the target's aspect ratio and scaled with Pillow's LANCZOS filter, which is
antialiased (the practice of the data-set tools of StyleGAN and EDM); nothing is stretched.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from acgan.metrics.arrays import UInt8Array

_CHUNK = 256  # images of one task


def resize_image(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop and scale an ``L`` or ``RGB`` image to (height, width)."""
    height, width = size
    if image.size == (width, height):
        return image
    box = _center_box(image.width, image.height, width / height)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def resize_array(images: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Resize images uint8 (N, C, h, w), C 1 or 3, to (H, W); returns uint8 (N, C, H, W)."""
    if images.shape[2:] == size:
        return images
    result = np.empty((*images.shape[:2], *size), np.uint8)

    def resize(start: int) -> None:
        for index in range(start, min(start + _CHUNK, len(images))):
            if images.shape[1] == 1:
                result[index, 0] = resize_image(Image.fromarray(images[index, 0]), size)
            else:
                pixels = np.ascontiguousarray(images[index].transpose(1, 2, 0))
                resized = np.asarray(resize_image(Image.fromarray(pixels), size))
                result[index] = resized.transpose(2, 0, 1)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # Pillow releases the GIL
        list(pool.map(resize, range(0, len(images), _CHUNK)))
    return result


def _center_box(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    cut_width = min(float(width), height * aspect)
    cut_height = min(float(height), width / aspect)
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height
