"""Folders and zips as read-only sets of named files; zips are never extracted."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import final

from acgan.errors import DataError
from acgan.execution.progress import Progress

LARGEST_FILE_BYTES = 256 << 20
_CHUNK = 256  # files of one task, and between two calls of progress
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    EOFError,
    OSError,
)
_SYSTEM_FILES = {"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db"}


@final
class UnusableFileError(Exception):
    """A file cannot be used; the message is the reason, for a list of such files."""


class Container(ABC):
    """Files by relative path (with ``/``), in ascending order.

    Hidden files and files that operating systems create are not listed.

    Attributes:
        files: paths of all files.
        folders: paths of all folders, including empty ones.
    """

    def __init__(self, files: Iterable[str], folders: Iterable[str]) -> None:
        self.files = tuple(sorted(files))
        self.folders = tuple(sorted(folders))

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the content of a file; safe to call from several threads.

        Raises:
            UnusableFileError: the file is empty, oversized, damaged or cannot be read.
        """

    @abstractmethod
    def content_key(self, progress: Progress) -> str:
        """Return a hexadecimal SHA-256 that changes with the name or content of any file."""


def open_container(path: Path) -> Container:
    """Open the folder or zip at ``path``.

    Raises:
        DataError: the path does not exist, or is neither a folder nor a readable zip.
    """
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise DataError(f"no folder or zip {path}; check the path")
    try:
        return _Zip(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, NotImplementedError):
        raise DataError(
            f"{path} is neither a folder nor a readable zip; unpack it, or pack the class folders "
            "into a zip"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


@final
class _Folder(Container):
    def __init__(self, root: Path) -> None:
        self._prefix = os.path.join(root, "")  # noqa: PTH118
        super().__init__(*_walk(root))

    def read(self, path: str) -> bytes:
        full = f"{self._prefix}{path}"  # pathlib would double the time
        try:
            status = os.stat(full)  # noqa: PTH116
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
                raise UnusableFileError("not a regular file")
            _check_size(status.st_size)
            with open(full, "rb", buffering=0) as file:  # noqa: PTH123
                return file.readall()
        except OSError as error:
            raise UnusableFileError(f"cannot be read ({error.strerror or error})") from None

    def content_key(self, progress: Progress) -> str:
        def content(paths: Sequence[str]) -> bytes:
            pieces = bytearray()
            for path in paths:
                pieces += os.fsencode(path) + b"\0"
                try:
                    pieces += hashlib.sha256(self.read(path)).digest()
                except UnusableFileError as error:
                    pieces += str(error).encode()
            return bytes(pieces)

        digest = hashlib.sha256()
        chunks = [self.files[at : at + _CHUNK] for at in range(0, len(self.files), _CHUNK)]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for index, pieces in enumerate(pool.map(content, chunks)):
                progress(index * _CHUNK, len(self.files))
                digest.update(pieces)
        progress(len(self.files), len(self.files))
        return digest.hexdigest()


@final
class _Zip(Container):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        folders: set[str] = set()
        for member in archive.infolist():
            names = [name for name in member.filename.replace("\\", "/").split("/") if name]
            if not names or any(_is_hidden(name) for name in names):
                continue
            inner = names if member.is_dir() else names[:-1]
            folders.update("/".join(inner[: n + 1]) for n in range(len(inner)))
            if not member.is_dir():
                self._members["/".join(names)] = member
        super().__init__(self._members, folders)

    def read(self, path: str) -> bytes:
        member = self._members[path]
        _check_size(member.file_size)
        if member.flag_bits & 1:
            raise UnusableFileError("encrypted")
        try:
            with self._archive.open(member) as file:
                return file.read(LARGEST_FILE_BYTES)
        except _ZIP_ERRORS as error:
            raise UnusableFileError(f"damaged in the zip ({error})") from None

    def content_key(self, progress: Progress) -> str:
        digest = hashlib.sha256()
        for path in self.files:
            member = self._members[path]
            digest.update(f"{path}\0{member.file_size}\0{member.CRC}\0".encode(errors="replace"))
        progress(len(self.files), len(self.files))
        return digest.hexdigest()


def _check_size(size_bytes: int) -> None:
    if size_bytes == 0:
        raise UnusableFileError("empty file")
    if size_bytes > LARGEST_FILE_BYTES:
        raise UnusableFileError(f"oversized: more than {LARGEST_FILE_BYTES >> 20} MiB")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def _walk(root: Path) -> tuple[list[str], list[str]]:
    files: list[str] = []
    folders: list[str] = []
    visited: set[str] = set()
    for here, inner, names in os.walk(root, followlinks=True):
        real = os.path.realpath(here)
        if real in visited:  # a link to a parent folder would never end
            inner.clear()
            continue
        visited.add(real)
        inner[:] = [name for name in inner if not _is_hidden(name)]
        relative = Path(here).relative_to(root)
        folders += [(relative / name).as_posix() for name in inner]
        files += [(relative / name).as_posix() for name in names if not _is_hidden(name)]
    return files, folders
