"""What a person reads when the disk says no: path, what was needed, what is free, what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acgan.errors import DiskError

_IN_THE_WAY = ("a file or folder of that name is in the way", "move it away")
_DENIED = ("permission denied", "get the right to write there")
_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space left", "free some space"),
    errno.EDQUOT: ("your disk quota is used up", "remove files of yours"),
    errno.EROFS: ("the disk is read-only", "make it writable"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EIO: ("the disk reports an input/output error", "check the disk"),
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
    errno.ENAMETOOLONG: ("the name is too long for that disk", "shorten it"),
}


@contextmanager
def disk_errors(
    path: Path, need_bytes: int | None = None, *, doing: str = "write", option: str = "--run"
) -> Iterator[None]:
    """Turn every OSError of the block into a `DiskError` about ``path``.

    Of nested blocks the outermost speaks: it has the name that a person knows, not that of a
    temporary file.

    Args:
        path: what was to be written, for the message; need not exist.
        need_bytes: size of the whole write, if known.
        doing: what could not be done to ``path``.
        option: the command-line option that chooses another place.

    Raises:
        DiskError: one sentence with path, need, free space and what to do.
    """
    try:
        yield
    except OSError as error:
        raise DiskError(_sentence(doing, path, error, need_bytes, option)) from error
    except DiskError as error:
        if isinstance(error.__cause__, OSError):
            cause = error.__cause__
            raise DiskError(_sentence(doing, path, cause, need_bytes, option)) from cause
        raise


def human_size(size_bytes: int) -> str:
    """A size in decimal units: ``12.3 MB``.

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


def _sentence(doing: str, path: Path, error: OSError, need_bytes: int | None, option: str) -> str:
    reason = _REASONS.get(error.errno or 0)
    what, remedy = reason or ((error.strerror or str(error)), "put that right")
    free_bytes = _free_bytes(path)
    sizes = [
        *([f"this needs about {human_size(need_bytes)}"] if need_bytes is not None else []),
        *([f"{human_size(free_bytes)} are free on that disk"] if free_bytes is not None else []),
    ]
    return "; ".join(
        [
            f"cannot {doing} {path}: {what}",
            *([" and ".join(sizes)] if sizes else []),
            f"{remedy} or choose another place with {option}, then run the same command again: "
            "what was saved before is kept",
        ]
    )


def _free_bytes(path: Path) -> int | None:
    """Free bytes for this user on the disk of ``path``, or None where that cannot be told."""
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
