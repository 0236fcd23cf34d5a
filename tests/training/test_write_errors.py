"""A disk that says no while a run goes on: one sentence, and nothing of what was saved is lost.

Every kind of call in every file of the run fails once: metrics, sheets, TensorBoard, checkpoints,
model, the small JSON files, the images at the end. `tests/runs/test_checkpoint_faults.py` does the
same to single writes.

Only calls that acgan makes are watched. What a library does inside one of them changes with its
version, and it may forgive an error: a removal of a folder and a lock are one call of ours each.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import filelock
import pytest

from acgan.data.images import DatasetSplits
from acgan.errors import DiskError
from acgan.runs import folder as run_folder
from acgan.runs.checkpoint import CheckpointStore
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.storage import files, folders, line_log
from acgan.training import run_logger
from acgan.training.display import SilentDisplay
from acgan.training.run import run_training

CALLS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")
REAL = {name: getattr(os, name) for name in CALLS}
STORAGE = (files, folders, line_log)
"""The modules that change the disk; TensorBoard's log and the lock are watched beside them."""

Site = tuple[str, str]
"""A call, and the file or folder of the run that it concerns."""


@dataclass
class Disk:
    """Counts the calls that change the disk, by site; the ``fatal``-th of all fails."""

    root: Path
    code: int = 0
    fatal: int = 0
    sites: list[Site] = field(default_factory=list)
    opened: dict[int, Any] = field(default_factory=dict)

    def calls(self, name: str, target: Any) -> None:
        path = self.opened.get(target, target) if isinstance(target, int) else target
        self.sites.append((name, self._part(path)))
        if len(self.sites) == self.fatal:
            raise OSError(self.code, os.strerror(self.code))

    def _part(self, path: Path) -> str:
        # The folder that the run's lies in is synced too.
        inner = path.relative_to(self.root) if path.is_relative_to(self.root) else ".."
        return re.sub(r"\.tmp-\w+", ".tmp", re.sub(r"[0-9]{10,}", "N", str(inner)))


class Stand:
    """Stands for a module: some functions are others, all else is the module's."""

    def __init__(self, module: ModuleType, functions: dict[str, Callable[..., Any]]) -> None:
        self._module = module
        self._functions = functions

    def __getattr__(self, name: str) -> Any:
        return self._functions.get(name) or getattr(self._module, name)


