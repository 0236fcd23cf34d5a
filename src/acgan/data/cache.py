"""The cache of decoded images: entries are written atomically, verified, and rebuilt if damaged.

An entry is a folder. Its name is a hash of everything that its pixels depend on, so it never goes
stale. Small arrays are read into memory, large ones are memory-mapped.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from filelock import FileLock, Timeout

from acgan.data.images import Images, ImageShape
from acgan.errors import DiskError, UsageError, counted
from acgan.storage.disk import disk_errors, folder_bytes
from acgan.storage.files import is_temporary, make_folder, passing_lock, remove_leftovers
from acgan.storage.folders import (
    MANIFEST,
    CorruptFolderError,
    commit_folder,
    remove_folder,
    verify_folder,
)
from acgan.storage.json_reader import read_json


def data_root(chosen: str | None) -> Path:
    """Return the folder of data sets: ``chosen``, ``ACGAN_DATA``, or one in the user's cache."""
    return _folder(chosen or os.environ.get("ACGAN_DATA"), "data")


def cache_root(chosen: str | None) -> Path:
    """Return the folder of caches: ``chosen``, ``ACGAN_CACHE``, or one in the user's cache."""
    return _folder(chosen or os.environ.get("ACGAN_CACHE"), "decoded")


def _folder(chosen: str | None, name: str) -> Path:
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "acgan" / name


IN_MEMORY_BYTES = 1 << 30
_OPTION = "-o data.cache=FOLDER"
_IMAGES = "images.npy"
_DETAILS = "details.json"
_LARGEST_DETAILS = 1 << 30  # it lists unusable files
_SPARE_BYTES = 64 << 20
_KEY = re.compile(r"[0-9a-f]{32,64}")  # name of an entry


@final
@dataclass(frozen=True)
class DecodePlan:
    """How to build an entry.

    Attributes:
        max_images: upper limit of the number of images.
        shape: (C, H, W) of each image.
        chunks: yields uint8 arrays (n, C, H, W), from the start at each call.
        details: JSON values to store beside the images; called after all chunks are written.
    """

    max_images: int
    shape: tuple[int, int, int]
    chunks: Callable[[], Iterable[Images]]
    details: Callable[[], Any]

    @property
    def max_bytes(self) -> int:
        """Size of the images if all of them can be used."""
        return self.max_images * int(np.prod(self.shape, dtype=np.int64))


@final
@dataclass(frozen=True, eq=False)
class CachedImages:
    """An entry: images uint8 (N, C, H, W), details, and a note if it could not be written."""

    images: Images
    details: Any
    note: str | None = None


def cached_images(root: Path, key: str, make_plan: Callable[[], DecodePlan]) -> CachedImages:
    """Return an entry; build it if it is missing or damaged.

    Args:
        root: folder of all entries.
        key: hexadecimal name of the entry.
        make_plan: called if the entry has to be built.

    Raises:
        DiskError: the images are too large for memory and cannot be written. Images that fit into
            memory are used without caching, and the note gives the reason.
    """
    folder = root / key
    entry = _read(folder)
    if entry is not None:
        return entry
    plan = make_plan()
    try:
        with disk_errors(root, plan.max_bytes, option=_OPTION):
            make_folder(root)
            with FileLock(root / ".lock"):
                remove_leftovers(root, only=_has_only_own_files)
                entry = _read(folder)  # another process may have built it in the meantime
                if entry is not None:
                    return entry
                if folder.exists():
                    remove_folder(folder)
                if shutil.disk_usage(root).free < plan.max_bytes + _SPARE_BYTES:
                    raise OSError(errno.ENOSPC, "no space left")
                commit_folder(folder, lambda inside: _fill(inside, plan))
    except DiskError as error:
        if plan.max_bytes > IN_MEMORY_BYTES:
            raise
        chunks = [np.empty((0, *plan.shape), np.uint8), *plan.chunks()]
        note = f"decoded images are not cached and will be decoded again at the next start: {error}"
        return CachedImages(np.concatenate(chunks), plan.details(), note)
    entry = _read(folder)
    if entry is None:
        raise DiskError(f"{folder} cannot be read right after it was written; check the disk")
    return entry


