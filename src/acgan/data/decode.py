"""One way to bring images to a size: cut to the wanted proportions at the center, then scale.

Scaling is Pillow's LANCZOS, whose kernel widens with the reduction, so it is antialiased (the
practice of StyleGAN's and EDM's data-set tools). Nothing is stretched.

One image file: bytes in, uint8 pixels out; whatever is wrong with it is told as a reason.

Only the formats named here are ever handed to a decoder, and nothing is decoded before its
declared size is known to be reasonable.
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
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from acgan.data.containers import UnusableFileError
from acgan.metrics.arrays import UInt8Array

_TASK = 256  # images a thread takes at once


def resize_image(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An ``L`` or ``RGB`` image at (height, width): center cut, then antialiased scaling."""
    height, width = size
    if image.size == (width, height):
        return image
    box = _center_box(image.width, image.height, width / height)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def resize_array(images: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Images uint8 (N, C, h, w), C being 1 or 3, at size (H, W): uint8 (N, C, H, W)."""
    if images.shape[2:] == size:
        return images
    result = np.empty((*images.shape[:2], *size), np.uint8)

    def fit(start: int) -> None:
        for index in range(start, min(start + _TASK, len(images))):
            if images.shape[1] == 1:
                result[index, 0] = resize_image(Image.fromarray(images[index, 0]), size)
            else:
                pixels = np.ascontiguousarray(images[index].transpose(1, 2, 0))
                fitted = np.asarray(resize_image(Image.fromarray(pixels), size))
                result[index] = fitted.transpose(2, 0, 1)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fit, range(0, len(images), _TASK)):  # Pillow scales without the lock
            pass
    return result


def _center_box(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    cut_width = min(float(width), height * aspect)
    cut_height = min(float(height), width / aspect)
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 64_000_000
_GRAY_MODES = frozenset(("1", "L", "LA", "I", "I;16", "I;16B", "I;16L"))
_WIDE_MODES = frozenset(("I", "I;16", "I;16B", "I;16L"))
_COLOR_MODES = frozenset(("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"))
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_TAGS = {"exif", "xmp"}  # where a JPEG's orientation can be told


class Header(NamedTuple):
    """What an image's header declares: size in pixels as displayed, and whether it is gray."""

    height: int
    width: int
    gray: bool


def probe(data: bytes) -> Header:
    """The header of an image file.

    Gray goes by the pixel format alone: 1, 8 or 16 bits of gray, with alpha or without. A palette
    or RGB image counts as color even if all its colors happen to be gray.

    Raises:
        UnusableFileError: it is no image of a supported format and reasonable size.
    """
    with _open(data) as image:
        return _header(image)


def decode(data: bytes, channels: int, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Pixels of an image file, uint8 (channels, H, W).

    The first frame of an animation is taken, a camera's orientation tag is obeyed, 16 bits are
    scaled to 8, transparent pixels are laid over white.

    Args:
        data: the file.
        channels: 1 for gray, 3 for RGB.
        size: height and width to bring it to; None = as it is.

    Raises:
        UnusableFileError: it is no image, damaged, cut off, or too large.
    """
    return decode_with_header(data, channels, size)[1]


def decode_with_header(
    data: bytes, channels: int, size: tuple[int, int] | None
) -> tuple[Header, npt.NDArray[np.uint8]]:
    """What `probe` and `decode` say of an image file, in one reading."""
    with _open(data) as opened:
        header = _header(opened)
        opened.load()
        image = opened
        if _orientation(opened) != 1:
            image = ImageOps.exif_transpose(opened)
        image = _plain(image)
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        if size is not None:
            image = resize_image(image, size)
        pixels = np.asarray(image)
    return header, pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Within it, Pillow's warnings about odd metadata are silent; those about size are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UnusableFileError(
                    f"oversized: {image.width}×{image.height} pixels are more than "
                    f"{MOST_PIXELS // 1_000_000} megapixels"
                )
            _check_mode(image)
            yield image
    except UnusableFileError:
        raise
    except UnidentifiedImageError:
        raise UnusableFileError(f"not an image ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusableFileError(
            f"oversized: more than {MOST_PIXELS // 1_000_000} megapixels"
        ) from None
    except Exception as error:  # on broken input, decoders raise nearly everything there is
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UnusableFileError(f"damaged or cut off ({detail})") from None


def _header(image: Image.Image) -> Header:
    width, height = image.size
    # TIFF's size is as displayed already; PNG would have to be decoded to find a late tag
    if image.format != "TIFF" and _orientation(image) in _SIDEWAYS:
        width, height = height, width
    return Header(height, width, image.mode in _GRAY_MODES)


def _check_mode(image: Image.Image) -> None:
    integers_of_16_bits = image.mode != "I" or image.format in ("PNG", "PPM")
    if image.mode not in _GRAY_MODES | _COLOR_MODES or not integers_of_16_bits:
        raise UnusableFileError(
            f"pixels of kind {image.mode} have no fixed range; save it with 8 or 16 bits a channel"
        )


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # asking for it would decode the whole image
    if image.format == "JPEG" and not _TAGS & image.info.keys():
        return 1  # asking takes a tenth of the time of decoding a small image
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata does not make the pixels unusable
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """The image without transparency, at most 8 bits a channel."""
    if image.mode in _WIDE_MODES:
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA"))
    return image
