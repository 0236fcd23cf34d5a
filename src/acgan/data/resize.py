"""One way to bring images to a size: cut to the wanted proportions at the centre, then scale.

Scaling is Pillow's LANCZOS, whose kernel widens with the reduction, so it is antialiased (the
practice of StyleGAN's and EDM's data-set tools). Nothing is stretched.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


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

    def fit(index: int) -> None:
        if images.shape[1] == 1:
            result[index, 0] = fit_image(Image.fromarray(images[index, 0]), size)
        else:
            pixels = np.ascontiguousarray(images[index].transpose(1, 2, 0))
            result[index] = np.asarray(fit_image(Image.fromarray(pixels), size)).transpose(2, 0, 1)

    with ThreadPoolExecutor() as pool:  # Pillow scales outside the interpreter's lock
        for _ in pool.map(fit, range(len(images)), chunksize=256):
            pass
    return result


def _centre_box(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    cut_width = min(float(width), height * aspect)
    cut_height = min(float(height), width / aspect)
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height
