"""One process per run folder: two that train in the same place would mix their checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from acgan.errors import UsageError
from acgan.storage import disk_errors, make_folder

LOCK_FILE = ".lock"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run folder for the time of the block; the system frees it even after SIGKILL.

    Raises:
        UsageError: another process holds it.
        DiskError: the folder or the lock file cannot be created.
    """
    with disk_errors(folder):
        make_folder(folder)
    lock = FileLock(folder / LOCK_FILE)
    with disk_errors(folder / LOCK_FILE):
        try:
            lock.acquire(blocking=False)
        except Timeout:  # an OSError too, but no fault of the disk
            raise UsageError(
                f"another process is using {folder}; wait until it ends, stop it, or choose "
                "another folder with --run"
            ) from None
    try:
        yield
    finally:
        lock.release()
