"""Embedded ICC profiles, compared with their definition; profiles are written by hand."""

from __future__ import annotations

import io
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from acgan.data import color_profiles
from acgan.data.conversions import Conversion, Conversions
from acgan.data.decode import decode
from acgan.data.images import Images

Floats = npt.NDArray[np.float64]
_D50 = (0.9642, 1.0, 0.8249)
# Rows are sRGB's red, green and blue in XYZ, adapted to D50.
_SRGB = np.array([[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]])


def xyz(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * value) for value in values))


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma)) + b"\0\0"


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Write an ICC profile of version 2 for a monitor."""
    head = bytearray(128)
    head[8:24] = b"\x02\x40\0\0mntr" + space + b"XYZ "
    head[36:40] = b"acsp"
    head[68:80] = struct.pack(">3i", *(round(65536 * value) for value in _D50))
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    data = head + table + body
    data[:4] = struct.pack(">I", len(data))
    return bytes(data)


def rgb_profile(gamma: float, order: tuple[int, ...] = (0, 1, 2)) -> bytes:
    primaries = {
        bytes((letter,)) + b"XYZ": xyz(_SRGB[source])
        for letter, source in zip(b"rgb", order, strict=True)
    }
    curves = {bytes((letter,)) + b"TRC": curve(gamma) for letter in b"rgb"}
    return profile(b"RGB ", {b"wtpt": xyz(_D50), **primaries, **curves})


def gray_profile(gamma: float) -> bytes:
    return profile(b"GRAY", {b"wtpt": xyz(_D50), b"kTRC": curve(gamma)})


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encode(linear: Floats) -> Floats:
    """Return sRGB's encoding of linear light in 0 to 1 (IEC 61966-2-1), in 0 to 255."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decoded(
    pixels: npt.NDArray[Any], icc: bytes, channels: int, kind: str = "PNG"
) -> tuple[Images, Any]:
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(pixels).save(buffer, kind, icc_profile=icc, **options)
    result: tuple[Any, Images, Conversions] = decode(buffer.getvalue(), channels, None)
    return result[1], result[2].kinds


@given(
    seed=st.integers(0, 1000),
    gamma=st.sampled_from([1.0, 1.5, 1.8, 2.2, 3.0]),
    order=st.permutations((0, 1, 2)),
    kind=st.sampled_from(["PNG", "TIFF", "WEBP"]),
    alpha=st.booleans(),
)
@settings(max_examples=60)
def test_colors_are_converted_to_srgb(
    seed: int, gamma: float, order: tuple[int, ...], kind: str, alpha: bool
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    meant = np.empty((6, 5, 3))
    meant[..., list(order)] = encode((pixels / 255) ** gamma)
    if alpha:
        pixels = np.concatenate([pixels, np.full((6, 5, 1), 255, np.uint8)], axis=2)
        pixels[0, 0, 3], meant[0, 0] = 0, 255  # transparent: white, whatever the profile
    result, kinds = decoded(pixels, rgb_profile(gamma, order), 3, kind)
    np.testing.assert_allclose(result.transpose(1, 2, 0), meant, rtol=0, atol=2)
    assert (Conversion.BLENDED in kinds) == alpha
    assert Conversion.PROFILE in kinds


@pytest.mark.parametrize("icc", [gray_profile(1.0), rgb_profile(1.0)])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_is_converted_by_gray_and_by_rgb_profiles(
    icc: bytes, bits: int, channels: int
) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = ramp if bits == 8 else ramp.astype(np.uint16) * 257
    result, kinds = decoded(pixels, icc, channels, "TIFF")
    assert Conversion.PROFILE in kinds
    np.testing.assert_allclose(result[0], encode(ramp / 255), rtol=0, atol=2)


def test_gray_with_alpha_keeps_its_alpha() -> None:
    """Opaque gray is converted; transparent gray is white, whatever the profile."""
    pixels = np.stack([np.full((4, 4), 100), np.full((4, 4), 255)], axis=2).astype(np.uint8)
    pixels[0, :, 1] = 0
    result, kinds = decoded(pixels, gray_profile(1.0), 1)
    assert {Conversion.PROFILE, Conversion.BLENDED} <= kinds
    np.testing.assert_array_equal(result[0, 0], 255)
    np.testing.assert_allclose(result[0, 1:], encode(np.full((3, 4), 100 / 255)), rtol=0, atol=2)


def test_scaling_before_or_after_the_conversion_is_the_same_color() -> None:
    buffer = io.BytesIO()
    image = Image.new("RGB", (64, 48), (200, 100, 50))
    image.save(buffer, "PNG", icc_profile=rgb_profile(1.8, (1, 2, 0)))
    small = decode(buffer.getvalue(), 3, (8, 6)).pixels
    np.testing.assert_array_equal(small, decode(buffer.getvalue(), 3, None).pixels[:, :8, :6])


def test_srgb_changes_no_pixel_and_needs_no_note() -> None:
    color = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    result, kinds = decoded(color, SRGB, 3)
    np.testing.assert_array_equal(result.transpose(1, 2, 0), color)
    assert not kinds
    result, kinds = decoded(color[..., 0], SRGB, 1)
    np.testing.assert_array_equal(result[0], color[..., 0])
    assert not kinds


@pytest.mark.parametrize(
    ("icc", "color"),
    [
        (b"not a profile", True),
        (SRGB[:200], True),
        (gray_profile(1.0), True),  # a gray profile in a color image
        (profile(b"CMYK", {b"wtpt": xyz(_D50)}), True),
        (profile(b"CMYK", {b"wtpt": xyz(_D50)}), False),
        (profile(b"RGB ", {}), True),
    ],
)
def test_broken_profiles_are_ignored_with_a_note(icc: bytes, color: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    pixels = pixels if color else pixels[..., 0]
    result, kinds = decoded(pixels, icc, 3 if color else 1)
    np.testing.assert_array_equal(result, pixels.transpose(2, 0, 1) if color else pixels[None])
    assert kinds == {Conversion.BAD_PROFILE}


def test_a_cmyk_profile_decides_about_the_colors_of_a_cmyk_image() -> None:
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", icc_profile=rgb_profile(1.0))
    assert Conversion.BAD_PROFILE in decode(buffer.getvalue(), 3, None).changes.kinds


def test_a_transform_is_built_once_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = ImageCms.buildTransform

    def build(*args: Any, **options: Any) -> Any:
        built.append(threading.get_ident())
        return original(*args, **options)

    monkeypatch.setattr(ImageCms, "buildTransform", build)
    monkeypatch.setattr(color_profiles, "_transforms", color_profiles._Transforms())
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", icc_profile=rgb_profile(1.0, (2, 0, 1)))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: decode(buffer.getvalue(), 3, None).pixels, range(100)))
    assert 1 <= len(built) == len(set(built)) <= 4
    assert all((result == results[0]).all() for result in results)
