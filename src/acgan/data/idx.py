"""MNIST and its relatives: idx files, compressed with gzip or not, from any usual place.

The idx format: two zero bytes, a type byte, the number of axes, a big-endian uint32 for each axis,
the values (http://yann.lecun.com/exdb/mnist, "the IDX file format"). torchvision reads only its own
folder of uncompressed files, so the reader is ours; torchvision downloads missing files. Contents
are compared with the published MD5 of the compressed file or, since anyone can compress a file
again, with that of the uncompressed data.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acgan.data.download import download
from acgan.data.idx_sets import IDX_SETS, IdxSet
from acgan.data.images import LabeledImages, make_classes
from acgan.data.source import NAMED_SETS, Source, Split
from acgan.errors import DataError
from acgan.metrics.arrays import Int64Array, UInt8Array

_UNSIGNED_BYTE = 8
_LARGEST_FILE = 4 << 30  # emnist-byclass, the largest set, has half a gigabyte


class IdxFile(NamedTuple):
    """Content of one idx file.

    Attributes:
        values: uint8, read-only, with the axes that the file declares.
        packed_md5: MD5 of the file itself, as in torchvision's checksums of ``.gz`` files.
        unpacked_md5: MD5 of the uncompressed idx data.
    """

    values: UInt8Array
    packed_md5: str
    unpacked_md5: str


def read_idx(path: Path, axes: int) -> IdxFile:
    """Read an idx file.

    Args:
        path: the file; its first bytes, not its name, decide whether it is compressed.
        axes: the number of axes it must have (3 for images, 1 for labels).

    Raises:
        DataError: the file cannot be read, is damaged, too short or too long, or is no such file.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    data = packed
    if packed[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as file:
                data = file.read(_LARGEST_FILE)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged ({error}); download it again") from None
    return IdxFile(_parse(data, axes, path), _md5(packed), _md5(data))


def _parse(data: bytes, axes: int, path: Path) -> UInt8Array:
    if data[:4] != bytes((0, 0, _UNSIGNED_BYTE, axes)):
        kind = "images" if axes == 3 else "labels"
        raise DataError(
            f"{path} is no idx file of {kind}: its first bytes are "
            f"{data[:4].hex(' ') or 'missing'}; delete it and download it again"
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path} is truncated within its header; delete it and download it again")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, 4))
    expected = math.prod(shape)
    if len(data) - start != expected:
        raise DataError(
            f"{path} has {len(data) - start} values, but its header declares {expected}; "
            "delete it and download it again"
        )
    return np.frombuffer(data, np.uint8, expected, start).reshape(shape)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def load_idx_set(kind: IdxSet, root: Path) -> Source:
    """Load a set from a local copy, or download it into ``root``.

    Raises:
        DataError: a local file is damaged or differs from the published one, or there is neither a
            local copy nor a network.
    """
    paths = find_files(kind, root)
    if paths is None:
        download(
            kind.name,
            kind.tree,
            root,
            put_into=root / kind.name,
            files=[f"{file}.gz" for file in kind.files],
            split=_emnist_split(kind),
        )
        paths = find_files(kind, root)
    if paths is None:
        raise DataError(
            f"the download of {kind.name} into {root} is incomplete; delete it and start again"
        )
    train, test = (_read_split(kind, paths[0], paths[1]), _read_split(kind, paths[2], paths[3]))
    classes = make_classes(kind.classes, kind.aliases or None)
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels])
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{paths[1]} has labels beyond the {len(classes)} classes of {kind.name}")
    codes = np.array([Split.TRAIN, Split.TEST], np.int8)
    return Source(
        kind.name,
        LabeledImages(images, labels, classes),
        np.repeat(codes, [len(train.labels), len(test.labels)]),
        (*train.notes, *test.notes),
        flip_keeps_class=kind.flip_keeps_class,
    )


def find_files(kind: IdxSet, root: Path) -> tuple[Path, Path, Path, Path] | None:
    """Return the four files in the first folder that has all of them, compressed or not."""
    below = (
        f"{kind.tree}/raw",
        kind.tree,
        kind.name,
        f"{kind.name}/raw",
        kind.tree.lower(),
        "gzip",
    )
    for folder in (*(root / name for name in below), *kind.folders, root):
        found = [_find(folder, file) for file in kind.files]
        train_images, train_labels, test_images, test_labels = found
        if train_images and train_labels and test_images and test_labels:
            if folder == root and _is_another(kind, test_labels):
                continue  # several sets have the same file names, and the root names no set
            return train_images, train_labels, test_images, test_labels
    return None


def _is_another(kind: IdxSet, path: Path) -> bool:
    file = read_idx(path, axes=1)
    name = _plain_name(path)
    return any(
        file.unpacked_md5 == other.unpacked_md5.get(name)
        or file.packed_md5 == other.packed_md5.get(f"{name}.gz")
        for other in IDX_SETS
        if other is not kind
    )


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(".gz").replace(".idx", "-idx")


def _find(folder: Path, file: str) -> Path | None:
    spellings = (file, file.replace("-idx", ".idx"))  # some servers use the second
    names = (f"{name}{suffix}" for name in spellings for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


class _IdxSplit(NamedTuple):
    images: UInt8Array
    labels: Int64Array
    notes: list[str]


def _read_split(kind: IdxSet, images_path: Path, labels_path: Path) -> _IdxSplit:
    notes = []
    arrays = []
    for path, axes in ((images_path, 3), (labels_path, 1)):
        file = read_idx(path, axes)
        notes += _check_sum(kind, path, file.packed_md5, file.unpacked_md5)
        arrays.append(file.values)
    images, labels = arrays
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} images and {labels_path} {len(labels)} labels; "
            "delete them and download them again"
        )
    if kind.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return _IdxSplit(images[:, None], labels.astype(np.int64) - kind.first_label, notes)


def _check_sum(kind: IdxSet, path: Path, packed_md5: str, unpacked_md5: str) -> list[str]:
    file = _plain_name(path)
    if (
        kind.packed_md5.get(f"{file}.gz") == packed_md5
        or kind.unpacked_md5.get(file) == unpacked_md5
    ):
        return []
    if file in kind.unpacked_md5:
        raise DataError(
            f"{path} is not the published file of {kind.name} (the MD5 of its content is "
            f"{unpacked_md5}, not {kind.unpacked_md5[file]}); delete it and download it again, or "
            "move it to the folder of its own data set"
        )
    return [f"{path.name} was not verified: no checksum is published for it"]


def _emnist_split(kind: IdxSet) -> str | None:
    return kind.name.removeprefix("emnist-") if kind.tree == "EMNIST" else None


def _register(kind: IdxSet) -> None:
    @NAMED_SETS.register(kind.name)
    def load(root: Path) -> Source:
        return load_idx_set(kind, root)


for _kind in IDX_SETS:
    _register(_kind)