@final
@dataclass(frozen=True)
class CacheEntry:
    """One entry of the cache as `acgan cache` lists it.

    Attributes:
        path: a folder or file.
        content: what it is.
        bytes: size of its files.
        last_used: Unix time of its last use; many systems note only the first use of a day.
    """

    path: Path
    content: str
    bytes: int
    last_used: float


def image_entries(root: Path) -> list[CacheEntry]:
    """Return the entries of decoded images in a cache, and what killed processes left of some.

    Anything else in the folder is left out, so that it is never deleted.
    """
    entries = []
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        complete = _KEY.fullmatch(path.name) is not None and (path / MANIFEST).is_file()
        if (complete or is_temporary(path)) and _has_only_own_files(path):
            # Listing opens no manifest, so its time of access is that of the last use.
            times = (path / MANIFEST if complete else path).stat()
            content = _described(path / _IMAGES) if complete else "unfinished"
            last_used = max(times.st_atime, times.st_mtime)
            entries.append(CacheEntry(path, content, folder_bytes(path), last_used))
    return entries


def remove_entries(root: Path, entries: Iterable[CacheEntry]) -> None:
    """Remove entries of a cache.

    Raises:
        UsageError: another process is writing an entry.
        DiskError: an entry cannot be removed.
    """
    with disk_errors(root, doing="prune", option=_OPTION):
        try:
            with FileLock(root / ".lock").acquire(timeout=0):
                for entry in entries:
                    if entry.path.is_dir():
                        remove_folder(entry.path)
                        continue
                    with passing_lock(entry.path.with_suffix(".lock"), 0):  # held during a fit
                        entry.path.unlink(missing_ok=True)
        except Timeout:  # an OSError too, but not the disk's fault
            raise UsageError(f"another process is writing to {root}; wait until it ends") from None


def _described(path: Path) -> str:
    try:
        count, *shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        return f"{counted(count, 'decoded image')} of {ImageShape(*shape)}"
    except (OSError, ValueError, TypeError):
        return "decoded images, damaged"


def _has_only_own_files(path: Path) -> bool:
    """Return whether a temporary folder has no file that an entry has not.

    The cache may lie in a folder that other programs, or runs, use too.
    """
    if path.is_symlink() or not path.is_dir():
        return False
    own = {_IMAGES, _DETAILS, MANIFEST}
    return all(each.name in own and each.is_file() for each in path.iterdir())


def _read(folder: Path) -> CachedImages | None:
    if not folder.is_dir():
        return None
    try:
        verify_folder(folder)
        details = read_json(folder / _DETAILS, _LARGEST_DETAILS)
        large = (folder / _IMAGES).stat().st_size > IN_MEMORY_BYTES
        images = np.load(folder / _IMAGES, mmap_mode="r" if large else None, allow_pickle=False)
    except (CorruptFolderError, OSError, ValueError):
        return None
    return CachedImages(images, details)


def _fill(folder: Path, plan: DecodePlan) -> None:
    # Plain writes: a full disk under a writable memory map would kill the process with SIGBUS.
    with (folder / _IMAGES).open("wb") as file:
        _write_header(file, plan.max_images, plan.shape)
        start = file.tell()
        count = 0
        for chunk in plan.chunks():
            file.write(np.ascontiguousarray(chunk).data)
            count += len(chunk)
        file.seek(0)
        _write_header(file, count, plan.shape)
        if file.tell() != start:
            raise AssertionError("numpy's header has another length for a smaller count")
    (folder / _DETAILS).write_text(json.dumps(plan.details()), encoding="utf-8")


def _write_header(file: Any, count: int, shape: tuple[int, int, int]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(file, header)
