"""Where data sets and decoded images live on this machine, unless a person says otherwise.

Decoded images on disk: committed whole, checked when read, rebuilt when damaged.

An entry is a folder named by a key that covers everything its pixels depend on, so it never goes
stale. Small arrays are read into memory, large ones are memory-mapped.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from filelock import FileLock

from acgan.data.images import Images
from acgan.errors import DiskError
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, remove_leftovers
from acgan.storage.folders import commit_folder, remove_folder
from acgan.storage.manifest import CorruptFolderError, verify_folder


def data_root(chosen: str | None) -> Path:
    """Folder of local copies and downloads: the choice, ``ACGAN_DATA``, or the user's cache."""
    return _first(chosen, os.environ.get("ACGAN_DATA"), "data")


def cache_root(chosen: str | None) -> Path:
    """Folder of decoded images: the choice, ``ACGAN_CACHE``, or the user's cache."""
    return _first(chosen, os.environ.get("ACGAN_CACHE"), "decoded")


def _first(chosen: str | None, environment: str | None, name: str) -> Path:
    given = chosen or environment
    return Path(given).expanduser() if given else _user_cache() / name


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "acgan"


IN_MEMORY_BYTES = 1 << 30
_OPTION = "-o data.cache=FOLDER"
_IMAGES = "images.npy"
_DETAILS = "details.json"
_SPARE_BYTES = 64 << 20


@final
@dataclass(frozen=True)
class DecodePlan:
    """How to make an entry.

    Attributes:
        most: the largest number of images there can be.
        shape: (C, H, W) of each.
        chunks: yields uint8 (n, C, H, W), again from the start at each call.
        details: JSON values to keep beside the images; asked for when all chunks are written.
    """

    most: int
    shape: tuple[int, int, int]
    chunks: Callable[[], Iterable[Images]]
    details: Callable[[], Any]

    @property
    def most_bytes(self) -> int:
        """Size of the images, if all can be used."""
        return self.most * int(np.prod(self.shape, dtype=np.int64))


@final
@dataclass(frozen=True, eq=False)
class CachedImages:
    """An entry: images uint8 (N, C, H, W), their details, and a note if it could not be kept."""

    images: Images
    details: Any
    note: str | None = None


def cached_images(root: Path, key: str, make: Callable[[], DecodePlan]) -> CachedImages:
    """The entry of that key, made if it is missing or damaged.

    Args:
        root: folder of all entries.
        key: hexadecimal name of the entry.
        make: called if the entry has to be made.

    Raises:
        DiskError: the images are too many for memory and the disk says no. Images that fit into
            memory are used without being kept, and the note says why.
    """
    folder = root / key
    found = _read(folder)
    if found is not None:
        return found
    recipe = make()
    try:
        with _only_writer(root, recipe.most_bytes):
            found = _read(folder)  # another process may have made it meanwhile
            if found is not None:
                return found
            if folder.exists():
                remove_folder(folder)
            _write(folder, recipe)
    except DiskError as error:
        if recipe.most_bytes > IN_MEMORY_BYTES:
            raise
        chunks = [np.empty((0, *recipe.shape), np.uint8), *recipe.chunks()]
        note = f"decoded images are not kept, so the next start decodes them again: {error}"
        return CachedImages(np.concatenate(chunks), recipe.details(), note)
    made = _read(folder)
    if made is None:
        raise DiskError(f"{folder} cannot be read back right after it was written; check the disk")
    return made


@contextmanager
def _only_writer(root: Path, need_bytes: int) -> Iterator[None]:
    with disk_errors(root, need_bytes, option=_OPTION):
        make_folder(root)
        with FileLock(root / ".lock"):
            remove_leftovers(root)
            yield


def _read(folder: Path) -> CachedImages | None:
    if not folder.is_dir():
        return None
    try:
        verify_folder(folder)
        details = json.loads((folder / _DETAILS).read_text(encoding="utf-8"))
        size = (folder / _IMAGES).stat().st_size
        large = size > IN_MEMORY_BYTES
        images = np.load(folder / _IMAGES, mmap_mode="r" if large else None, allow_pickle=False)
    except (CorruptFolderError, OSError, ValueError):
        return None
    return CachedImages(images, details)


def _write(folder: Path, recipe: DecodePlan) -> None:
    need = recipe.most_bytes
    with disk_errors(folder, need, option=_OPTION):
        if shutil.disk_usage(folder.parent).free < need + _SPARE_BYTES:
            raise OSError(errno.ENOSPC, "no space left")
        commit_folder(folder, lambda inside: _fill(inside, recipe), need_bytes=need)


def _fill(folder: Path, recipe: DecodePlan) -> None:
    # Plain writes: a full disk under a writable memory map would kill the process with SIGBUS.
    with (folder / _IMAGES).open("wb") as file:
        _write_header(file, recipe.most, recipe.shape)
        start = file.tell()
        count = 0
        for chunk in recipe.chunks():
            file.write(np.ascontiguousarray(chunk).data)
            count += len(chunk)
        file.seek(0)
        _write_header(file, count, recipe.shape)
        if file.tell() != start:
            raise AssertionError("numpy's header of a smaller count has another length")
    (folder / _DETAILS).write_text(json.dumps(recipe.details()), encoding="utf-8")


def _write_header(file: Any, count: int, shape: tuple[int, int, int]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(file, header)
