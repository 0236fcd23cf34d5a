"""Single files: written completely, made durable, then renamed to their final name.

Each system call goes through ``os``, so that tests can make any of them fail or kill the process.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

from acgan.errors import UsageError, normal_form, shown
from acgan.storage.disk import disk_errors

_TEMPORARY = ".tmp-"
_TEMPORARY_NAME = re.compile(r"\.tmp-[0-9a-f]{16}")
_BINARY = getattr(os, "O_BINARY", 0)  # Windows only: no translation of line ends


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file; at any moment, also after a kill, it has its old content or all of ``data``.

    Raises:
        DiskError: it cannot be written; the old content, if any, is unchanged.
    """
    content = data.encode() if isinstance(data, str) else data
    with disk_errors(path, len(content)):
        make_folder(path.parent)
        temporary = temporary_sibling(path)
        try:
            write_file(temporary, content)
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        sync_folder(path.parent)


def write_file(path: Path, data: bytes | str) -> None:
    """Write and fsync a new file in a folder that is not yet committed; a failure leaves a part.

    Raises:
        OSError: the file exists or cannot be written.
    """
    content = memoryview(data.encode() if isinstance(data, str) else data)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: memoryview) -> None:
    """Write all of ``content``; a single ``os.write`` may write only a part."""
    while content:
        content = content[os.write(descriptor, content) :]


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, durably."""
    missing: list[Path] = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        try:
            os.mkdir(folder)  # noqa: PTH102
        except FileExistsError:
            if not folder.is_dir():
                raise
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Make the content of an existing file durable."""
    _sync(path, os.O_RDWR | _BINARY)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable, on systems that can sync folders."""
    if os.name != "nt":
        try:
            _sync(path, os.O_RDONLY)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_sibling(path: Path) -> Path:
    """Return a new hidden path on the same disk (tempfile would set mode 0600)."""
    return path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"


def is_temporary(path: Path) -> bool:
    """Return whether a path has a name that `temporary_sibling` gives."""
    return _TEMPORARY_NAME.fullmatch(path.name) is not None


@contextmanager
def passing_lock(path: Path, timeout_seconds: float = -1) -> Iterator[None]:
    """Hold a lock between processes whose file does not stay afterwards.

    The holder removes the file before it releases it. A process that waited for it then holds a
    file without a name; filelock notices that and tries again with a new file.

    Raises:
        filelock.Timeout: another process holds it for longer; by default, this waits forever.
        OSError: the file cannot be created.
    """
    lock: BaseFileLock = FileLock(path)
    with lock.acquire(timeout_seconds, poll_interval=0.01):
        try:
            yield
        finally:
            if not isinstance(lock, SoftFileLock):  # its file is the lock: removal would release it
                with suppress(OSError):  # Windows cannot remove it now; filelock does later
                    os.unlink(path)  # noqa: PTH108


def remove_leftovers(folder: Path, *, only: Callable[[Path], bool] = is_temporary) -> None:
    """Remove the temporary files and folders of killed processes directly in a folder of ours.

    Only the single process that writes there may call this; it removes unfinished writes too.

    Args:
        folder: need not exist; its sub-folders are left alone.
        only: which of its entries, all named as by `temporary_sibling`, to remove.

    Raises:
        DiskError: a file cannot be removed.
    """
    with disk_errors(folder, doing="clean up"):
        for leftover in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not is_temporary(leftover) or not only(leftover):
                continue
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                os.unlink(leftover)  # noqa: PTH108


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spelled_on_disk(path: Path) -> Path:
    """Return a path with each name as the disk has it, if only its form differs (NFC, NFD …).

    Raises:
        UsageError: the system cannot look for it, as for a name that is too long.
    """
    try:
        if path.exists() or path.parent == path:
            return path
    except OSError as error:
        raise UsageError(
            f"cannot use the path {shown(str(path))}: {error.strerror}; choose another"
        ) from None
    parent, wanted = spelled_on_disk(path.parent), normal_form(path.name)
    try:
        found = [each for each in parent.iterdir() if normal_form(each.name) == wanted]
    except OSError:
        found = []
    return found[0] if len(found) == 1 else parent / path.name
