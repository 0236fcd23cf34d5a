"""Reader of idx files, the format of MNIST and its relatives, packed with gzip or not.

Layout: two zero bytes, a type byte, the number of axes, one big-endian uint32 per axis, the values
(http://yann.lecun.com/exdb/mnist, "the IDX file format"). Only unsigned bytes occur in these sets.
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
