"""Whole folders: filled under a hidden name, made durable, then renamed to their final name.

At any moment, also after a kill, a folder under its final name is complete. Its manifest.json has
the size and SHA-256 of every file, a small record, and a hash of itself: one flipped bit anywhere
is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, final

from acgan.errors import AcganError
from acgan.storage.disk import disk_errors
from acgan.storage.files import (
    file_sha256,
    make_folder,
    sync_file,
    sync_folder,
    temporary_sibling,
    write_atomic,
    write_file,
)
from acgan.storage.json_reader import read_json

MANIFEST = "manifest.json"
_FORMAT = 1
_ASIDE = ".old-"

Writer = Callable[[Path], None]


@final
class CorruptFolderError(AcganError):
    """A committed folder has changed since it was written (exit code 5)."""

    exit_code: ClassVar[int] = 5


def commit_folder(
    target: Path,
    write: Writer,
    record: Mapping[str, Any] | None = None,
    *,
    need_bytes: int | None = None,
) -> None:
    """Create a folder with everything that ``write`` puts into it, or nothing.

    Args:
        target: must not exist; its parents are created.
        write: fills the folder at the path that it is called with.
        record: small JSON values to store in manifest.json.
        need_bytes: total size, for the message if the disk is full.

    Raises:
        DiskError: the folder cannot be written; nothing else has changed.
        FileExistsError: ``target`` exists.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    replace_folder(target, write, record, need_bytes=need_bytes)


def replace_folder(
    target: Path,
    write: Writer,
    record: Mapping[str, Any] | None = None,
    *,
    need_bytes: int | None = None,
) -> None:
    """Create or replace a folder; see `commit_folder`.

    A folder cannot be renamed onto another, so the old one is renamed first. A kill between the two
    renames leaves no ``target``; `recover_folder` restores the old one.

    Raises:
        DiskError: the folder cannot be written; the old one is unchanged.
    """
    recover_folder(target)
    aside = _aside(target)
    with disk_errors(target, need_bytes):
        with _filled(target, write, record or {}) as temporary:
            existed = target.exists()
            if existed:
                os.rename(target, aside)  # noqa: PTH104
            try:
                os.rename(temporary, target)  # noqa: PTH104
            except BaseException:
                if existed:
                    with suppress(OSError):
                        os.rename(aside, target)  # noqa: PTH104
                raise
        sync_folder(target.parent)
        if existed:
            shutil.rmtree(aside)


def recover_folder(target: Path) -> None:
    """Finish or undo a `replace_folder` that was killed; do nothing otherwise.

    Only the single process that writes ``target`` may call this.

    Raises:
        DiskError: a folder cannot be renamed or removed.
    """
    aside = _aside(target)
    if not aside.exists():
        return
    with disk_errors(target, doing="restore"):
        if target.exists():
            shutil.rmtree(aside)
        else:
            os.rename(aside, target)  # noqa: PTH104
            sync_folder(target.parent)


def remove_folder(path: Path) -> None:
    """Remove a committed folder; a kill leaves all of it or nothing under its name.

    Raises:
        DiskError: it cannot be removed.
    """
    with disk_errors(path, doing="remove"):
        doomed = temporary_sibling(path)
        os.rename(path, doomed)  # noqa: PTH104
        shutil.rmtree(doomed)


def _aside(target: Path) -> Path:
    return target.parent / f"{_ASIDE}{target.name}"


@contextmanager
def _filled(target: Path, write: Writer, record: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a hidden sibling of ``target``, filled and durable; remove it if it is not renamed."""
    make_folder(target.parent)
    temporary = temporary_sibling(target)
    try:
        os.mkdir(temporary)  # noqa: PTH102
        write(temporary)
        write_manifest(temporary, record)
        # ``write`` may use any library. Its files must be on the disk before the rename, or a power
        # cut would leave empty files in a folder with its final name.
        for path in sorted(temporary.rglob("*")):
            (sync_folder if path.is_dir() else sync_file)(path)
        sync_folder(temporary)
        yield temporary
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_manifest(folder: Path, record: Mapping[str, Any]) -> None:
    """Add manifest.json to a folder with all its other files.

    Raises:
        OSError: it exists or cannot be written.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256}
        for path, sha256 in zip(paths, map(file_sha256, paths), strict=True)
    }
    write_file(folder / MANIFEST, _text(files, record))


def verify_folder(folder: Path) -> dict[str, Any]:
    """Read every file of a committed folder and compare it with the manifest.

    Files that the manifest does not name are ignored.

    Returns:
        The manifest: ``record`` and ``files``, from each file's name to ``bytes`` and ``sha256``.

    Raises:
        CorruptFolderError: a file is missing, unreadable or changed; the message says which.
    """
    manifest = _read_manifest(folder)
    for name, expected in manifest["files"].items():
        _verify_file(folder, name, expected)
    return manifest


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a committed folder without reading its other files.

    Raises:
        CorruptFolderError: the manifest is missing, unreadable or changed.
    """
    return dict(_read_manifest(folder)["record"])


def update_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Replace the record of a committed folder atomically; its files stay unchanged.

    Raises:
        CorruptFolderError: the manifest is missing, unreadable or changed.
        DiskError: the manifest cannot be written; the old one is unchanged.
    """
    write_atomic(folder / MANIFEST, _text(_read_manifest(folder)["files"], record))


def _text(files: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    content = {"format": _FORMAT, "record": dict(record), "files": dict(files)}
    return json.dumps({**content, "sha256": _hash(content)}, indent=1, allow_nan=False) + "\n"


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
        claimed = manifest.pop("sha256")
        version = manifest["format"]
        files, record = manifest["files"], manifest["record"]
    except FileNotFoundError:
        raise CorruptFolderError(f"{folder}: {MANIFEST} is missing") from None
    except OSError as error:
        raise CorruptFolderError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CorruptFolderError(f"{path}: is not a manifest") from None
    if version != _FORMAT:
        raise CorruptFolderError(
            f"{path}: has format {version!r}, this version of acgan reads {_FORMAT}; update acgan"
        )
    if _hash(manifest) != claimed or not isinstance(files, dict) or not isinstance(record, dict):
        raise CorruptFolderError(f"{path}: its content has changed")
    return {"files": files, "record": record}


def _verify_file(folder: Path, name: str, expected: Mapping[str, Any]) -> None:
    inner = PurePosixPath(name)
    if inner.is_absolute() or ".." in inner.parts or str(inner) != name:
        raise CorruptFolderError(f"{folder / MANIFEST}: names {name!r}, no path inside the folder")
    path = folder / inner
    try:
        for part in (path, *path.parents[: len(inner.parts) - 1]):
            if part.is_symlink():
                raise CorruptFolderError(f"{part}: is a link; replace it by what it links to")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
            raise CorruptFolderError(f"{path}: is no regular file")
        if status.st_size != expected["bytes"]:
            raise CorruptFolderError(
                f"{path}: is {status.st_size} bytes long, not {expected['bytes']}"
            )
        if file_sha256(path) != expected["sha256"]:
            raise CorruptFolderError(f"{path}: its content has changed")
    except (KeyError, TypeError, ValueError):
        raise CorruptFolderError(f"{folder / MANIFEST}: has no size and hash of {name!r}") from None
    except FileNotFoundError:
        raise CorruptFolderError(f"{path}: is missing") from None
    except OSError as error:
        raise CorruptFolderError(f"{path}: cannot be read ({error.strerror})") from None
