"""Checkpoints: complete training states on disk, of which the newest good one is found by itself.

A checkpoint is a committed folder (`acgan.storage`): it exists whole or not at all, and any
damage is found before it is loaded. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from acgan.storage.files import remove_leftovers, write_file
from acgan.storage.folders import commit_folder, remove_folder
from acgan.storage.manifest import CorruptFolderError, read_record, update_record, verify_folder

_TENSORS = "tensors.safetensors"
_COUNTERS = "counters.json"
_NAME = re.compile(r"(?P<images>\d{12,})-r(?P<retry>\d+)")


@final
@dataclass(frozen=True, eq=False)
class TrainingState:
    """All that the next step depends on, besides the config and the data.

    Attributes:
        tensors: named values, of any dtype and device; saved contiguous, loaded on the CPU.
        counters: JSON values, with at least ``images_seen`` and ``retry`` (both int); no NaN.
    """

    tensors: Mapping[str, Tensor]
    counters: Mapping[str, Any]


class Position(NamedTuple):
    """Where in a run a state lies; later is greater: a retry supersedes what came before it."""

    retry: int
    images_seen: int


@final
@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk.

    Attributes:
        path: its folder.
        position: retry and images seen.
        scheduled: saved because its image count was due, not because a signal came.
        milestone: kept for good.
    """

    path: Path
    position: Position
    scheduled: bool
    milestone: bool


@final
class CheckpointStore:
    """The checkpoints of one run; at most one process may save, any number may read.

    Args:
        folder: holds one folder a checkpoint, ``<images seen>-r<retry>``; need not exist.
        keep_last: how many scheduled checkpoints are kept besides milestones, at least 1.

    Attributes:
        warnings: a sentence for each damaged checkpoint that was passed over; once shown, a
            caller may take it out, and it does not come again.
    """

    def __init__(self, folder: Path, *, keep_last: int = 3) -> None:
        if keep_last < 1:
            raise ValueError(f"keep_last must be at least 1, not {keep_last}")
        self._folder = folder
        self._keep_last = keep_last
        self._known_good: set[Path] = set()
        self._warned: set[str] = set()
        self.warnings: list[str] = []

    def save(self, state: TrainingState, *, scheduled: bool, milestone: bool) -> Path:
        """Commit a state, then remove checkpoints that need not be kept.

        At one position of a run there is one state. If it is here already (a signal came right
        after a scheduled checkpoint, say) it stays, and only gains the flags it lacks.

        Raises:
            DiskError: the disk says no; the checkpoints that were there still load.
        """
        position = Position(state.counters["retry"], state.counters["images_seen"])
        path = self._folder / f"{position.images_seen:012d}-r{position.retry}"
        remove_leftovers(self._folder)
        self._known_good.discard(path)
        present = self._good_record(path) if path.exists() else None
        if present is not None:
            record = {
                **present,
                "scheduled": present["scheduled"] or scheduled,
                "milestone": present["milestone"] or milestone,
            }
            if record != present:
                update_record(path, record)
        else:
            record = {**position._asdict(), "scheduled": scheduled, "milestone": milestone}
            self._commit(path, state, record)
        self._known_good.add(path)
        self._remove_old()
        return path

    def newest(self) -> TrainingState | None:
        """The latest state that is undamaged, or None; see `warnings`."""
        return self._newest(self.list())

    def newest_scheduled(self) -> TrainingState | None:
        """As `newest`, among scheduled ones: where a rollback leads must not depend on signals."""
        return self._newest(tuple(c for c in self.list() if c.scheduled))

    def list(self) -> tuple[Checkpoint, ...]:
        """All checkpoints with a readable manifest, oldest first; their files are not verified."""
        found = []
        for path in self._folders():
            try:
                found.append(_checkpoint(path, read_record(path)))
            except CorruptFolderError as error:
                self._warn(error)
        return tuple(sorted(found, key=lambda checkpoint: checkpoint.position))

    def load(self, path: Path) -> TrainingState:
        """The state of one checkpoint, on the CPU.

        Raises:
            CorruptFolderError: it is damaged; the message names the file and the reason.
        """
        verify_folder(path)
        try:
            tensors = safetensors.torch.load((path / _TENSORS).read_bytes())
            counters = json.loads((path / _COUNTERS).read_bytes())
        except (OSError, SafetensorError, ValueError) as error:
            raise CorruptFolderError(f"{path}: is not a checkpoint ({error})") from error
        return TrainingState(tensors, counters)

    def _commit(self, path: Path, state: TrainingState, record: Mapping[str, Any]) -> None:
        # A library that writes by itself would report a full disk in its own words: bytes first.
        tensors = safetensors.torch.save(
            {name: _contiguous(tensor) for name, tensor in sorted(state.tensors.items())}
        )
        counters = json.dumps(dict(state.counters), indent=1, allow_nan=False) + "\n"

        def write(folder: Path) -> None:
            write_file(folder / _TENSORS, tensors)
            write_file(folder / _COUNTERS, counters)

        if path.exists():  # damaged: it is of no use to anyone
            remove_folder(path)
        commit_folder(path, write, record, need_bytes=len(tensors) + len(counters))

    def _newest(self, candidates: tuple[Checkpoint, ...]) -> TrainingState | None:
        for checkpoint in reversed(candidates):
            try:
                return self.load(checkpoint.path)
            except CorruptFolderError as error:
                self._known_good.discard(checkpoint.path)
                self._warn(error)
        return None

    def _remove_old(self) -> None:
        """Keep milestones, the last scheduled ones and the latest; only good ones count.

        Damaged ones are left for the person who was told of them.
        """
        good = [c for c in self.list() if self._good_record(c.path) is not None]
        scheduled = [c for c in good if c.scheduled]
        keep = {c.path for c in good if c.milestone} | {good[-1].path}
        keep |= {c.path for c in scheduled[-self._keep_last :]}
        for checkpoint in good:
            if checkpoint.path not in keep:
                remove_folder(checkpoint.path)
                self._known_good.discard(checkpoint.path)

    def _good_record(self, path: Path) -> dict[str, Any] | None:
        """The record of an undamaged checkpoint; its files are read once a process."""
        try:
            known = path in self._known_good
            record = read_record(path) if known else verify_folder(path)["record"]
        except CorruptFolderError as error:
            self._warn(error)
            return None
        self._known_good.add(path)
        return record

    def _folders(self) -> tuple[Path, ...]:
        if not self._folder.is_dir():
            return ()
        return tuple(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def _warn(self, error: CorruptFolderError) -> None:
        warning = f"a damaged checkpoint is passed over: {error}"
        if warning not in self._warned:
            self._warned.add(warning)
            self.warnings.append(warning)


def _checkpoint(path: Path, record: Mapping[str, Any]) -> Checkpoint:
    try:
        position = Position(int(record["retry"]), int(record["images_seen"]))
        return Checkpoint(path, position, bool(record["scheduled"]), bool(record["milestone"]))
    except (KeyError, TypeError, ValueError):
        raise CorruptFolderError(f"{path}: is not a checkpoint") from None


def _contiguous(tensor: Tensor) -> Tensor:
    """A copy in plain row order on the CPU; safetensors takes no other, and no shared memory."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
