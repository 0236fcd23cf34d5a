"""Decoding of one image file to uint8 pixels.

Only the listed formats reach a decoder, and nothing is decoded before its declared size is checked.
"""

from __future__ import annotations

import ctypes
import io
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFile, UnidentifiedImageError, _imaging
from PIL.TiffImagePlugin import TiffImageFile

from acgan.data.color_profiles import ProfileError, to_srgb
from acgan.data.containers import UnusableFileError
from acgan.data.conversions import Conversion, Conversions, Header
from acgan.data.resize import resize_image
from acgan.metrics.arrays import UInt8Array

UInt32Array = npt.NDArray[np.uint32]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MAX_PIXELS = 64_000_000
_LIMIT = f"more than {MAX_PIXELS // 1_000_000} megapixels"
_GRAY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"))
_WIDE_MODES = frozenset(("I", "I;16", "I;16B", "I;16L"))
_COLOR_MODES = frozenset(("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"))
_MODES = _GRAY_MODES | _COLOR_MODES
_ANIMATED = frozenset(("GIF", "PNG", "TIFF", "WEBP"))  # a second image in a JPEG is a preview
_BITS_12, _BITS_16 = 4095, 65535
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_FORMATS = {  # by the bytes at a position; Pillow's names are of decoders, not of files
    **dict.fromkeys(((4, b"ftyphe"), (4, b"ftypmif1"), (4, b"ftypmsf1")), "HEIC"),
    (4, b"ftypavi"): "AVIF",
    **dict.fromkeys(((4, b"jP  \r\n"), (0, b"\xff\x4f\xff\x51")), "JPEG 2000"),
    **dict.fromkeys(((4, b"JXL "), (0, b"\xff\x0a")), "JPEG XL"),
    (0, b"\0\0\1\0"): "ICO",
    (0, b"8BPS"): "PSD",
    (0, b"%PDF"): "PDF",
    (0, b"DDS "): "DDS",
    (0, b"\x93NUMPY"): "NPY",
    (-18, b"TRUEVISION-XFILE."): "TGA",
}
_MAX_TIFF_TAGS = 200
_BITS_PER_SAMPLE, _PHOTOMETRIC, _FILL_ORDER = 258, 262, 266
_ORIENTATION, _PLANAR, _SAMPLE_FORMAT = 274, 284, 339
_GRAY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow scales these samples, but not their transparent one
_SRGB_GAMMA = 0.45455
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # white, red, green, blue
_SIDEWAYS = (5, 6, 7, 8)
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TAGS = {"exif", "xmp", "Raw profile type exif"}  # where JPEG and PNG store their orientation


class Decoded(NamedTuple):
    """The header of an image, its pixels uint8 (channels, H, W), and what was converted."""

    header: Header
    pixels: UInt8Array
    changes: Conversions


def read_header(data: bytes) -> Header:
    """Read the header of an image file.

    Only the pixel format decides about gray: 1, 8 or 16 bits of gray, with or without alpha. A
    palette or RGB image counts as color even if all its colors are gray.

    Raises:
        UnusableFileError: the file is not an image of a supported format and size.
    """
    with _open(data) as (image, _):
        return _header(image, _orientation(image))


