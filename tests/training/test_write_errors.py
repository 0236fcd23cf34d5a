"""A disk that says no while a run goes on: one sentence, and nothing of what was saved is lost.

Every kind of call in every file of the run fails once: metrics, sheets, TensorBoard, checkpoints,
model, the small JSON files, the pictures at the end. `test_checkpoint_faults.py` does the same to
single writes.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from acgan.data.images import DatasetSplits
from acgan.errors import DiskError
from acgan.runs.checkpoint import CheckpointStore
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training import run_logger
from acgan.training.display import SilentDisplay
from acgan.training.run import run_training

CALLS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")
REAL = {name: getattr(os, name) for name in CALLS}
Site = tuple[str, str]
"""A system call, and the file or folder of the run that it concerns."""


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

    def _part(self, path: Any) -> str:
        path = Path(os.fsdecode(path)) if isinstance(path, str | Path) else Path("?")
        # shutil.rmtree names files below an open folder
        inner = path.relative_to(self.root) if path.is_relative_to(self.root) else path.name
        return re.sub(r"\.tmp-\w+", ".tmp", re.sub(r"[0-9]{10,}", "N", str(inner)))


@contextmanager
def watched(disk: Disk) -> Iterator[None]:
    def spied(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if name != "open" or args[1] & (os.O_WRONLY | os.O_RDWR):
                disk.calls(name, args[0])
            result = REAL[name](*args, **options)
            if name == "open":
                disk.opened[result] = args[0]
            return result

        return call

    class EventFile(io.FileIO):
        def write(self, data: Any) -> int:
            disk.calls("write", disk.root / "tensorboard")
            return super().write(data) or 0

    def open_events(path: Path, *_args: Any, **_options: Any) -> EventFile:
        disk.calls("open", disk.root / "tensorboard")
        return EventFile(path, "xb")

    class EventPath(type(Path())):  # type: ignore[misc]
        open = open_events

    def folder(self: run_logger.TensorBoardLog, path: Path, *, first_image: int) -> None:
        made(self, EventPath(path), first_image=first_image)

    made = run_logger.TensorBoardLog.__init__
    with ExitStack() as patches:
        for name in CALLS:
            patches.enter_context(patch.object(os, name, spied(name)))
        patches.enter_context(patch.object(run_logger.TensorBoardLog, "__init__", folder))
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
        *(".", ".tmp", "metrics.jsonl", "timing.jsonl", "tensorboard", "samples/.tmp"),
        *("checkpoints/.tmp/tensors.safetensors", "checkpoints/.tmp/manifest.json"),
        *(".tmp/generator.safetensors", ".tmp/README.md"),
    }
    assert {name for name, _ in sites} == set(CALLS)


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


@pytest.mark.slow
@pytest.mark.usefixtures("no_summary")
def test_write_errors_at_every_kind_of_call(
    config: RunConfig,
    tiny_splits: DatasetSplits,
    tmp_path: Path,
    content: Callable[[Path], dict[str, bytes]],
) -> None:
    numbers = first_and_last(count(config, tiny_splits, tmp_path / "counted"))
    assert len(numbers) > 60
    # The lock's library makes its folder, which is there already, and needs no success at that.
    assert errors_at(numbers, config, tiny_splits, tmp_path, content) <= {("mkdir", ".")}
