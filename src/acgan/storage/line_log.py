"""A log of JSON lines, cut back to a checkpoint's length on resume."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, final

from acgan.errors import DataError, DiskError
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, sync_folder, write_all
from acgan.storage.json_reader import parse_json


@final
class LineLog:
    """A file of JSON objects, one a line: keys in the given order, floats by their shortest repr.

    Equal values give equal bytes, so the logs of equal runs have equal hashes. Other processes can
    read a line as soon as `append` returns; it survives a power cut once `sync` has returned.

    Args:
        path: the file; created, with its folder, if missing.
        keep_bytes: length to cut an existing file to, as returned by `sync`; None to keep all
            complete lines.
        keep_sha256: the hash that `sha256` had at that length; None to skip the check.

    Raises:
        DiskError: the file is shorter than ``keep_bytes``, has changed, or cannot be written.
    """

    def __init__(
        self, path: Path, *, keep_bytes: int | None = None, keep_sha256: str | None = None
    ) -> None:
        self._path = path
        with disk_errors(path, doing="open"):
            make_folder(path.parent)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o666)
            try:
                content = path.read_bytes()
                if keep_bytes is None:  # a kill may have left a part of a line at the end
                    keep_bytes = content.rfind(b"\n") + 1
                self._hash = hashlib.sha256(content[:keep_bytes])
                if len(content) >= keep_bytes and keep_sha256 not in (None, self.sha256):
                    raise _changed(path, content[:keep_bytes])
                self._cut(keep_bytes)
                sync_folder(path.parent)
                self._length = self._durable = keep_bytes
            except BaseException:
                os.close(self._descriptor)
                raise

    def append(self, values: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            ValueError: a value is NaN or infinite, which JSON cannot express.
            DiskError: it cannot be written; the next resume removes an incomplete line.
        """
        text = json.dumps(dict(values), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        line = f"{text}\n".encode()
        with disk_errors(self._path, len(line)):
            self.require_file()
            write_all(self._descriptor, memoryview(line))
        self._length += len(line)
        self._hash.update(line)

    def sync(self) -> int:
        """Make all lines durable; return the length in bytes, for a checkpoint.

        Raises:
            DiskError: the file cannot be written.
        """
        with disk_errors(self._path, self._length - self._durable):
            self.require_file()
            os.fsync(self._descriptor)
        self._durable = self._length
        return self._length

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of all lines so far."""
        return self._hash.hexdigest()

    def require_file(self) -> None:
        """Check that the path still names this file, or lines would be lost without an error.

        Raises:
            DiskError: the file or its folder was removed, moved or replaced.
        """
        try:
            if os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                return
        except FileNotFoundError:
            pass
        raise DiskError(
            f"{self._path} was removed or moved while a command was writing to it; put the folder "
            "back, or start again in another folder"
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _cut(self, keep_bytes: int) -> None:
        length = os.fstat(self._descriptor).st_size
        if length < keep_bytes:
            raise DiskError(
                f"{self._path} has {length} bytes, but {keep_bytes} were written before the last "
                "checkpoint: something else has shortened it; put the file back or start a new "
                "run with --run"
            )
        if length > keep_bytes:
            os.ftruncate(self._descriptor, keep_bytes)
            os.fsync(self._descriptor)
        os.lseek(self._descriptor, 0, os.SEEK_END)


def _changed(path: Path, content: bytes) -> DiskError:
    """Return the error for a log whose lines are not those that were written."""
    where = ""
    for number, line in enumerate(content.splitlines(), 1):
        try:
            json.loads(line)
        except ValueError:
            where = f" (line {number} is damaged)"
            break
    return DiskError(
        f"{path} has changed since the last checkpoint{where}: put an undamaged copy back, or "
        "remove the newest folders in checkpoints/ so that the run repeats from an earlier one, or "
        "start a new run with --run"
    )


_Row = TypeVar("_Row")


def read_rows(path: Path, parse: Callable[[Any], _Row]) -> list[_Row]:
    """Return the rows of a log, without a last line that a kill cut off.

    Args:
        path: the log.
        parse: converts the values of a line; KeyError, TypeError and ValueError mean damage.

    Raises:
        DataError: a line is damaged.
    """
    rows = []
    # Lines of bytes: str.splitlines would also split at U+2028, which JSON does not escape.
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        try:
            rows.append(parse(parse_json(line)))
        except (KeyError, TypeError, ValueError):
            raise DataError(f"line {number} of {path} is damaged; delete that line") from None
    return rows
