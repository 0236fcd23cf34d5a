"""Single files: written once and completely, made durable, put in place by a rename.

System calls are made through ``os`` one by one, so that tests can fail or kill each of them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from acgan.storage.disk import disk_errors

_TEMPORARY = ".tmp-"
_BINARY = getattr(os, "O_BINARY", 0)  # Windows only: no translation of line ends


def write_atomic(path: Path, data: bytes | str) -> None:
    """Make ``path`` hold ``data``; whatever happens, it holds all of the old or all of the new.

    Raises:
        DiskError: it cannot be written; the old content, if any, is still there.
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
    """Write and fsync a new file; a failure leaves a part of it.

    For use inside a folder that is about to be committed.

    Raises:
        OSError: it exists, or the disk says no.
    """
    content = memoryview(data.encode() if isinstance(data, str) else data)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: memoryview) -> None:
    """Write all of ``content``; one ``write`` may take only a part of it."""
    while content:
        content = content[os.write(descriptor, content) :]


def make_folder(path: Path) -> None:
    """Create a folder and its parents, durably; one that exists is left as it is."""
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
    """Make the content of a file durable, whoever wrote it."""
    descriptor = os.open(path, os.O_RDWR | _BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable; does nothing where folders cannot be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def temporary_sibling(path: Path) -> Path:
    """A new hidden name on the same disk; the umask, not tempfile's 0600, rules its mode."""
    return path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left anywhere below a folder.

    Only the one process that writes there may call this: another's unfinished work goes too.

    Raises:
        DiskError: something cannot be removed.
    """
    with disk_errors(folder, doing="clean up"):
        for leftover in sorted(folder.rglob(f"{_TEMPORARY}*")):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            elif os.path.lexists(leftover):  # it may have gone with the folder it was in
                os.unlink(leftover)  # noqa: PTH108


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
