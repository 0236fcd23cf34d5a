"""The run folder: the names of its files, its lock, and whether a command may continue its run.

The first start creates the folder; later only a command with the same trajectory may use it.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, final

from filelock import FileLock, Timeout

from acgan.config import difference, validate
from acgan.data.images import DatasetSplits
from acgan.errors import DataError, DiskError, UsageError, counted, shown
from acgan.runs.config import RunConfig
from acgan.storage.disk import disk_errors, require_windows_path
from acgan.storage.files import is_temporary, make_folder, remove_leftovers, write_atomic
from acgan.storage.folders import recover_folder
from acgan.storage.json_reader import read_json

_LISTED = 5  # classes in a message
_LONGEST_INSIDE = 120  # characters: an event file of tensorboard has the computer's name


@final
class RunFolder:
    """The files of one run by name; the folder need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / ".lock"
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
        self.real_images = self.samples / "real.png"
        self.first_and_last = path / "first-and-last.png"
        self.trajectory = path / "trajectory.gif"
        self.curves = path / "curves.png"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.evaluation = path / "evaluation"
        # Only in the folder of a set of models:
        self.members = path / "members"
        self.finished_members = path / "finished.json"
        self.grid = path / "grid.png"

    def grids(self) -> list[Path]:
        """Return the sample grids of training, ``samples/<images seen>.png``, oldest first."""
        return sorted(path for path in self.samples.glob("*.png") if path.stem.isdecimal())

    def clean_up(self) -> None:
        """Finish what a killed training left: temporary files, a model folder half replaced.

        Only a process that holds the run's lock may call this. Checkpoints are cleaned by their
        store; the evaluation folder may be in use by another process.

        Raises:
            DiskError: a file cannot be removed.
        """
        for folder in (self.path, self.samples):
            remove_leftovers(folder)
        recover_folder(self.model)

    def has_run(self) -> bool:
        """Return whether the folder holds a run."""
        return self.config.is_file()

    def require_ours(self) -> None:
        """Raise UsageError if the folder holds something other than a run, before changing it."""
        require_windows_path(self.path, _LONGEST_INSIDE, option="--run")
        if self.config.exists() or not self.path.exists():
            return
        start = (self.lock, self.environment, self.budget, self.split)
        interrupted_start = {path.name for path in start}
        if not self.path.is_dir() or any(
            p.name not in interrupted_start and not is_temporary(p) for p in self.path.iterdir()
        ):
            raise UsageError(
                f"{self.path} exists and is not an acgan run; name another folder with --run"
            )

    def require_deletable(self) -> None:
        """Raise UsageError unless the folder is a run with no other file, used by no process."""
        keep = f"{self.path} is not deleted"
        if self.path.is_symlink() or not self.has_run():
            raise UsageError(f"{keep}: it is not a run folder; `acgan runs` lists the runs")
        own = {path.name for path in vars(self).values() if path.parent == self.path}
        unfinished = (".tmp-", f".old-{self.model.name}")  # of a killed training
        for entry in sorted(self.path.iterdir()):
            is_own = entry.name in own or entry.name.startswith(unfinished)
            if not is_own or entry.is_symlink():
                raise UsageError(f"{keep}: no run has {entry.name!r}; move it away first")
        try:
            known = self.read(self.config)
        except DataError:
            known = {}
        if not self.split.is_file() and not {"recipe", "data", "training"} <= set(known or ()):
            raise UsageError(f"{keep}: its config.json is not that of a run")
        if lock_is_held(self.path):
            raise UsageError(f"{keep}: a process is using it; stop it, or wait until it ends")

    def check(self, config: RunConfig, splits: DatasetSplits) -> None:
        """Check that the folder holds no run, or the run that ``config`` describes.

        Raises:
            UsageError: it holds another run; the message lists the differences.
            DataError: the run was started with other data.
        """
        known = self.read(self.config)
        if known is None:
            return
        try:
            started = validate(RunConfig, known, where=str(self.config))
        except UsageError as error:
            raise UsageError(
                f"{error}\nif an older version of acgan wrote {self.path}, train the model again "
                "in another folder (--run)"
            ) from None
        changes = difference(started.trajectory(), config.trajectory())
        if changes:
            listed = "".join(f"\n  {change}" for change in changes)
            raise UsageError(
                f"{self.path} holds a run with another configuration:{listed}\n"
                "repeat the old command to continue it, or name another folder with --run"
            )
        known_split, split = self.read(self.split), splits.split_record()
        if known_split != split:
            raise DataError(
                f"{self.path} was started with other data: {_changed(known_split, split)}; "
                "restore that data, or start a new run with --run"
            )

    def record(
        self, config: RunConfig, splits: DatasetSplits, files: Mapping[Path, Any] | None = None
    ) -> None:
        """Write what a start has decided; config.json comes last and makes the folder a run.

        Args:
            config: the run; budget, reporting, threads and the data's location may differ from the
                last start.
            splits: its data.
            files: JSON values of further files.

        Raises:
            DiskError: a file cannot be written.
        """
        for path, values in (files or {}).items():
            self.write(path, values)
        if not self.has_run():
            self.write(self.split, splits.split_record())
        self.write(self.config, config.model_dump(mode="json"))

    def read(self, path: Path) -> Any:
        """Return the JSON value of one of the run's files, or None if the file does not exist.

        Raises:
            DataError: it is not readable JSON.
        """
        try:
            return read_json(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(
                f"{path} cannot be read: {reason}; restore it or start a new run"
            ) from None

    def write(self, path: Path, values: Any) -> None:
        """Write JSON atomically.

        Raises:
            DiskError: it cannot be written, or the folder was removed meanwhile.
        """
        if not self.path.is_dir():  # writing would create a folder without the run's other files
            raise DiskError(
                f"{self.path} was removed or moved while a command was using it; put it back, or "
                "start a new run"
            )
        write_atomic(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    def write_status(self, state: str, images_seen: int, total_images: int | None) -> None:
        """Write status.json: ``training``, ``stopped``, ``complete`` or ``diverged``."""
        values = {"state": state, "images_seen": images_seen, "total_images": total_images}
        self.write(self.status, values)

    def is_finished(self, images_seen: int) -> bool:
        """Return whether the run is complete at ``images_seen`` and has its model."""
        match self.read(self.status):
            case {"state": "complete", "images_seen": seen}:
                return seen == images_seen and self.model.is_dir()
        return False


def _changed(old: Any, new: Mapping[str, Any]) -> str:
    """Return how the data of two ``split.json`` differ, as the end of a sentence."""
    try:
        before, now = (_class_counts(record) for record in (old, new))
    except (AttributeError, KeyError, TypeError):
        return "split.json cannot be compared with today's"
    changes = [
        f"{counted(abs(more), 'image')} {'more' if more > 0 else 'fewer'} in class {shown(name)}"
        for name in {**before, **now}
        if (more := now[name] - before[name])
    ]
    if not changes:
        return "each class has as many images as before, but pixels, labels or splits differ"
    rest = counted(len(changes) - _LISTED, "other class", "other classes")
    listed = changes[:_LISTED] + [f"and {rest}"] * (len(changes) > _LISTED)
    return ", ".join(listed)


def _class_counts(record: Mapping[str, Any]) -> Counter[str]:
    """Return the number of images of each class in all splits of a ``split.json``."""
    return sum((Counter(record[split]["per_class"]) for split in record), Counter())


@contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the operating system releases it even after SIGKILL.

    If the block fails before the run's first checkpoint, the folder that this call created is
    removed, so that the corrected command finds the disk as it was.

    Raises:
        UsageError: another process holds it.
        DiskError: the folder or the lock file cannot be created.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    with _removed_if_unused(path, missing), _held_lock(path):
        yield


@contextmanager
def _removed_if_unused(path: Path, missing: Sequence[Path]) -> Iterator[None]:
    """Remove a new run and its ``missing`` folders if the block fails without a checkpoint."""
    new = bool(missing) or (path.is_dir() and not any(path.iterdir()))
    try:
        yield
    except BaseException:
        checkpoints = ("checkpoints/*", "members/*/checkpoints/*")
        if new and not any(any(path.glob(pattern)) for pattern in checkpoints):
            with suppress(OSError):  # the error to report is the first one
                for entry in list(path.iterdir()):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            for folder in missing:
                with suppress(OSError):  # never created, or another run is in it
                    folder.rmdir()
        raise


@contextmanager
def _held_lock(path: Path) -> Iterator[None]:
    with disk_errors(path):
        make_folder(path)
    lock_file = RunFolder(path).lock
    lock = FileLock(lock_file)
    with disk_errors(lock_file):
        try:
            lock.acquire(blocking=False)
        except Timeout:  # an OSError too, but not the disk's fault
            raise UsageError(
                f"another process is using {path}; wait until it ends, stop it, or choose "
                "another folder with --run"
            ) from None
    try:
        yield
    finally:
        lock.release()


def lock_is_held(path: Path) -> bool:
    """Return whether a training process holds the lock of a run folder."""
    lock_file = RunFolder(path).lock
    try:
        if lock_file.is_file():
            with FileLock(lock_file, blocking=False):
                pass
        return False
    except Timeout:
        return True
    except OSError:  # no permission to lock there, so no process of ours trains in it
        return False