def decode(
    data: bytes, channels: int, size: tuple[int, int] | None, white_level: int | None = None
) -> Decoded:
    """Decode an image file.

    The first frame of an animation is used and the camera's orientation tag applied; 16 bits are
    scaled to 8, colors converted from an ICC profile to sRGB, and then transparent pixels are
    blended with white.

    Args:
        data: content of the file.
        channels: 1 for gray, 3 for RGB.
        size: height and width to resize to; None to keep the size.
        white_level: the sample of 16 bits that becomes 255; None for 65535, or for the range that
            the file declares.

    Raises:
        UnusableFileError: the file is no image, damaged, truncated, or too large.
    """
    with _open(data) as (opened, inverted):
        kinds = set(_metadata(opened))
        raw_mode = _raw_mode(opened)
        if opened.mode in _WIDE_MODES or ";16" in raw_mode or _ppm_maximum(opened) > 255:
            kinds.add(Conversion.FROM_16_BITS)
        orientation = _orientation(opened)
        header = _header(opened, orientation)
        image, largest = _to_8_bits(opened, data, raw_mode, white_level)
        if opened.format == "PNG" and orientation == 1:  # the tag may follow the pixels
            orientation = _orientation(opened)
            if orientation != 1:
                header = _header(opened, orientation)._replace(gray=header.gray)
        if largest is not None and white_level is not None and largest > white_level:
            kinds.add(Conversion.CLIPPED)
        if orientation != 1:
            kinds.add(Conversion.ORIENTED)
            if opened.format != "TIFF":  # Pillow turns TIFFs while it decodes them
                image = image.transpose(_TRANSPOSED[orientation])
        profile = opened.info.get("icc_profile")
        can_scale = image.mode in ("L", "RGB", "CMYK") and not image.has_transparency_data
        if profile and size is not None and can_scale:
            image = resize_image(image, size)  # fewer pixels to convert
        image = _displayed(image, profile, inverted, kinds)
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        if size is not None:
            image = resize_image(image, size)
        pixels = np.asarray(image)
    array = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return Decoded(header, array, Conversions(frozenset(kinds), largest))


