"""The idx reader: sound files packed or not, and a sentence for each kind of damage."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from acgan.data import idx
from acgan.data.idx import load_idx_set, read_idx
from acgan.data.idx_sets import IDX_SETS
from acgan.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RAW = b"\0\0\x08\x03" + struct.pack(">III", 2, 3, 4) + IMAGES.tobytes()


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_values_are_read_whatever_the_name(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(RAW, mtime=0) if packed else RAW)
    file = read_idx(path, axes=3)
    np.testing.assert_array_equal(file.values, IMAGES)
    assert file.unpacked_md5 == hashlib.md5(RAW, usedforsecurity=False).hexdigest()
    assert (file.packed_md5 == file.unpacked_md5) is not packed


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "first bytes are missing"),
        (RAW[:10], "truncated within its header"),
        (RAW[:-1], "has 23 values, but its header declares 24"),
        (RAW + b"x", "25 values"),
        (b"\0\0\x0d\x03" + RAW[4:], "no idx file of images"),
        (b"\0\0\x08\x01" + RAW[4:], "no idx file of images"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "declares"),
        (gzip.compress(RAW, mtime=0)[:-9], "damaged"),
        (gzip.compress(RAW, mtime=0)[:20] + b"\0\0\0" + gzip.compress(RAW)[23:], "damaged"),
        (b"\x1f\x8bnot gzip", "damaged"),
    ],
)
def test_damage_gets_a_sentence(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read_idx(path, axes=3)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (((2, 3, 4), (2, 4, 3)), "has images of 3×4 pixels and .* of 4×3; delete them"),
        (((2, 3, 4), (2, 3, 5)), "has images of 3×4 pixels and .* of 3×5; delete them"),
        (((2, 0, 4), (2, 3, 4)), "has images of 0×4 pixels and .* of 3×4; delete them"),
        (((0, 3, 4), (0, 3, 4)), "have no pixels; download them again"),
        (((2, 0, 4), (2, 0, 4)), "have no pixels; download them again"),
    ],
)
def test_odd_sizes_of_splits_get_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[tuple[int, ...], ...], words: str
) -> None:
    monkeypatch.setattr(idx, "_md5s", lambda *_: None)  # as for a set without checksums
    mnist = next(each for each in IDX_SETS if each.name == "mnist")
    for number, size in enumerate(sizes):
        head = b"\0\0\x08\x03" + struct.pack(">III", *size)
        images, labels = mnist.files[2 * number : 2 * number + 2]
        (tmp_path / images).write_bytes(head + bytes(math.prod(size)))
        (tmp_path / labels).write_bytes(b"\0\0\x08\1" + struct.pack(">I", size[0]) + bytes(size[0]))
    with pytest.raises(DataError, match=words):
        load_idx_set(mnist, tmp_path)


def test_a_missing_file_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "none", axes=1)


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3))))
    tracemalloc.start()
    assert read_idx(path, axes=1).values.tolist() == [1, 2, 3]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
