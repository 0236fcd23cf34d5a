"""manifest.json: the size and SHA-256 of every file of a committed folder, and a small record.

It carries its own hash too, so that one flipped bit anywhere in the folder is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, final

from acgan.errors import AcganError
from acgan.storage.files import file_sha256, write_atomic, write_file

MANIFEST = "manifest.json"
_FORMAT = 1


@final
class CorruptFolderError(AcganError):
    """A committed folder is not as it was written (exit code 5)."""

    exit_code: ClassVar[int] = 5


def write_manifest(folder: Path, record: Mapping[str, Any]) -> None:
    """Add manifest.json to a folder that is complete otherwise.

    Raises:
        OSError: the disk says no.
    """
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_file(folder / MANIFEST, _text(files, record))


def verify_folder(folder: Path) -> dict[str, Any]:
    """Read every file of a committed folder and compare it with the manifest.

    Files that the manifest does not name are ignored.

    Returns:
        The manifest: ``record``, as it was committed, and ``files``, which maps each file's name
        to its ``bytes`` and ``sha256``.

    Raises:
        CorruptFolderError: a file is missing, unreadable or changed; the message says which.
    """
    manifest = _read(folder)
    for name, expected in manifest["files"].items():
        _verify_file(folder, name, expected)
    return manifest


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a committed folder, without a look at its other files.

    Raises:
        CorruptFolderError: the manifest is missing, unreadable or changed.
    """
    return dict(_read(folder)["record"])


def update_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Exchange the record of a committed folder, atomically; its files stay as they are.

    Raises:
        CorruptFolderError: the manifest is missing, unreadable or changed.
        DiskError: the manifest cannot be written; the old one is still there.
    """
    write_atomic(folder / MANIFEST, _text(_read(folder)["files"], record))


def _text(files: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    content = {"format": _FORMAT, "record": dict(record), "files": dict(files)}
    return json.dumps({**content, "sha256": _hash(content)}, indent=1, allow_nan=False) + "\n"


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
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
    if inner.is_absolute() or ".." in inner.parts:
        raise CorruptFolderError(f"{folder / MANIFEST}: names {name!r}, outside of the folder")
    path = folder / inner
    try:
        size = path.stat().st_size
        if size != expected["bytes"]:
            raise CorruptFolderError(f"{path}: is {size} bytes long, not {expected['bytes']}")
        if file_sha256(path) != expected["sha256"]:
            raise CorruptFolderError(f"{path}: its content has changed")
    except FileNotFoundError:
        raise CorruptFolderError(f"{path}: is missing") from None
    except OSError as error:
        raise CorruptFolderError(f"{path}: cannot be read ({error.strerror})") from None
