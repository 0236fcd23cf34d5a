"""Reader of idx files, the format of MNIST and its relatives, packed with gzip or not.

Layout: two zero bytes, a type byte, the number of axes, one big-endian uint32 per axis, the values
(http://yann.lecun.com/exdb/mnist, "the IDX file format"). Only unsigned bytes occur in these sets.

MNIST and its relatives, read from idx files wherever a local copy lies, packed or not.

torchvision knows only its own tree of unpacked files, so the reader is ours; torchvision
downloads what is not there. Contents are checked: against the published MD5 of the packed file,
or, since a file can be packed anew, of what it unpacks to.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from acgan.data.download import download
from acgan.data.idx_sets import IDX_SETS, IdxSet
from acgan.data.images import LabeledImages, make_classes
from acgan.data.source import NAMED_SETS, Source, Split
from acgan.errors import DataError

_UNSIGNED_BYTE = 8
_LARGEST_FILE = 4 << 30  # EMNIST by class, the largest of the family, unpacks to half a gigabyte


class IdxFile(NamedTuple):
    """Content of one idx file.

    Attributes:
        values: uint8, read-only, with the axes the file declares.
        packed_md5: MD5 of the file as it lies there, for torchvision's checksums of ``.gz`` files.
        unpacked_md5: MD5 of the idx data, which does not depend on how it was packed.
    """

    values: npt.NDArray[np.uint8]
    packed_md5: str
    unpacked_md5: str


def read_idx(path: Path, axes: int) -> IdxFile:
    """The array in an idx file.

    Args:
        path: the file; packed with gzip if it begins like a gzip file, whatever its name.
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
            raise DataError(f"{path} is damaged ({error}); delete it and get it again") from None
    return IdxFile(_parse(data, axes, path), _md5(packed), _md5(data))


def _parse(data: bytes, axes: int, path: Path) -> npt.NDArray[np.uint8]:
    if data[:4] != bytes((0, 0, _UNSIGNED_BYTE, axes)):
        kind = "images" if axes == 3 else "labels"
        raise DataError(
            f"{path} is no idx file of {kind}: it begins with {data[:4].hex(' ') or 'nothing'}"
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path} is cut off within its header; delete it and get it again")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, 4))
    wanted = math.prod(shape)
    if len(data) - start != wanted:
        raise DataError(
            f"{path} holds {len(data) - start} values where its header promises {wanted}; "
            "delete it and get it again"
        )
    return np.frombuffer(data, np.uint8, wanted, start).reshape(shape)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def load_idx_set(kind: IdxSet, root: Path) -> Source:
    """The set from a local copy, or from a download into ``root``.

    Raises:
        DataError: a local file is damaged or is not the published one, or there is neither a
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
    splits = [_read_part(kind, paths[0], paths[1]), _read_part(kind, paths[2], paths[3])]
    classes = make_classes(kind.classes, kind.aliases or None)
    images = np.concatenate([part[0] for part in splits])
    labels = np.concatenate([part[1] for part in splits])
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{paths[1]} has labels beyond the {len(classes)} classes of {kind.name}")
    given = np.repeat(
        np.array([Split.TRAIN, Split.TEST], np.int8), [len(part[1]) for part in splits]
    )
    notes = tuple(note for part in splits for note in part[2])
    return Source(kind.name, LabeledImages(images, labels, classes), given, notes)


def find_files(kind: IdxSet, root: Path) -> tuple[Path, Path, Path, Path] | None:
    """The four files in the first folder that has them all, packed or not."""
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
                continue  # several sets use the same file names, and the root names none of them
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
    spellings = (file, file.replace("-idx", ".idx"))  # the second is how some mirrors unpack it
    names = (f"{name}{suffix}" for name in spellings for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


Read = tuple[
    np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    list[str],
]


def _read_part(kind: IdxSet, images_path: Path, labels_path: Path) -> Read:
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
            "they don't belong together"
        )
    if kind.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return images[:, None], labels.astype(np.int64) - kind.first_label, notes


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
            f"{unpacked_md5}, not {kind.unpacked_md5[file]}); delete it and get it again, "
            "or move it to where it belongs"
        )
    return [f"{path.name} could not be checked against a published checksum"]


def _emnist_split(kind: IdxSet) -> str | None:
    return kind.name.removeprefix("emnist-") if kind.tree == "EMNIST" else None


def _register(kind: IdxSet) -> None:
    @NAMED_SETS.register(kind.name)
    def load(root: Path) -> Source:
        return load_idx_set(kind, root)


for _kind in IDX_SETS:
    _register(_kind)