def _displayed(
    image: Image.Image, profile: bytes | None, inverted: bool, kinds: set[Conversion]
) -> Image.Image:
    """Apply polarity, color profile and transparency; add the conversions to ``kinds``."""
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    if inverted:
        gray, *alpha = image.split()
        image = Image.merge(image.mode, [ImageChops.invert(gray), *alpha])
    if profile:
        try:
            converted = to_srgb(image, profile)
        except ProfileError:
            kinds.add(Conversion.BAD_PROFILE)
        else:
            if converted is not None:
                kinds.add(Conversion.PROFILE)
                image = converted
    if image.mode in ("LA", "RGBA"):
        opaque = image.getchannel("A").histogram()[255]
        if opaque == image.width * image.height:
            return image
        kinds.add(Conversion.BLENDED)
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA"))
    return image


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence Pillow's warnings about metadata, and turn those about size into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _open(data: bytes) -> Iterator[tuple[ImageFile.ImageFile, bool]]:
    """Open a supported image; the second value says whether its gray has to be inverted."""
    is_tiff = data.startswith(_TIFF_MAGIC)
    if is_tiff:
        _silence_libtiff()
    try:
        opened, inverted = _identify(data)
        with opened as image:
            if image.width * image.height > MAX_PIXELS:
                size = f"{image.width}×{image.height} pixels are "
                raise UnusableFileError(f"oversized: {size}{_LIMIT}")
            _check_mode(image)
            yield image, inverted
    except UnusableFileError:
        raise
    except UnidentifiedImageError:
        if is_tiff:
            raise UnusableFileError("damaged, or an unusual TIFF; save it as PNG") from None
        raise UnusableFileError(_describe_other(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusableFileError(f"oversized: {_LIMIT}") from None
    except Exception as error:  # decoders raise all kinds of errors on broken input
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UnusableFileError(f"damaged or cut off ({detail})") from None


def _describe_other(data: bytes) -> str:
    """Return the reason against a file of no supported format; a known other one is named."""
    for (at, magic), name in _OTHER_FORMATS.items():
        start = at if at >= 0 else max(0, len(data) + at)
        if data.startswith(magic, start):
            return f"{name}; convert it to PNG or JPEG"
    return f"not an image ({', '.join(FORMATS)})"


def _identify(data: bytes) -> tuple[ImageFile.ImageFile, bool]:
    """Open an image; Pillow inverts a TIFF whose smallest value is white only up to 8 bits."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        return image, image.mode in _WIDE_MODES and _tag(image, _PHOTOMETRIC) == 0
    except UnidentifiedImageError:
        black = _as_min_is_black(data)
        if black is None:
            raise
        return Image.open(io.BytesIO(black), formats=FORMATS), True


def _as_min_is_black(data: bytes) -> bytes | None:
    """Return a TIFF with the photometric interpretation 0 replaced by 1; None if it is another."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    entry = struct.pack(f"{order}HHIH", _PHOTOMETRIC, 3, 1, 0)  # tag, type, count, value
    for at in range(start + 2, min(len(data), start + 2 + 12 * _MAX_TIFF_TAGS) - 9, 12):
        if data[at : at + 10] == entry:
            return data[: at + 8] + struct.pack(f"{order}H", 1) + data[at + 10 :]
    return None


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from printing errors to file descriptor 2; Pillow raises them as well."""
    with suppress(AttributeError, OSError):  # on Windows, libtiff's symbols are not exported
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def _tag(image: ImageFile.ImageFile, number: int) -> Any:
    return image.tag_v2.get(number) if isinstance(image, TiffImageFile) else None


def _header(image: ImageFile.ImageFile, orientation: int) -> Header:
    width, height = image.size
    # Pillow gives a TIFF's size as displayed if the orientation is a tag of the file itself
    if orientation in _SIDEWAYS and _tag(image, _ORIENTATION) not in _SIDEWAYS:
        width, height = height, width
    gray_alpha = image.mode == "RGBA" and _raw_mode(image) == "LA;16B"
    return Header(height, width, gray_alpha or image.mode in _GRAY_MODES)


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """Return the layout of the samples in the file, by Pillow's name; empty after decoding."""
    if not image.tile:
        return ""
    args = image.tile[0].args
    name = args if isinstance(args, str) else args[0] if args else ""
    return name if isinstance(name, str) else ""


def _ppm_maximum(image: ImageFile.ImageFile) -> int:
    """Return the largest sample that a PPM or PGM declares, where Pillow scales; 0 otherwise."""
    tile = image.tile[0] if image.tile else None
    if tile is None or not tile.codec_name.startswith("ppm") or not isinstance(tile.args, tuple):
        return 0
    return int(tile.args[1])


def _check_mode(image: ImageFile.ImageFile) -> None:
    unusable = image.mode if image.mode not in _MODES else None
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2
        if image.mode == "I" or not set(tags.get(_SAMPLE_FORMAT, (1,))) <= {1, 4}:
            unusable = "of 32 bits or of signed numbers"
        if tags.get(_PLANAR, 1) == 2 and len(image.getbands()) > 1:
            # Pillow reads these without an error, but wrongly
            plain = max(tags.get(_BITS_PER_SAMPLE, (8,))) == 8 and tags.get(_FILL_ORDER, 1) == 1
            if not plain or image.mode in ("LA", "La", "PA"):
                raise UnusableFileError(
                    "a TIFF with separate planes in this pixel format; save it with interleaved "
                    "channels"
                )
    if unusable is not None:
        raise UnusableFileError(
            f"pixel format {unusable} has no fixed range; save it with 8 or 16 bits per channel"
        )


def _orientation(image: ImageFile.ImageFile) -> int:
    if image.format in ("JPEG", "PNG") and _TAGS.isdisjoint(image.info):
        return 1  # getexif takes a tenth of the time of decoding a small JPEG, and decodes a PNG
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata does not make the pixels unusable
        return 1
    return found if found in _TRANSPOSED else 1


def _metadata(image: ImageFile.ImageFile) -> Iterator[Conversion]:
    """Yield what the header tells and the pixels do not show."""
    info = image.info
    if image.format in _ANIMATED:
        with suppress(Exception):  # a damaged second frame does not make the first unusable
            if getattr(image, "is_animated", False):
                yield Conversion.FIRST_FRAME
    is_srgb = "icc_profile" in info or "srgb" in info
    if ("gamma" in info or "chromaticity" in info) and not is_srgb:
        declared = (info.get("gamma", _SRGB_GAMMA), *info.get("chromaticity", _SRGB_PRIMARIES))
        if not np.allclose(declared, (_SRGB_GAMMA, *_SRGB_PRIMARIES), atol=0.01):
            yield Conversion.GAMMA
    density = info.get("dpi") or info.get("aspect") or info.get("jfif_density")
    if density is not None and density[0] != density[1]:
        horizontal, vertical = map(float, density)
        if abs(horizontal - vertical) > 0.02 * horizontal:
            yield Conversion.ASPECT


def _to_8_bits(
    image: ImageFile.ImageFile, data: bytes, raw_mode: str, white_level: int | None
) -> tuple[Image.Image, int | None]:
    """Load an image with at most 8 bits per channel.

    The second value is the largest sample if the file has 16 bits without a declared range.
    """
    key = image.info.get("transparency")
    wide = _wide_samples(image, data, raw_mode)
    if wide is None:
        return _load_8_bits(image, raw_mode, key), None
    samples, mode, declared = wide
    largest = samples[..., :3] if mode == "RGBA" else samples[..., :1] if mode == "LA" else samples
    return (
        _scaled(samples, declared or white_level or _BITS_16, mode, key),
        None if declared else int(largest.max()),
    )


def _wide_samples(
    image: ImageFile.ImageFile, data: bytes, raw_mode: str
) -> tuple[UInt32Array, str, int | None] | None:
    """Load samples (H, W, C) of 16 bits, the mode of the result, and a declared range."""
    if image.mode in _WIDE_MODES:
        declared = None
        if raw_mode == "I;12":
            declared = _BITS_12
        elif 0 < _ppm_maximum(image) < _BITS_16:
            declared = _BITS_16  # Pillow has scaled the samples
        return np.asarray(image).astype(np.uint32)[..., None], "L", declared
    if raw_mode == "LA;16B":
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]  # the bytes as they are
        pairs = np.asarray(image).astype(np.uint32)
        return 256 * pairs[..., 0::2] + pairs[..., 1::2], "LA", None
    if raw_mode[-4:-1] == ";16" and raw_mode.startswith("RGB"):
        return _interleaved(image, data, raw_mode), image.mode, None
    return None


def _load_8_bits(image: ImageFile.ImageFile, raw_mode: str, key: Any) -> Image.Image:
    """Load an image of 8 bits per channel and correct what Pillow gets wrong."""
    frame = image.tile[0].extents if image.format == "GIF" else None
    image.load()
    if key is not None and raw_mode in _GRAY_STEPS:
        image.info["transparency"] = key * _GRAY_STEPS[raw_mode]
    if frame is not None and frame != (0, 0, *image.size) and key is None:
        covered = Image.new("L", image.size, 0)
        covered.paste(255, frame)
        image.putalpha(covered)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        return ImageChops.invert(image)  # Pillow assumes Adobe's polarity
    return image


def _interleaved(image: ImageFile.ImageFile, data: bytes, raw_mode: str) -> UInt32Array:
    """Return samples of 16 bits (H, W, C); Pillow unpacks one of their two bytes at a time."""
    big_endian = raw_mode[-1] == "B" or (raw_mode[-1] == "N" and sys.byteorder == "big")
    halves = []
    for order in "BL" if big_endian else "LB":  # high byte, then low
        name = f"{raw_mode[:-1].replace('a', 'A')}{order}"
        with Image.open(io.BytesIO(data), formats=FORMATS) as half:
            half.tile = [
                tile._replace(args=(name, *tile.args[1:]) if isinstance(tile.args, tuple) else name)
                for tile in half.tile
            ]
            halves.append(np.asarray(half).astype(np.uint32))
    image.load()
    samples: UInt32Array = 256 * halves[0] + halves[1]
    if "a" in raw_mode:  # color is stored multiplied by alpha
        color, alpha = samples[..., :3], samples[..., 3:]
        color[:] = (np.minimum(color, alpha) * _BITS_16 + alpha // 2) // np.maximum(alpha, 1)
    return samples


def _scaled(
    samples: UInt32Array, white: int, mode: str, transparent: tuple[int, ...] | int | None
) -> Image.Image:
    """Scale samples (H, W, C) to 8 bits; pixels equal to ``transparent`` get the alpha value 0."""
    limits = np.full(samples.shape[-1], white, np.uint32)
    if mode[-1] == "A":
        limits[-1] = _BITS_16
    pixels = ((np.minimum(samples, limits) * 255 + limits // 2) // limits).astype(np.uint8)
    image = Image.frombytes(mode, samples.shape[1::-1], pixels.tobytes())
    if transparent is not None:
        opaque = (samples != np.array(transparent, np.uint32)).any(axis=-1)
        image.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return image
