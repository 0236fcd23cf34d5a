"""Pixels whose meaning is in metadata: files written by hand, compared with a naive computation."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acgan.data.containers import UnusableFileError
from acgan.data.conversions import Conversion
from acgan.data.decode import decode, read_header

Samples = npt.NDArray[np.int64]  # (H, W, C)
RAW, DEFLATE, PACKBITS = 1, 8, 32773
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_SIZES = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4)}


def tiff(
    samples: Samples,
    *,
    bits: int = 8,
    photometric: int = 1,
    order: str = "<",
    compression: int = RAW,
    rows: int = 0,
    tile: int = 0,
    planar: bool = False,
    reversed_bits: bool = False,
    tags: dict[int, list[int]] | None = None,
) -> bytes:
    """Write a TIFF of unsigned samples."""
    height, width, channels = samples.shape
    planes = np.split(samples, channels, axis=2) if planar else [samples]
    pieces = [
        piece
        for plane in planes
        for piece in (_tiles(plane, tile) if tile else _strips(plane, rows or height))
    ]
    blocks = [_pack(piece, bits, order) for piece in pieces]
    if compression == DEFLATE:
        blocks = [zlib.compress(block) for block in blocks]
    if compression == PACKBITS:
        blocks = [b"".join(bytes((0, byte)) for byte in block) for block in blocks]
    if reversed_bits:
        blocks = [block.translate(_REVERSED) for block in blocks]
    starts = [8, *itertools.accumulate((len(block) for block in blocks), initial=8)][1:-1]
    lengths = [len(block) for block in blocks]
    place = {322: [tile], 323: [tile], 324: starts, 325: lengths} if tile else {}
    place = place or {273: starts, 278: [rows or height], 279: lengths}
    values = {256: [width], 257: [height], 258: [bits] * channels, 259: [compression]}
    values |= {262: [photometric], 266: [2 if reversed_bits else 1], 277: [channels]}
    values |= {284: [2 if planar else 1], **place, **(tags or {})}
    body = b"".join(blocks)
    directory_at = 8 + len(body)
    outside_at = directory_at + 2 + 12 * len(values) + 4
    directory, outside = struct.pack(f"{order}H", len(values)), b""
    for tag, numbers in sorted(values.items()):
        kind = 4 if tag in place else 3
        content = struct.pack(f"{order}{len(numbers)}{_SIZES[kind][0]}", *numbers)
        directory += struct.pack(f"{order}HHI", tag, kind, len(numbers))
        if len(content) > 4:
            directory += struct.pack(f"{order}I", outside_at + len(outside))
            outside += content
        else:
            directory += content.ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, directory_at)
    return start + body + directory + bytes(4) + outside


def _strips(plane: Samples, rows: int) -> list[Samples]:
    return [plane[top : top + rows] for top in range(0, len(plane), rows)]


def _tiles(plane: Samples, side: int) -> list[Samples]:
    height, width, _ = plane.shape
    padded = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)))
    return [
        padded[top : top + side, left : left + side]
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def _pack(piece: Samples, bits: int, order: str) -> bytes:
    if bits in (8, 16):
        return piece.astype(f"{order}u{bits // 8}").tobytes()
    rows = piece.reshape(len(piece), -1)
    return b"".join(
        np.packbits([int(b) for value in row for b in f"{value:0{bits}b}"]).tobytes()
        for row in rows
    )


def png(samples: Samples, bits: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Write a PNG of color type ``kind`` with chunks between header and pixels."""
    height, width, _ = samples.shape
    lines = b"".join(b"\0" + _pack(samples[y : y + 1], bits, ">") for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    all_chunks = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in all_chunks
    )


def random_samples(seed: int, bits: int, channels: int, shape: tuple[int, int]) -> Samples:
    random = np.random.default_rng(seed)
    samples = random.integers(0, 1 << bits, (*shape, channels))
    samples[0, 0], samples[0, 1] = 0, (1 << bits) - 1  # both ends
    return samples


