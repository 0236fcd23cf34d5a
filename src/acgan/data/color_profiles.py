"""Embedded ICC profiles: pixels are converted to sRGB, the color space of images without one."""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from typing import final

import numpy as np
from PIL import Image, ImageCms

_CACHED = 32  # profiles for each thread
_INVISIBLE = 2  # levels of 255; profiles that call themselves sRGB differ by as much
_EXACT = ImageCms.Flags.NOOPTIMIZE  # otherwise dark grays are off by up to 10 levels
_COLOR_MODES = ("RGB", "RGBA", "CMYK", "LAB")


@final
class ProfileError(Exception):
    """A profile is broken or describes another color space than that of the pixels."""


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert an image of 8 bits per channel to sRGB, or to gray with sRGB's tone curve.

    Returns:
        The image, ``L``, ``LA``, ``RGB`` or ``RGBA``; None if the profile has the effect of sRGB.

    Raises:
        ProfileError: the profile cannot be applied to these pixels.
    """
    if image.mode in ("1", "L", "LA"):
        table = _transforms.gray(profile)
        if table is None:
            return None
        if image.mode == "LA":
            gray, alpha = image.split()
            return Image.merge("LA", (gray.point(table), alpha))
        return image.convert("L").point(table)
    if image.mode not in _COLOR_MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    transform = _transforms.color(profile, image.mode)
    return None if transform is None else transform.apply(image)


def _color_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    transform = _transform(profile, mode, "RGBA" if mode == "RGBA" else "RGB")
    if mode in ("RGB", "RGBA"):
        steps = np.linspace(0, 255, 9).astype(np.uint8)
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
        colors = Image.fromarray(grid).convert(mode)
        if _equal(np.asarray(transform.apply(colors)), np.asarray(colors)):
            return None
    return transform


def _gray_table(profile: bytes) -> list[int] | None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    try:
        converted = _transform(profile, "L", "RGB", _EXACT).apply(ramp)
    except ProfileError:  # cameras and editors store their RGB profile in gray files too
        converted = _transform(profile, "RGB", "RGB", _EXACT).apply(ramp.convert("RGB"))
    table = np.asarray(converted.convert("L"))
    return None if _equal(table, np.asarray(ramp)) else table[0].tolist()


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return int(np.abs(one.astype(int) - other.astype(int)).max()) <= _INVISIBLE


def _transform(
    profile: bytes, mode: str, target: str, flags: ImageCms.Flags = ImageCms.Flags.NONE
) -> ImageCms.ImageCmsTransform:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(opened, srgb, mode, target, flags=flags)
    except (ImageCms.PyCMSError, OSError, ValueError):
        raise ProfileError from None


@final
class _Transforms(threading.local):
    """Transforms of one thread; building one takes as long as decoding a small photo."""

    def __init__(self) -> None:
        self.color = lru_cache(_CACHED)(_color_transform)
        self.gray = lru_cache(_CACHED)(_gray_table)


_transforms = _Transforms()
