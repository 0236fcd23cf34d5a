"""Decoding of one image file to uint8 pixels, and resizing.

Only the listed formats reach a decoder, and nothing is decoded before its declared size is checked.
Resizing crops the center to the target's aspect ratio and scales with Pillow's LANCZOS filter,
which is antialiased (the practice of the data-set tools of StyleGAN and EDM); it never stretches.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from acgan.data.containers import UnusableFileError
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


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MAX_PIXELS = 64_000_000
_LIMIT = f"more than {MAX_PIXELS // 1_000_000} megapixels"
_GRAY_MODES = frozenset(("1", "L", "LA", "I", "I;16", "I;16B", "I;16L"))
_WIDE_MODES = frozenset(("I", "I;16", "I;16B", "I;16L"))
_COLOR_MODES = frozenset(("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"))
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_TAGS = {"exif", "xmp"}  # where a JPEG stores its orientation


class Header(NamedTuple):
    """Size of an image in pixels, as displayed, and whether it is gray."""

    height: int
    width: int
    gray: bool


def read_header(data: bytes) -> Header:
    """Read the header of an image file.

    Only the pixel format decides about gray: 1, 8 or 16 bits of gray, with or without alpha. A
    palette or RGB image counts as color even if all its colors are gray.

    Raises:
        UnusableFileError: the file is not an image of a supported format and size.
    """
    with _open(data) as image:
        return _header(image)


def decode(data: bytes, channels: int, size: tuple[int, int] | None) -> tuple[Header, UInt8Array]:
    """Decode an image file.

    The first frame of an animation is used and the camera's orientation tag applied; 16 bits are
    scaled to 8, and transparent pixels are blended with white.

    Args:
        data: content of the file.
        channels: 1 for gray, 3 for RGB.
        size: height and width to resize to; None to keep the size.

    Returns:
        The header, and the pixels uint8 (channels, H, W).

    Raises:
        UnusableFileError: the file is no image, damaged, truncated, or too large.
    """
    with _open(data) as opened:
        header = _header(opened)
        opened.load()
        image = _to_8_bits(opened if _orientation(opened) == 1 else ImageOps.exif_transpose(opened))
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        if size is not None:
            image = resize_image(image, size)
        pixels = np.asarray(image)
    return header, pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence Pillow's warnings about metadata, and turn those about size into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                size = f"{image.width}×{image.height} pixels are "
                raise UnusableFileError(f"oversized: {size}{_LIMIT}")
            _check_mode(image)
            yield image
    except UnusableFileError:
        raise
    except UnidentifiedImageError:
        raise UnusableFileError(f"not an image ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusableFileError(f"oversized: {_LIMIT}") from None
    except Exception as error:  # decoders raise all kinds of errors on broken input
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UnusableFileError(f"damaged or cut off ({detail})") from None


def _header(image: Image.Image) -> Header:
    width, height = image.size
    # TIFF's size is already as displayed; a late tag of a PNG would be found only by decoding
    if image.format != "TIFF" and _orientation(image) in _SIDEWAYS:
        width, height = height, width
    return Header(height, width, image.mode in _GRAY_MODES)


def _check_mode(image: Image.Image) -> None:
    integers_of_16_bits = image.mode != "I" or image.format in ("PNG", "PPM")
    if image.mode not in _GRAY_MODES | _COLOR_MODES or not integers_of_16_bits:
        raise UnusableFileError(
            f"pixel format {image.mode} has no fixed range; save it with 8 or 16 bits per channel"
        )


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # getexif would decode the whole image
    if image.format == "JPEG" and not _TAGS & image.info.keys():
        return 1  # getexif takes a tenth of the time of decoding a small image
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata does not make the pixels unusable
        return 1


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Return the image without transparency and with at most 8 bits per channel."""
    if image.mode in _WIDE_MODES:
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA"))
    return image