def as_levels(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn (H, W, C) in 0 to 1 to (C, H, W) in 0 to 255."""
    return np.rint(shares.transpose(2, 0, 1) * 255)


def over_white(
    color: npt.NDArray[np.float64], alpha: npt.NDArray[np.float64] | float
) -> npt.NDArray[np.float64]:
    return color * alpha + 1 - alpha


# photometric interpretation, channels, extra sample (1: alpha that was multiplied in, 2: alpha)
_TIFFS: dict[str, tuple[int, int, int | None]] = {
    "black is zero": (1, 1, None),
    "white is zero": (0, 1, None),
    "gray, alpha": (1, 2, 2),
    "gray, multiplied alpha": (1, 2, 1),
    "white is zero, alpha": (0, 2, 2),
    "color": (2, 3, None),
    "color, unused": (2, 4, 0),
    "color, alpha": (2, 4, 2),
    "color, multiplied alpha": (2, 4, 1),
    "cmyk": (5, 4, None),
}


def _meant(samples: Samples, bits: int, kind: str) -> npt.NDArray[np.float64]:
    """Return what a TIFF shows, from the definition of its tags."""
    photometric, _, extra = _TIFFS[kind]
    shares = samples / ((1 << bits) - 1)
    if photometric == 5:
        return (1 - shares[..., :3]) * (1 - shares[..., 3:])
    color, alpha = (shares, 1.0) if extra is None else (shares[..., :-1], shares[..., -1:])
    if photometric == 0:
        color = 1 - color
    if extra == 0:
        return color
    return color + 1 - alpha if extra == 1 else over_white(color, alpha)


@given(
    seed=st.integers(0, 1 << 32),
    kind=st.sampled_from(sorted(_TIFFS)),
    bits=st.sampled_from([1, 2, 4, 8, 12, 16]),
    order=st.sampled_from("<>"),
    compression=st.sampled_from([RAW, DEFLATE, PACKBITS]),
    split=st.sampled_from([{}, {"rows": 3}, {"tile": 16}]),
    planar=st.booleans(),
    reversed_bits=st.booleans(),
    orientation=st.sampled_from([1, 2, 3, 6]),
    shape=st.tuples(st.integers(1, 20), st.integers(2, 20)),
)
@settings(max_examples=400)
def test_a_tiff_shows_what_its_tags_say_or_is_refused(
    seed: int,
    kind: str,
    bits: int,
    order: str,
    compression: int,
    split: dict[str, Any],
    planar: bool,
    reversed_bits: bool,
    orientation: int,
    shape: tuple[int, int],
) -> None:
    photometric, channels, extra = _TIFFS[kind]
    samples = random_samples(seed, bits, channels, shape)
    if extra == 1:
        samples[..., :-1] = samples[..., :-1] * samples[..., -1:] // ((1 << bits) - 1)
    data = tiff(
        samples,
        bits=bits,
        photometric=photometric,
        order=order,
        compression=compression,
        planar=planar and channels > 1,
        reversed_bits=reversed_bits,
        tags={274: [orientation], **({} if extra is None else {338: [extra]})},
        **split,
    )
    meant = as_levels(_meant(samples, bits, kind))
    turn: dict[int, Callable[[Any], Any]] = {
        1: lambda pixels: pixels,
        2: lambda pixels: pixels[..., ::-1],
        3: lambda pixels: pixels[..., ::-1, ::-1],
        6: lambda pixels: np.rot90(pixels, -1, axes=(1, 2)),
    }
    meant = turn[orientation](meant)
    try:
        header, pixels, changes = decode(data, len(meant), None)
    except UnusableFileError as error:
        ordinary = channels in (1, 3) and bits in (8, 16) and not (planar and channels > 1)
        if ordinary and not reversed_bits:
            raise
        reasons = ("unusual", "separate planes", "raw mode")
        if not any(reason in str(error) for reason in reasons):
            raise
        return
    assert header == (*meant.shape[1:], len(meant) == 1) == read_header(data)
    tolerance = 2 if kind == "cmyk" else 1 if extra or bits == 16 else 0
    np.testing.assert_allclose(pixels, meant, rtol=0, atol=tolerance)
    assert (Conversion.ORIENTED in changes.kinds) == (orientation != 1)
    assert (Conversion.FROM_16_BITS in changes.kinds) == (bits > 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [RAW, DEFLATE, PACKBITS])
@pytest.mark.parametrize("split", [{}, {"rows": 3}, {"tile": 16}])
def test_white_is_zero_in_16_bits(order: str, compression: int, split: dict[str, Any]) -> None:
    samples = random_samples(0, 16, 1, (9, 7))
    data = tiff(samples, bits=16, photometric=0, order=order, compression=compression, **split)
    np.testing.assert_array_equal(decode(data, 1, None).pixels, as_levels(1 - samples / 65535))


# color type, channels
_PNGS = {"gray": (0, 1), "gray, alpha": (4, 2), "color": (2, 3), "color, alpha": (6, 4)}


@given(
    seed=st.integers(0, 1 << 32),
    kind=st.sampled_from(sorted(_PNGS)),
    bits=st.sampled_from([1, 2, 4, 8, 16]),
    keyed=st.booleans(),
    white=st.sampled_from([None, 255, 4095, 40_000]),
)
@settings(max_examples=200)
def test_a_png_shows_what_its_chunks_say(
    seed: int, kind: str, bits: int, keyed: bool, white: int | None
) -> None:
    color_type, channels = _PNGS[kind]
    bits = bits if kind == "gray" else max(bits, 8)
    samples = random_samples(seed, bits, channels, (5, 7))
    samples[2, :3] = samples[3, 3]  # the transparent color
    samples[4, 0] = samples[3, 3] ^ 1  # and one that differs from it in the last bit
    alpha = samples[..., -1:] / ((1 << bits) - 1) if channels in (2, 4) else np.ones(1)
    color = samples[..., :-1] if channels in (2, 4) else samples
    chunks = []
    if keyed and channels in (1, 3):
        chunks = [(b"tRNS", struct.pack(f">{channels}H", *samples[3, 3].tolist()))]
        alpha = (samples != samples[3, 3]).any(axis=-1, keepdims=True) * 1.0
    limit = white if white is not None and bits == 16 else (1 << bits) - 1
    meant = as_levels(over_white(np.minimum(color / limit, 1), alpha))
    data = png(samples, bits, color_type, *chunks)
    header, pixels, changes = decode(data, len(meant), None, white)
    assert header == (5, 7, len(meant) == 1) == read_header(data)
    np.testing.assert_allclose(pixels, meant, rtol=0, atol=0 if alpha.ndim == 1 else 1)
    assert changes.largest == (int(color.max()) if bits == 16 else None)
    assert (Conversion.BLENDED in changes.kinds) == bool(alpha.min() < 1)
    assert (Conversion.CLIPPED in changes.kinds) == (bits == 16 and bool(color.max() > limit))


@pytest.mark.parametrize("maximum", [1, 100, 255, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("plain", [False, True])
def test_maxval_is_white(maximum: int, channels: int, plain: bool) -> None:
    samples = np.random.default_rng(0).integers(0, maximum + 1, (4, 5, channels))
    kind = {(1, False): 5, (3, False): 6, (1, True): 2, (3, True): 3}[channels, plain]
    body = samples.astype(">u2" if maximum > 255 else "u1").tobytes()
    if plain:
        body = " ".join(map(str, samples.ravel())).encode()
    data = f"P{kind}\n5 4\n{maximum}\n".encode() + body
    pixels = decode(data, channels, None).pixels
    np.testing.assert_allclose(pixels, as_levels(samples / maximum), rtol=0, atol=1)
    if maximum == 4095:  # a declared range is not scaled twice
        np.testing.assert_array_equal(decode(data, channels, None, 4095).pixels, pixels)


def test_twelve_bits_in_sixteen_are_scaled_by_the_white_level() -> None:
    samples = random_samples(1, 12, 1, (6, 6))
    for data in (png(samples, 16, 0), tiff(samples, bits=16), tiff(samples, bits=16, order=">")):
        dark = decode(data, 1, None)
        assert dark.pixels.max() == 16
        assert dark.changes.largest == 4095
        scaled = decode(data, 1, None, 4095).pixels
        np.testing.assert_array_equal(scaled, as_levels(samples / 4095))
    inverted = tiff(samples, bits=16, photometric=0)
    np.testing.assert_array_equal(decode(inverted, 1, None, 4095).pixels, 255 - scaled)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_signed_samples_are_refused(bits: int, order: str) -> None:
    data = tiff(random_samples(0, bits, 1, (4, 4)), bits=bits, order=order, tags={339: [2]})
    with pytest.raises(UnusableFileError, match="no fixed range"):
        decode(data, 1, None)


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpegs_have_adobes_polarity_only_with_adobes_marker(adobe: bool) -> None:
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(buffer, "JPEG", quality=100)  # cyan
    data = buffer.getvalue()
    start = data.index(b"\xff\xee")
    length = struct.unpack_from(">H", data, start + 2)[0]
    assert data[start + 4 : start + 9] == b"Adobe"
    if not adobe:
        data = data[:start] + data[start + 2 + length :]
    pixels = decode(data, 3, None).pixels[:, 8, 8].astype(int)
    cyan = [0, 255, 255]
    other = [0, 0, 0]  # the same bytes as amounts of ink: magenta, yellow and black
    assert np.abs(pixels - (cyan if adobe else other)).max() <= 3


def test_a_gif_is_white_outside_of_its_first_frame() -> None:
    frame = io.BytesIO()
    image = Image.new("P", (2, 2), 1)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.save(frame, "GIF")
    data = bytearray(frame.getvalue())
    at = data.rindex(b",\0\0\0\0\2\0\2\0")
    data[6:10] = struct.pack("<HH", 5, 4)  # the canvas
    data[at + 1 : at + 5] = struct.pack("<HH", 2, 1)  # left and top of the frame
    pixels = decode(bytes(data), 3, None).pixels
    expected = np.full((3, 4, 5), 255)
    expected[:, 1:3, 2:4] = np.array([0, 0, 200]).reshape(3, 1, 1)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_every_format(kind: str, orientation: int) -> None:
    corner = np.full((24, 40, 3), 30, np.uint8)
    corner[:8, :8] = 250  # top left
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    Image.fromarray(corner).save(buffer, kind, exif=exif, quality=95)
    header, pixels, changes = decode(buffer.getvalue(), 3, None)
    rows, columns = (40, 24) if orientation > 4 else (24, 40)
    assert header[:2] == read_header(buffer.getvalue())[:2] == pixels.shape[1:] == (rows, columns)
    bright = np.argwhere(pixels[0] > 140).mean(axis=0)
    at_bottom, at_right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    assert (bright[0] > rows / 2, bright[1] > columns / 2) == (at_bottom, at_right)
    assert (Conversion.ORIENTED in changes.kinds) == (orientation != 1)


_DAMAGED = """
import sys, threading
from acgan.data.containers import UnusableFileError
from acgan.data.decode import decode
files = [open(name, "rb").read() for name in sys.argv[1:]]
refused = []
def work():
    for data in files * 20:
        try:
            decode(data, 1, None)
        except UnusableFileError as error:
            refused.append(str(error))
        print("ours", file=sys.stderr)
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(refused))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="libtiff has no symbols there")
def test_libtiff_does_not_print_and_our_own_lines_do(tmp_path: Any) -> None:
    samples = random_samples(0, 8, 1, (40, 40))
    names = []
    for compression, reversed_bits in itertools.product((DEFLATE, PACKBITS), (False, True)):
        data = bytearray(tiff(samples, compression=compression, reversed_bits=reversed_bits))
        data[8:700] = np.random.default_rng(1).bytes(692)
        names.append(tmp_path / f"{compression}-{reversed_bits}.tif")
        names[-1].write_bytes(data)
    command = [sys.executable, "-c", _DAMAGED, *map(str, names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100
    assert done.stderr.count("ours") == 320
    assert not done.stderr.replace("ours", "").strip()
