"""Images as arrays become Pillow's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def to_picture(image: npt.NDArray[np.uint8]) -> Image.Image:
    """uint8 (1, H, W) as a grey and (3, H, W) as a colour picture, of the same values."""
    return Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1).copy())
