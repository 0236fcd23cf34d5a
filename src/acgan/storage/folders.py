"""Whole folders: filled under a hidden name, made durable, put in place by one rename.

At any moment, also after a kill, a folder under its own name is complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, sync_file, sync_folder, temporary_sibling
from acgan.storage.manifest import write_manifest

_ASIDE = ".old-"

Writer = Callable[[Path], None]


def commit_folder(
    target: Path,
    write: Writer,
    record: Mapping[str, Any] | None = None,
    *,
    need_bytes: int | None = None,
) -> None:
    """Create ``target`` with what ``write`` puts into the folder it is given, or nothing at all.

    Args:
        target: must not exist; its parents are created.
        write: fills the folder; its OSErrors become DiskErrors.
        record: small JSON values kept in manifest.json.
        need_bytes: size of it all, for the message when it does not fit.

    Raises:
        DiskError: the disk says no; nothing else has changed.
        FileExistsError: there is a ``target`` already.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    with disk_errors(target, need_bytes):
        with _filled(target, write, record or {}) as temporary:
            os.rename(temporary, target)  # noqa: PTH104
        sync_folder(target.parent)


def replace_folder(
    target: Path,
    write: Writer,
    record: Mapping[str, Any] | None = None,
    *,
    need_bytes: int | None = None,
) -> None:
    """As `commit_folder`, for a ``target`` that may exist: it is then exchanged as a whole.

    A folder cannot be renamed onto another, so the old one steps aside first. A kill between the
    two renames leaves no ``target``; `recover_folder` brings the old one back.

    Raises:
        DiskError: the disk says no; the old folder is still there.
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
    """Finish or undo a `replace_folder` that was killed; does nothing otherwise.

    Only the one process that writes ``target`` may call this.

    Raises:
        DiskError: the disk says no.
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
    """Remove a committed folder; a kill leaves it whole or gone, never half.

    Raises:
        DiskError: the disk says no.
    """
    with disk_errors(path, doing="remove"):
        doomed = temporary_sibling(path)
        os.rename(path, doomed)  # noqa: PTH104
        shutil.rmtree(doomed)


def _aside(target: Path) -> Path:
    return target.parent / f"{_ASIDE}{target.name}"


@contextmanager
def _filled(target: Path, write: Writer, record: Mapping[str, Any]) -> Iterator[Path]:
    """A hidden sibling of ``target``, filled and durable; removed if it does not move away."""
    make_folder(target.parent)
    temporary = temporary_sibling(target)
    try:
        os.mkdir(temporary)  # noqa: PTH102
        write(temporary)
        write_manifest(temporary, record)
        # The writer may have used any library: whatever it left must be on the disk before the
        # rename, or a power cut would leave a folder of empty files under a good name.
        for path in sorted(temporary.rglob("*")):
            if path.is_dir():
                sync_folder(path)
            else:
                sync_file(path)
        sync_folder(temporary)
        yield temporary
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
