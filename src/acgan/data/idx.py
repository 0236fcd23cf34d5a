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
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acgan.data.download import downloading
from acgan.data.idx_sets import IDX_SETS, IdxSet
from acgan.data.images import make_classes
from acgan.data.source import NAMED_SETS, Source, train_test_source
from acgan.errors import DataError
from acgan.metrics.arrays import Int64Array, UInt8Array

_UNSIGNED_BYTE = 8
_LARGEST_FILE = 4 << 30  # emnist-byclass, the largest set, has half a gigabyte
_BLOCK_BYTES = 1 << 20


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
            with gzip.open(path) as file:  # read(n) would take n bytes at once
                blocks = iter(partial(file.read, _BLOCK_BYTES), b"")
                data = b"".join(islice(blocks, _LARGEST_FILE // _BLOCK_BYTES))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged ({error}); download it again") from None
    md5s = (hashlib.md5(content, usedforsecurity=False).hexdigest() for content in (packed, data))
    return IdxFile(_parse(data, axes, path), *md5s)


def _parse(data: bytes, axes: int, path: Path) -> UInt8Array:
    again = "delete it and download it again"
    if data[:4] != bytes((0, 0, _UNSIGNED_BYTE, axes)):
        kind = "images" if axes == 3 else "labels"
        first = data[:4].hex(" ") or "missing"
        raise DataError(f"{path} is no idx file of {kind}: its first bytes are {first}; {again}")
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path} is truncated within its header; {again}")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, 4))
    found, expected = len(data) - start, math.prod(shape)
    if found != expected:
        raise DataError(f"{path} has {found} values, but its header declares {expected}; {again}")
    return np.frombuffer(data, np.uint8, expected, start).reshape(shape)


def load_idx_set(kind: IdxSet, root: Path) -> Source:
    """Load a set from a local copy, or download it into ``root``.

    Raises:
        DataError: a local file is damaged or differs from the published one, or there is neither a
            local copy nor a network.
    """
    paths = find_files(kind, root)
    if paths is None:
        files = [f"{file}.gz" for file in kind.files]
        with downloading(kind.name, root, files, put_into=root / kind.name):
            import torchvision.datasets

            getattr(torchvision.datasets, kind.tree)(
                str(root), download=True, **kind.torchvision_arguments
            )
        paths = find_files(kind, root)
    if paths is None:
        raise DataError(
            f"the download of {kind.name} into {root} is incomplete; delete it and start again"
        )
    train, test = _read_split(kind, *paths[:2]), _read_split(kind, *paths[2:])
    (height, width), other = train.images.shape[2:], test.images.shape[2:]
    if (height, width) != other:
        raise DataError(
            f"{paths[0]} has images of {height}×{width} pixels and {paths[2]} of "
            f"{other[0]}×{other[1]}; delete them and download them again"
        )
    if not train.images.size + test.images.size:
        raise DataError(f"{paths[0]} and {paths[2]} have no pixels; download them again")
    classes = make_classes(kind.classes, kind.aliases or None)
    labels = np.concatenate([train.labels, test.labels])
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{paths[1]} has labels beyond the {len(classes)} classes of {kind.name}")
    return train_test_source(
        kind.name,
        (train.images, test.images),
        (train.labels, test.labels),
        classes,
        notes=(*train.notes, *test.notes),
        flip_keeps_class=kind.flip_keeps_class,
    )


def find_files(kind: IdxSet, root: Path) -> tuple[Path, ...] | None:
    """Return the paths of `IdxSet.files` in the first folder that has all, compressed or not."""
    below = (f"{kind.tree}/raw", kind.tree, kind.name, f"{kind.name}/raw", kind.tree.lower())
    for folder in (*(root / name for name in (*below, "gzip")), *kind.folders, root):
        found = tuple(path for file in kind.files if (path := _find(folder, file)))
        # Several sets have the same file names, and the root names no set.
        if len(found) == len(kind.files) and not (folder == root and _is_another(kind, found[-1])):
            return found
    return None


def _is_another(kind: IdxSet, path: Path) -> bool:
    file = read_idx(path, axes=1)
    return any(_is_published(file, _md5s(other, path)) for other in IDX_SETS if other is not kind)


def _is_published(file: IdxFile, md5s: tuple[str, str] | None) -> bool:
    return md5s is not None and (file.packed_md5 == md5s[0] or file.unpacked_md5 == md5s[1])


def _md5s(kind: IdxSet, path: Path) -> tuple[str, str] | None:
    name = path.name.removesuffix(".gz").replace(".idx", "-idx")
    return dict(zip(kind.files, kind.md5s, strict=False)).get(name)


def _find(folder: Path, file: str) -> Path | None:
    spellings = (file, file.replace("-idx", ".idx"))  # some servers use the second
    names = (f"{name}{suffix}" for name in spellings for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


class _IdxSplit(NamedTuple):
    images: UInt8Array
    labels: Int64Array
    notes: list[str]


def _read_split(kind: IdxSet, images_path: Path, labels_path: Path) -> _IdxSplit:
    files = (read_idx(images_path, axes=3), read_idx(labels_path, axes=1))
    notes = [
        f"{path.name} was not verified: no checksum is published for it"
        for path, file in zip((images_path, labels_path), files, strict=True)
        if not _verify(kind, path, file)
    ]
    images, labels = (file.values for file in files)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} images and {labels_path} {len(labels)} labels; "
            "delete them and download them again"
        )
    if kind.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return _IdxSplit(images[:, None], labels.astype(np.int64) - kind.first_label, notes)


def _verify(kind: IdxSet, path: Path, file: IdxFile) -> bool:
    """Return whether this is the published file; False also if its content's MD5 is unknown."""
    md5s = _md5s(kind, path)
    if _is_published(file, md5s):
        return True
    if md5s is not None and md5s[1]:
        raise DataError(
            f"{path} is not the published file of {kind.name} (the MD5 of its content is "
            f"{file.unpacked_md5}, not {md5s[1]}); delete it and download it again, or move it to "
            "the folder of the data set that it belongs to"
        )
    return False


for _kind in IDX_SETS:
    NAMED_SETS.register(_kind.name)(partial(load_idx_set, _kind))
