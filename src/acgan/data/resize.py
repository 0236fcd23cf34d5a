"""One way to bring images to a size: cut to the wanted proportions at the centre, then scale.

Scaling is Pillow's LANCZOS, whose kernel widens with the reduction, so it is antialiased (the
practice of StyleGAN's and EDM's data-set tools). Nothing is stretched.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

_TASK = 256  # images a thread takes at once


def fit_image(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An ``L`` or ``RGB`` image at (height, width): centre cut, then antialiased scaling."""
    height, width = size
    if image.size == (width, height):
        return image
    box = _centre_box(image.width, image.height, width / height)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def fit_array(images: Pixels, size: tuple[int, int]) -> Pixels:
    """Images uint8 (N, C, h, w), C being 1 or 3, at size (H, W): uint8 (N, C, H, W)."""
    if images.shape[2:] == size:
        return images
    result = np.empty((*images.shape[:2], *size), np.uint8)

    def fit(start: int) -> None:
        for index in range(start, min(start + _TASK, len(images))):
            if images.shape[1] == 1:
                result[index, 0] = fit_image(Image.fromarray(images[index, 0]), size)
            else:
                pixels = np.ascontiguousarray(images[index].transpose(1, 2, 0))
                fitted = np.asarray(fit_image(Image.fromarray(pixels), size))
                result[index] = fitted.transpose(2, 0, 1)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fit, range(0, len(images), _TASK)):  # Pillow scales without the lock
            pass
    return result


def _centre_box(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    cut_width = min(float(width), height * aspect)
    cut_height = min(float(height), width / aspect)
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height
