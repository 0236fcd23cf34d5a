"""What disks take, and messages about failed writes: path, cause, free space, what to do."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from acgan.errors import DiskError, UsageError, shown

_T = TypeVar("_T")
_WINDOWS_PATH = 259  # characters, unless long paths are enabled
_OCCUPIED = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY)
_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space left", "free some space"),
    errno.EDQUOT: ("your disk quota is used up", "remove files of yours"),
    errno.EROFS: ("the disk is read-only", "make it writable"),
    errno.EIO: ("the disk reports an input/output error", "check the disk"),
    errno.ENAMETOOLONG: ("the name is too long for that disk", "shorten it"),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM), ("permission denied", "get the right to write there")
    ),
    **dict.fromkeys(_OCCUPIED, ("a file or folder of that name is in the way", "move it away")),
}


_WINDOWS = os.name == "nt"
_DEVICES = {
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"),
}


def is_device(name: str) -> bool:
    """Return whether Windows takes a file name for a device, such as ``con`` or ``nul.txt``."""
    return name.split(".", maxsplit=1)[0].rstrip(" ").casefold() in _DEVICES


def require_windows_path(path: Path, inside: int = 0, *, option: str = "--out") -> None:
    """On Windows, refuse a path that cannot be written there; elsewhere do nothing.

    Args:
        path: of a file or folder to write.
        inside: length of the longest path that will be written inside of it.
        option: the command-line option that chooses it.

    Raises:
        UsageError: it is too long, or a part of it is the name of a device or ends in a dot.
    """
    if not _WINDOWS:
        return
    full = path.absolute()
    for name in full.parts[1:]:
        if is_device(name) or name != name.rstrip(". "):
            raise UsageError(
                f"{option}: Windows takes {shown(name)} for another name (a device, or without the "
                "dots and spaces at its end); choose another name"
            )
    longest = len(str(full)) + inside
    if longest > _WINDOWS_PATH and not _long_paths_enabled():
        raise UsageError(
            f"{option}: paths in {shown(str(path))} would have up to {longest} characters, and "
            f"Windows takes {_WINDOWS_PATH}; choose a shorter path, or enable long paths in Windows"
        )


def _long_paths_enabled() -> bool:
    with suppress(AttributeError, KeyError, OSError):
        return bool(ctypes.__dict__["windll"].ntdll.RtlAreLongPathsEnabled())
    return False


@contextmanager
def disk_errors(
    path: Path, need_bytes: int | None = None, *, doing: str = "write", option: str = "--run"
) -> Iterator[None]:
    """Turn every OSError of the block into a `DiskError` about ``path``.

    If blocks are nested, the message names the outermost path, which users know, not that of a
    temporary file.

    Args:
        path: the file or folder to name in the message; need not exist.
        need_bytes: size of the whole write, if known.
        doing: the verb for the message.
        option: the command-line option that chooses another folder.

    Raises:
        DiskError: one sentence with path, required and free space, and what to do.
    """
    try:
        yield
    except (OSError, DiskError) as error:
        cause = error.__cause__ if isinstance(error, DiskError) else error
        if not isinstance(cause, OSError):
            raise
        raise DiskError(_sentence(doing, path, cause, need_bytes, option)) from cause


def human_size(size_bytes: int) -> str:
    """Return a size in decimal units: ``12.3 MB``.

    >>> human_size(999), human_size(12_345_678)
    ('999 bytes', '12.3 MB')
    """
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    size = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        # 999.95 would be printed as 1000.0
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; links count as links, vanished files as 0."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
    return total


def _sentence(doing: str, path: Path, error: OSError, need_bytes: int | None, option: str) -> str:
    unknown = (error.strerror or str(error), "put that right")
    cause, remedy = _REASONS.get(error.errno or 0, unknown)
    free = free_bytes(path)
    sizes = []
    if need_bytes is not None:
        sizes.append(f"this needs about {human_size(need_bytes)}")
    if free == 0 and _of_disk(path, lambda place: shutil.disk_usage(place).total) == 0:
        sizes.append("this file system holds no files")
    elif free is not None:
        sizes.append(f"{human_size(free)} are free on that disk")
    again = (
        f"{remedy} or choose another place with {option}, then run the same command again: "
        "what was saved before is kept"
    )
    return "; ".join(filter(None, (f"cannot {doing} {path}: {cause}", " and ".join(sizes), again)))


def free_bytes(path: Path) -> int | None:
    """Return the free bytes for this user on the disk of ``path``; None if unknown."""
    return _of_disk(path, lambda place: shutil.disk_usage(place).free)


def free_files(path: Path) -> int | None:
    """Return how many more files the disk of ``path`` takes; None if unknown or unlimited."""
    if not hasattr(os, "statvfs"):  # Windows
        return None
    status = _of_disk(path, os.statvfs)
    return status.f_favail if status is not None and status.f_files else None


def _of_disk(path: Path, measure: Callable[[Path], _T]) -> _T | None:
    """Return ``measure`` of the first of a path and its parents that exists; None if none does."""
    try:
        places = (path, *path.absolute().parents)
    except OSError:  # the current folder was removed
        return None
    for place in places:
        with suppress(OSError):
            return measure(place)
    return None
