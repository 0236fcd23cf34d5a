"""Folders and zips as read-only sets of named files; zips are never extracted."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from acgan.errors import DataError, printable
from acgan.execution.progress import Progress

LARGEST_FILE_BYTES = 256 << 20
_LARGEST_DIRECTORY_BYTES = 128 << 20  # of a zip: one to two million members
_DEEPEST, _LONGEST = 64, 1024  # folders and characters of a path in a zip
_CHUNK = 256  # files of one task, and between two calls of progress
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, OverflowError, RuntimeError, ValueError),  # values that make no sense
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UTF_8_MARK = 0x800  # of a member's flags
_HEADER_BYTES = 30  # of a member, without its name
_BLOCK_BYTES = 4 << 20
_DIGEST_BYTES = hashlib.sha256().digest_size
_HIDDEN = "hidden, or created by an operating system"
_REPEATED = "further members of a zip with the same name and content"
_SYSTEM_FILES = {"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db"}


@final
class UnusableFileError(Exception):
    """A file cannot be used; the message is the reason, for a list of such files."""


@final
@dataclass
class _Listing:
    files: Collection[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    unusable: dict[str, str] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)


class Container(ABC):
    """Files by relative path (with ``/``), in ascending order.

    Every entry of the folder or zip is in ``files`` or ``folders``, in ``unusable``, or counted in
    ``ignored``.

    Attributes:
        files: paths of all files.
        folders: paths of all folders, including empty ones.
        unusable: path and reason of what has no definite content: folders that cannot be read,
            second links to a folder, repeated members of a zip that differ.
        ignored: number of entries for each reason to leave them out. A hidden folder is one entry.
    """

    def __init__(self, listing: _Listing) -> None:
        self.files = tuple(sorted(listing.files))
        self.folders = tuple(sorted(listing.folders))
        self.unusable = dict(sorted(listing.unusable.items()))
        self.ignored = {reason: count for reason, count in listing.ignored.items() if count}

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the content of a file; safe to call from several threads.

        Raises:
            UnusableFileError: the file is empty, oversized, damaged or cannot be read.
            DataError: the file is not what it was when ``content_key`` read it.
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
        if not path.is_file():  # opening a pipe would block
            raise zipfile.BadZipFile
        file = _BoundedFile(path)
        archive = zipfile.ZipFile(file)
        file.largest_read = LARGEST_FILE_BYTES
        return _Zip(archive, file)
    except UnicodeDecodeError:
        raise DataError(
            f"{path} has names that are marked as UTF-8 and are not; pack the class folders anew"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except _ZIP_ERRORS:
        raise DataError(
            f"{path} is neither a folder nor a readable zip; unpack it, or pack the class folders "
            "into a zip"
        ) from None


@final
class _BoundedFile(io.FileIO):
    """A zip's file. `zipfile` reads the directory at once and makes an object of each member."""

    largest_read = _LARGEST_DIRECTORY_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as always, within the limit."""
        if size is not None and size > self.largest_read:
            raise DataError(
                f"{self.name} has too many members for one zip; unpack it into a folder"
            )
        return super().read(size)

    def __del__(self) -> None:
        """Close the file with its last reader, as `zipfile` does for a path."""
        self.close()


@final
class _Folder(Container):
    def __init__(self, root: Path) -> None:
        self._prefix = os.path.join(root, "")  # noqa: PTH118
        self._digests = b""  # SHA-256 of each file, once content_key has read them
        super().__init__(_walk(self._prefix))
        if "" in self.unusable:
            raise DataError(f"{root}: {self.unusable['']}")

    def read(self, path: str) -> bytes:
        content = self._content(path)
        if self._digests:
            start = bisect_left(self.files, path) * _DIGEST_BYTES
            if _digest(content) != self._digests[start : start + _DIGEST_BYTES]:
                raise DataError(
                    f"{self._prefix}{path} changed while the images were read; start again when "
                    "nothing else writes to the folder"
                )
        if isinstance(content, UnusableFileError):
            raise content
        return content

    def _content(self, path: str) -> bytes | UnusableFileError:
        full = f"{self._prefix}{path}"  # pathlib would double the time
        try:
            status = os.stat(full)  # noqa: PTH116
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
                return UnusableFileError("not a regular file")
            _check_size(status.st_size)
            with open(full, "rb", buffering=0) as file:  # noqa: PTH123
                return file.readall()
        except UnusableFileError as error:
            return error
        except OSError as error:
            return UnusableFileError(f"cannot be read ({error.strerror or error})")

    def content_key(self, progress: Progress) -> str:
        def digests(paths: Sequence[str]) -> bytes:
            return b"".join(_digest(self._content(path)) for path in paths)

        found = bytearray()
        chunks = [self.files[at : at + _CHUNK] for at in range(0, len(self.files), _CHUNK)]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for index, piece in enumerate(pool.map(digests, chunks)):
                progress(index * _CHUNK, len(self.files))
                found += piece
        progress(len(self.files), len(self.files))
        self._digests = bytes(found)
        names = b"\0".join(map(os.fsencode, self.files))
        return hashlib.sha256(names + b"\0" + self._digests).hexdigest()


def _digest(content: bytes | UnusableFileError) -> bytes:
    data = content if isinstance(content, bytes) else f"unusable: {content}".encode()
    return hashlib.sha256(data).digest()


@final
class _Zip(Container):
    def __init__(self, archive: zipfile.ZipFile, file: _BoundedFile) -> None:
        self._archive, self._file = archive, file
        self._version = self._state()
        self._overlapping = _overlapping(archive.infolist())
        self._members: dict[str, zipfile.ZipInfo] = {}
        listing = _Listing(self._members)
        hidden: set[str] = set()
        copies: Counter[str] = Counter()
        for member in archive.infolist():
            pieces = _member_name(member).replace("\\", "/").split("/")
            names = [name for name in pieces if name not in ("", ".")]
            path = "/".join(names)
            is_folder = not pieces[-1]  # `ZipInfo.is_dir` fails for an empty name
            if ".." in names or not (names or pieces[1:]):
                listing.unusable[path] = "not a path inside the zip"
                continue
            first = next((n for n, name in enumerate(names) if _is_hidden(name)), None)
            if first is not None:
                hidden.add("/".join(names[: first + 1]))
                continue
            if len(names) > _DEEPEST or len(path) > _LONGEST:
                # Only the start, which may be the same for many members.
                listing.unusable[path[:_LONGEST]] = (
                    f"more than {_DEEPEST} folders deep, or more than {_LONGEST:,} characters long"
                )
                continue
            inner = names if is_folder else names[:-1]
            while inner and (folder := "/".join(inner)) not in listing.folders:
                listing.folders.add(folder)
                inner.pop()
            if is_folder:
                continue
            copies[path] += 1
            other = self._members.setdefault(path, member)
            if (other.CRC, other.file_size) != (member.CRC, member.file_size):
                listing.unusable[path] = ""
        for path in listing.unusable.keys() & self._members:
            listing.unusable[path] = f"{copies[path]} different members have this name"
            del self._members[path]
        listing.ignored[_HIDDEN] = len(hidden)
        listing.ignored[_REPEATED] = sum(copies[path] - 1 for path in self._members)
        super().__init__(listing)

    def read(self, path: str) -> bytes:
        member = self._members[path]
        _check_size(member.file_size)
        if member.flag_bits & 1:
            raise UnusableFileError("encrypted")
        if member.compress_type not in _METHODS:  # others unpack without a limit
            raise UnusableFileError("compressed with another method than deflate; pack it anew")
        if member.header_offset in self._overlapping:
            raise UnusableFileError("shares bytes with another member of the zip")
        try:
            with self._archive.open(member) as file:
                content = file.read(LARGEST_FILE_BYTES)
            if len(content) != member.file_size:
                raise EOFError(f"{len(content)} bytes instead of {member.file_size}")
        except _ZIP_ERRORS as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's
                raise DataError(f"{self._file.name} cannot be read: {error.strerror}") from None
            raise UnusableFileError(f"damaged in the zip ({printable(str(error))})") from None
        if self._state() != self._version:
            raise DataError(
                f"{self._file.name} changed while it was read; start again when nothing else "
                "writes to it"
            )
        return content

    def content_key(self, progress: Progress) -> str:
        digest, count, size = hashlib.sha256(), len(self.files), max(1, self._version[0])
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            digest.update(block)
            progress(min(count, count * self._file.tell() // size), count)
        return digest.hexdigest()

    def _state(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns


def _member_name(member: zipfile.ZipInfo) -> str:
    """Return the name of a member; `zipfile` reads names without a mark for UTF-8 as CP437.

    Info-ZIP on Linux and the archiver of macOS write UTF-8 without that mark.
    """
    if member.flag_bits & _UTF_8_MARK:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _overlapping(members: Sequence[zipfile.ZipInfo]) -> set[int]:
    """Return the offsets of members whose bytes overlap: a small zip can unpack to petabytes."""
    found: set[int] = set()
    longest = end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        start = member.header_offset
        if start < end:
            found |= {longest, start}
        # The name has at least as many bytes as characters.
        if (own_end := start + _HEADER_BYTES + len(member.filename) + member.compress_size) > end:
            longest, end = start, own_end
    return found


def _check_size(size_bytes: int) -> None:
    if size_bytes == 0:
        raise UnusableFileError("empty file")
    if size_bytes > LARGEST_FILE_BYTES:
        raise UnusableFileError(f"oversized: more than {LARGEST_FILE_BYTES >> 20} MiB")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def _walk(prefix: str) -> _Listing:
    files: list[str] = []
    listing = _Listing(files)
    visited: dict[tuple[int, int], str] = {}
    waiting, links = deque([""]), deque[str]()
    while waiting or links:  # links last: a folder keeps its own path if a link leads to it
        here = (waiting or links).popleft()
        try:
            status = os.stat(prefix + here)  # noqa: PTH116
            first = visited.setdefault((status.st_dev, status.st_ino), here)
            if first != here:  # a link to a parent folder would never end
                listing.unusable[here] = f"the same folder as {first or '.'!r}"
                continue
            with os.scandir(prefix + here) as found:
                inner = sorted(found, key=lambda item: item.name)
        except OSError as error:
            listing.unusable[here] = f"the folder cannot be read ({error.strerror or error})"
            inner = []
        listing.folders.add(here)
        for item in inner:
            path = f"{here}/{item.name}" if here else item.name
            if _is_hidden(item.name):
                listing.ignored[_HIDDEN] += 1
            elif _is_folder(item):
                (links if item.is_symlink() else waiting).append(path)
            else:
                files.append(path)
    listing.folders.discard("")
    return listing


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself: reading it gives the reason
        return False