def watched_os(disk: Disk) -> Stand:
    def spied(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if name != "open" or args[1] & (os.O_WRONLY | os.O_RDWR):
                disk.calls(name, args[0])
            result = REAL[name](*args, **options)
            if name == "open":
                disk.opened[result] = args[0]
            return result

        return call

    return Stand(os, {name: spied(name) for name in CALLS})


def watched_shutil(system: Stand) -> Stand:
    """Its ``rmtree`` may fail at every file and folder, as that of every Python may."""

    def rmtree(path: Path, *, ignore_errors: bool = False) -> None:
        if ignore_errors:
            shutil.rmtree(path, ignore_errors=True)
            return
        for inner in sorted(path.iterdir()):
            if inner.is_dir():
                rmtree(inner)
            else:
                system.unlink(inner)
        system.rmdir(path)

    return Stand(shutil, {"rmtree": rmtree})


def watched_events(disk: Disk) -> Callable[..., None]:
    """`TensorBoardLog.__init__` with a folder and a file that are watched."""

    class EventFile(io.FileIO):
        def write(self, data: Any) -> int:
            disk.calls("write", disk.root / "tensorboard")
            return super().write(data) or 0

    class EventPath(type(Path())):  # type: ignore[misc]
        def open(self, *_args: Any, **_options: Any) -> EventFile:
            disk.calls("open", disk.root / "tensorboard")
            return EventFile(self, "xb")

        def mkdir(self, *args: Any, **options: Any) -> None:
            disk.calls("mkdir", disk.root / "tensorboard")
            Path(self).mkdir(*args, **options)

    def make(self: run_logger.TensorBoardLog, path: Path, *, first_image: int) -> None:
        real(self, EventPath(path), first_image=first_image)

    real = run_logger.TensorBoardLog.__init__
    return make


def watched_lock(disk: Disk) -> Callable[..., Any]:
    class Lock(filelock.FileLock):  # type: ignore[misc,valid-type,unused-ignore]
        def acquire(self, *args: Any, **options: Any) -> Any:
            disk.calls("lock", Path(self.lock_file))
            return super().acquire(*args, **options)

    return Lock


@contextmanager
def watched(disk: Disk) -> Iterator[None]:
    system = watched_os(disk)
    removal = watched_shutil(system)
    with ExitStack() as patches:
        for module in STORAGE:
            patches.enter_context(patch.object(module, "os", system))
            if hasattr(module, "shutil"):
                patches.enter_context(patch.object(module, "shutil", removal))
        events = watched_events(disk)
        patches.enter_context(patch.object(run_logger.TensorBoardLog, "__init__", events))
        patches.enter_context(patch.object(run_folder, "FileLock", watched_lock(disk)))
        yield


def run(config: RunConfig, splits: DatasetSplits, folder: Path) -> None:
    run_training(config, splits, RunFolder(folder), SilentDisplay())


@pytest.fixture(scope="module")
def config(tiny_config: Callable[..., RunConfig]) -> RunConfig:
    reporting = {
        "log_every_images": 16,
        "grid_every_images": 32,
        "checkpoint_every_images": 16,
        "keep_checkpoints": 1,
        "grid_columns": 1,
    }
    return tiny_config(training={"total_images": 48}, reporting=reporting)


def first_and_last(sites: list[Site]) -> list[int]:
    """Of every site, the number of its first and of its last call."""
    numbers: dict[Site, list[int]] = {}
    for number, site in enumerate(sites, 1):
        numbers.setdefault(site, []).append(number)
    return sorted({n for calls in numbers.values() for n in (calls[0], calls[-1])})


def check(
    number: int, code: int, config: RunConfig, splits: DatasetSplits, folder: Path
) -> tuple[Site, str | None]:
    """Fail one call of a run; what was said. Afterwards the same call goes on to the end."""
    disk = Disk(folder, code, number)
    said = None
    with watched(disk):
        try:
            run(config, splits, folder)
        except DiskError as error:
            said = str(error)
    warnings: list[str] = []
    store = CheckpointStore(folder / "checkpoints", on_damage=warnings.append)
    if (folder / "model").exists():
        assert store.newest() is not None
    assert warnings == []
    run(config, splits, folder)
    return disk.sites[number - 1], said


def errors_at(
    numbers: list[int],
    config: RunConfig,
    splits: DatasetSplits,
    root: Path,
    content: Callable[[Path], dict[str, bytes]],
) -> set[Site]:
    run(config, splits, root / "straight")
    expected = content(root / "straight")
    codes = itertools.cycle((errno.ENOSPC, errno.EROFS))
    silent = set()
    for number, code in zip(numbers, codes, strict=False):
        folder = root / f"run-{number}"
        site, said = check(number, code, config, splits, folder)
        assert content(folder) == expected, f"{site} failed with {errno.errorcode[code]}"
        if said is None:
            silent.add(site)
            continue
        assert str(folder) in said
        assert re.search(r"[\d.]+ .?(B|bytes) are free on that disk", said), said
        reason = "no space left" if code == errno.ENOSPC else "read-only"
        assert reason in said
        assert "run the same command again" in said
    return silent


def count(config: RunConfig, splits: DatasetSplits, folder: Path) -> list[Site]:
    disk = Disk(folder)
    with watched(disk):
        run(config, splits, folder)
    return disk.sites


@pytest.fixture
def no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pictures at the end and real syncs, which take longer than all the rest."""
    monkeypatch.setitem(REAL, "fsync", lambda descriptor: None)
    monkeypatch.setattr("os.fsync", REAL["fsync"])
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})


@pytest.mark.usefixtures("no_summary")
def test_every_file_of_a_run_is_watched(
    config: RunConfig, tiny_splits: DatasetSplits, tmp_path: Path
) -> None:
    """Else the tests below would pass for want of anything that fails."""
    sites = set(count(config, tiny_splits, tmp_path / "run"))
    splits = {part for _, part in sites}
    assert splits >= {
        *(".", ".lock", ".tmp", "metrics.jsonl", "timing.jsonl", "tensorboard", "samples/.tmp"),
        *("checkpoints/.tmp/tensors.safetensors", "checkpoints/.tmp/manifest.json"),
        *(".tmp/generator.safetensors", ".tmp/README.md"),
    }
    assert {name for name, _ in sites} == {*CALLS, "lock"}


@pytest.mark.slow
@pytest.mark.usefixtures("no_summary")
def test_write_errors_at_some_calls(
    config: RunConfig,
    tiny_splits: DatasetSplits,
    tmp_path: Path,
    content: Callable[[Path], dict[str, bytes]],
) -> None:
    sites = count(config, tiny_splits, tmp_path / "counted")
    wanted = (
        ("write", "metrics.jsonl"),
        ("write", "tensorboard"),
        ("write", "samples/.tmp"),
        ("fsync", "checkpoints/.tmp/tensors.safetensors"),
        ("write", ".tmp/generator.safetensors"),
        ("replace", ".tmp"),
    )
    numbers = [len(sites) - sites[::-1].index(site) for site in wanted]
    assert errors_at(sorted(numbers), config, tiny_splits, tmp_path, content) == set()


@pytest.mark.full
def test_a_write_error_at_the_pictures_of_the_end(
    config: RunConfig,
    tiny_splits: DatasetSplits,
    tmp_path: Path,
    content: Callable[[Path], dict[str, bytes]],
) -> None:
    sites = count(config, tiny_splits, tmp_path / "counted")
    last = len(sites) - sites[::-1].index(("replace", ".tmp"))
    assert errors_at([last], config, tiny_splits, tmp_path, content) == set()
    assert sorted(path.name for path in (tmp_path / "straight").glob("*.png")) == [
        "curves.png",
        "first-and-last.png",
    ]


@pytest.mark.full
@pytest.mark.usefixtures("no_summary")
def test_write_errors_at_every_kind_of_call(
    config: RunConfig,
    tiny_splits: DatasetSplits,
    tmp_path: Path,
    content: Callable[[Path], dict[str, bytes]],
) -> None:
    numbers = first_and_last(count(config, tiny_splits, tmp_path / "counted"))
    assert len(numbers) > 60
    assert errors_at(numbers, config, tiny_splits, tmp_path, content) == set()
