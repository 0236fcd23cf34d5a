"""One process per run folder: two that train in the same place would mix their checkpoints.

A run's folder: where its files lie, and whether a command may go on in it.

The folder is opened by the first start and only ever resumed by a command that means the same run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from filelock import FileLock, Timeout

from acgan.config import difference, validate
from acgan.data.images import DatasetSplits
from acgan.errors import DataError, UsageError
from acgan.runs.config import RunConfig
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, write_atomic

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


@final
class RunFolder:
    """The files of one run by name.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.split = path / "split.json"
        self.environment = path / "environment.json"
        self.budget = path / "budget.json"
        self.feature_network = path / "feature_network.json"
        self.status = path / "status.json"
        self.metrics = path / "metrics.jsonl"
        self.timing = path / "timing.jsonl"
        self.tensorboard = path / "tensorboard"
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"

    def require_ours(self) -> None:
        """Refuse, before anything in it is touched, a folder that holds other things than a run.

        Raises:
            UsageError: it does.
        """
        if self.config.exists() or not self.path.exists():
            return
        if not self.path.is_dir() or self._foreign():
            raise UsageError(
                f"{self.path} exists and is no run of acgan; name another folder with --run"
            )

    def open(self, config: RunConfig, splits: DatasetSplits) -> None:
        """Make the folder, or check that the run in it is the one that is meant.

        Raises:
            UsageError: another run lies there; the differences are listed.
            DataError: the data are not those that the run was started with.
            DiskError: it cannot be written.
        """
        known = self.read(self.config)
        if known is None:
            self.write(self.split, splits.split_record())
            self.write(self.config, config.model_dump(mode="json"))
            return
        self._check_same(validate(RunConfig, known, where=str(self.config)), config)
        if self.read(self.split) != splits.split_record():
            raise DataError(
                f"the data are not those that {self.path} was started with (split.json has their "
                "content hashes); bring the old data back, or start a new run with --run"
            )
        # Budget and reporting may change; the record follows.
        self.write(self.config, config.model_dump(mode="json"))

    def read(self, path: Path) -> Any:
        """The JSON in one of the run's files, or None where there is none.

        Raises:
            DataError: it cannot be read as JSON.
        """
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} cannot be read ({error}); restore it or start a new run"
            ) from None

    def write(self, path: Path, values: Any) -> None:
        """Write JSON atomically."""
        write_atomic(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    def write_status(self, state: str, images_seen: int, total_images: int) -> None:
        """Renew status.json: ``training``, ``stopped``, ``complete`` or ``diverged``."""
        values = {"state": state, "images_seen": images_seen, "total_images": total_images}
        self.write(self.status, values)

    def is_finished(self, images_seen: int) -> bool:
        """Whether the run ended at ``images_seen`` and its model is there."""
        status = self.read(self.status) or {}
        ended = (status.get("state"), status.get("images_seen")) == ("complete", images_seen)
        return ended and (self.model / "model.json").exists()

    def _foreign(self) -> list[Path]:
        """What lies in the folder that a start cut short would not have left."""
        ours = {self.split.name, LOCK_FILE}
        return [
            p for p in self.path.iterdir() if p.name not in ours and not p.name.startswith(".tmp")
        ]

    def _check_same(self, known: RunConfig, wanted: RunConfig) -> None:
        changes = difference(known.trajectory(), wanted.trajectory())
        if changes:
            listed = "".join(f"\n  {change}" for change in changes)
            raise UsageError(
                f"{self.path} holds a run with another configuration:{listed}\n"
                "repeat the old command to go on with it, or name another folder with --run"
            )
