"""Decoding one file: every format and pixel kind right, every kind of damage told as a reason."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from acgan.data import decode as decoding
from acgan.data.containers import UnusableFileError
from acgan.data.conversions import Conversion
from acgan.data.decode import decode, quiet_decoders, read_header
from acgan.data.images import Images

GRAY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOR = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)


def pixels_of(data: bytes, channels: int, size: tuple[int, int] | None) -> Images:
    return decode(data, channels, size)[1]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_lossless_gray_comes_back_exactly(kind: str) -> None:
    data = encoded(Image.fromarray(GRAY), kind)
    assert read_header(data)[:2] == (3, 4)
    np.testing.assert_array_equal(pixels_of(data, 1, None), GRAY[None])


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True})],
)
def test_lossless_color_comes_back_exactly(kind: str, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(COLOR), kind, **options)
    assert read_header(data) == (3, 4, False)
    np.testing.assert_array_equal(pixels_of(data, 3, None), COLOR.transpose(2, 0, 1))


def test_jpeg_is_read() -> None:
    image = Image.new("RGB", (16, 8), (200, 100, 50))
    pixels = pixels_of(encoded(image, "JPEG"), 3, None)
    assert np.abs(pixels.astype(int) - np.array([200, 100, 50]).reshape(3, 1, 1)).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    wide = (GRAY.astype(np.uint16) * 257).reshape(3, 4)
    data = encoded(Image.fromarray(wide), kind)
    assert read_header(data).gray
    np.testing.assert_array_equal(pixels_of(data, 1, None), GRAY[None])


def test_black_and_white_become_0_and_255() -> None:
    data = encoded(Image.fromarray(GRAY > 100), "PNG")
    assert read_header(data).gray
    np.testing.assert_array_equal(pixels_of(data, 1, None), (GRAY > 100)[None] * np.uint8(255))


def test_transparent_pixels_are_white() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = 0, 128, 255
    result = pixels_of(encoded(Image.fromarray(pixels), "PNG"), 3, None)
    assert result[0, 0].tolist() == [255, 127, 0]
    gray = Image.fromarray(pixels[..., 2:])
    assert gray.mode == "LA"
    assert read_header(encoded(gray, "PNG")).gray
    assert pixels_of(encoded(gray, "PNG"), 1, None)[0, 0].tolist() == [255, 127, 0]


def test_a_palette_with_a_transparent_entry_is_laid_over_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    data = encoded(image, "PNG", transparency=1)
    assert not read_header(data).gray
    assert pixels_of(data, 3, None)[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_gray_becomes_color_where_the_set_is_in_color() -> None:
    pixels = pixels_of(encoded(Image.fromarray(GRAY), "PNG"), 3, None)
    np.testing.assert_array_equal(pixels, np.stack([GRAY] * 3))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_cameras_orientation_is_obeyed(kind: str) -> None:
    image = Image.new("L", (32, 16), 0)
    image.paste(255, (0, 0, 16, 16))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: left becomes top
    data = encoded(image.convert("RGB"), kind, exif=exif)
    assert read_header(data)[:2] == (32, 16)
    pixels = pixels_of(data, 3, None)
    assert pixels.shape == (3, 32, 16)
    assert pixels[:, :14].min() > 200
    assert pixels[:, 18:].max() < 50


def test_an_orientation_told_in_xmp_alone_is_obeyed() -> None:
    said = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(Image.new("RGB", (32, 16)), "JPEG", xmp=said)
    assert read_header(data)[:2] == (32, 16)
    assert pixels_of(data, 3, None).shape == (3, 32, 16)


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels_of(data, 1, None) == 10).all()


def test_the_wanted_size_is_reached() -> None:
    assert pixels_of(encoded(Image.fromarray(COLOR), "PNG"), 3, (8, 5)).shape == (3, 8, 5)


PNG = encoded(Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)), "PNG")
JPEG = encoded(Image.fromarray(COLOR).resize((64, 64)), "JPEG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"these are not pixels", "not an image"),
        (b"GIF89a", "not an image|damaged"),
        (PNG[: len(PNG) // 2], "damaged or cut off"),
        (JPEG[: len(JPEG) // 2], "damaged or cut off"),
        (PNG[:60] + b"\0" * 40 + PNG[100:], "damaged or cut off"),
        *(
            (encoded(Image.fromarray(COLOR).resize((64, 64)), kind), f"^{kind}; convert it to PNG")
            for kind in ("ICO", "TGA", "PDF", "DDS")
        ),
        (encoded(Image.fromarray(COLOR).resize((64, 64)), "JPEG2000"), "^JPEG 2000; convert it"),
        (b"\0\0\0\x18ftypavif", "^AVIF; convert it to PNG or JPEG$"),
        *(
            (b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0", "^HEIC; convert it to PNG or JPEG$")
            for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
        ),
        (b"\0\0\0\x18ftypmp42", "^not an image"),
        (encoded(Image.fromarray(GRAY.astype(np.float32)), "TIFF"), "no fixed range"),
        (encoded(Image.fromarray(GRAY.astype(np.int32)), "TIFF"), "no fixed range"),
    ],
)
def test_what_cannot_be_used_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableFileError, match=reason), quiet_decoders():
        pixels_of(data, 3, None)


def test_too_many_pixels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("1", (9000, 9000)), "PNG")
    monkeypatch.setattr(Image.Image, "load", None)  # would fail if it were decoded
    with pytest.raises(UnusableFileError, match="oversized: 9000×9000"):
        read_header(data)


@pytest.mark.slow
@pytest.mark.parametrize("side", [10_000, 20_000])  # where Pillow warns, and where it refuses
def test_pillows_own_limits_give_the_same_reason(side: int) -> None:
    data = encoded(Image.new("1", (side, side)), "PNG")
    with quiet_decoders(), pytest.raises(UnusableFileError, match="oversized"):
        read_header(data)


def test_only_allowed_decoders_are_asked() -> None:
    assert set(decoding.FORMATS) == {"PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"}
    with pytest.raises(UnusableFileError, match="not an image"):
        read_header(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")


@pytest.mark.parametrize(("magic", "channels"), [(b"P5", 1), (b"P6", 3)])
@pytest.mark.parametrize("largest", [15, 255, 256, 1023, 65535])
def test_wide_samples_of_pnm_are_noted(magic: bytes, channels: int, largest: int) -> None:
    samples = np.array([0, largest] * 2 * channels, ">u2" if largest > 255 else "u1")
    data = magic + b" 2 2 %d\n" % largest + np.sort(samples).tobytes()
    decoded = decode(data, channels, None)
    assert (decoded.pixels.min(), decoded.pixels.max()) == (0, 255)
    assert (Conversion.FROM_16_BITS in decoded.changes.kinds) == (largest > 255)


@given(
    st.lists(st.sampled_from([b"\0\0\1\0", b"ftyp", b"heic", b"jP  \r\n", b"8BPS", b"x"])),
    st.binary(max_size=30),
)
def test_other_formats_are_named_or_no_image(pieces: list[bytes], end: bytes) -> None:
    with pytest.raises(UnusableFileError) as caught:
        decode(b"".join(pieces) + b"\1" + end, 3, None)
    text = str(caught.value)
    assert text.endswith("; convert it to PNG or JPEG") or text.startswith("not an image (PNG")
