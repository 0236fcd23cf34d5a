"""Checkpoints: complete training states, saved as committed folders (`acgan.storage`).

A checkpoint exists whole or not at all, and damage is found before it is loaded. Tensors are
safetensors, counters are JSON; nothing is unpickled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from acgan.errors import DataError
from acgan.runs.folder import RunFolder
from acgan.storage.files import remove_leftovers, write_file
from acgan.storage.folders import (
    CorruptFolderError,
    commit_folder,
    read_record,
    remove_folder,
    update_record,
    verify_folder,
)
from acgan.storage.json_reader import read_json

FORMAT = 2  # of a checkpoint and the meaning of its tensors; other numbers are refused
_TENSORS = "tensors.safetensors"
_COUNTERS = "counters.json"
_NAME = re.compile(r"\d{12,}-r\d+")


@final
@dataclass(frozen=True, eq=False)
class TrainingState:
    """Everything that the next step depends on, besides the config and the data.

    Attributes:
        tensors: values by name, of any dtype and device; saved contiguous, loaded on the CPU.
        counters: JSON values, with at least ``images_seen`` and ``retry`` (both int); no NaN.
    """

    tensors: Mapping[str, Tensor]
    counters: Mapping[str, Any]


class Position(NamedTuple):
    """Position of a state in a run. States of a later retry supersede those of earlier ones."""

    retry: int
    images_seen: int


@final
@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        position: retry and images seen.
        scheduled: whether its image count was due; False if a signal caused it.
        milestone: whether it is never removed.
    """

    path: Path
    position: Position
    scheduled: bool
    milestone: bool

    @property
    def images_seen(self) -> int:
        """Real images used in D's steps."""
        return self.position.images_seen


@final
class CheckpointStore:
    """The checkpoints of one run; at most one process may save, any number may read.

    Args:
        folder: holds one folder per checkpoint, ``<images seen>-r<retry>``; need not exist.
        keep_last: number of scheduled checkpoints that stay besides milestones, at least 1.
        on_damage: called once with a sentence for each damaged checkpoint that is skipped.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_last: int = 3,
        on_damage: Callable[[str], None] = lambda _warning: None,
    ) -> None:
        if keep_last < 1:
            raise ValueError(f"keep_last must be at least 1, not {keep_last}")
        self._folder, self._keep_last, self._on_damage = folder, keep_last, on_damage
        self._known_good: set[Path] = set()
        self._warned: set[str] = set()

    def save(self, state: TrainingState, *, scheduled: bool, milestone: bool) -> Path:
        """Commit a state, then remove the checkpoints that are no longer needed.

        A state that is already saved (a signal right after a scheduled checkpoint) is not written
        again; it only gains the flags that it lacks.

        Returns:
            The folder of the checkpoint.

        Raises:
            DiskError: it could not be written; earlier checkpoints still load.
        """
        position = Position(state.counters["retry"], state.counters["images_seen"])
        path = self._folder / f"{position.images_seen:012d}-r{position.retry}"
        for folder in (self._folder, *(each.path for each in self.list())):
            remove_leftovers(folder)
        self._known_good.discard(path)
        present = self._good_record(path) if path.exists() else None
        flags = {"scheduled": scheduled, "milestone": milestone}
        if present is None:
            self._commit(path, state, {"format": FORMAT, **position._asdict(), **flags})
        elif added := {name: True for name, flag in flags.items() if flag and not present[name]}:
            update_record(path, present | added)
        self._known_good.add(path)
        self._remove_old()
        return path

    def newest(self, *, scheduled: bool = False) -> TrainingState | None:
        """Return the latest undamaged state, or the latest ``scheduled`` one, or None.

        After a divergence, training returns to a scheduled one, because signals must not change the
        trajectory.

        Raises:
            DataError: another version of acgan wrote the checkpoints.
        """
        for checkpoint in reversed(self.list()):
            if checkpoint.scheduled or not scheduled:
                try:
                    return read_checkpoint(checkpoint.path)
                except CorruptFolderError as error:
                    self._known_good.discard(checkpoint.path)
                    self._warn(error)
        return None

    def list(self) -> tuple[Checkpoint, ...]:
        """Return all checkpoints with a readable manifest, oldest first; errors as in `newest`."""
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if _NAME.fullmatch(path.name):
                try:
                    found.append(_checkpoint(path, read_record(path)))
                except CorruptFolderError as error:
                    self._warn(error)
        return tuple(sorted(found, key=lambda checkpoint: checkpoint.position))

    def _commit(self, path: Path, state: TrainingState, record: Mapping[str, Any]) -> None:
        # safetensors would report a full disk in its own words, so our code writes the bytes.
        tensors = safetensors.torch.save(
            {name: _contiguous(tensor) for name, tensor in sorted(state.tensors.items())}
        )
        counters = json.dumps(dict(state.counters), indent=1, allow_nan=False) + "\n"

        def write(folder: Path) -> None:
            write_file(folder / _TENSORS, tensors)
            write_file(folder / _COUNTERS, counters)

        if path.exists():  # damaged, hence useless
            remove_folder(path)
        commit_folder(path, write, record, need_bytes=len(tensors) + len(counters))

    def _remove_old(self) -> None:
        """Keep milestones, the last scheduled ones and the latest; damaged ones stay, uncounted."""
        good = [c for c in self.list() if self._good_record(c.path) is not None]
        scheduled = [c for c in good if c.scheduled]
        keep = {c.path for c in good if c.milestone} | {good[-1].path}
        keep |= {c.path for c in scheduled[-self._keep_last :]}
        for checkpoint in good:
            if checkpoint.path not in keep:
                remove_folder(checkpoint.path)
                self._known_good.discard(checkpoint.path)

    def _good_record(self, path: Path) -> dict[str, Any] | None:
        """Return the record of an undamaged checkpoint; its files are read once per process."""
        try:
            known = path in self._known_good
            record = read_record(path) if known else verify_folder(path)["record"]
        except CorruptFolderError as error:
            self._warn(error)
            return None
        self._known_good.add(path)
        return record

    def _warn(self, error: CorruptFolderError) -> None:
        warning = f"a damaged checkpoint is skipped: {error}"
        if warning not in self._warned:
            self._warned.add(warning)
            self._on_damage(warning)


def read_checkpoint(path: Path, prefix: str = "") -> TrainingState:
    """Load the checkpoint in a folder onto the CPU, with the tensors whose name has the prefix.

    Raises:
        CorruptFolderError: it is damaged; the message names the file and the reason.
        DataError: another version of acgan wrote it.
    """
    _checkpoint(path, verify_folder(path)["record"])
    try:
        tensors = safetensors.torch.load((path / _TENSORS).read_bytes())
        counters = read_json(path / _COUNTERS)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CorruptFolderError(f"{path}: is not a checkpoint ({error})") from error
    wanted = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return TrainingState(wanted, counters)


def saved_checkpoints(run: Path, *, before: int) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that led to a model, oldest first.

    States that a retry discarded are left out. ``before`` is the image count of the model.

    Raises:
        DataError: another version of acgan wrote the checkpoints.
    """
    kept: list[Checkpoint] = []
    earliest = before
    for checkpoint in reversed(CheckpointStore(RunFolder(run).checkpoints).list()):
        if checkpoint.images_seen < earliest:  # a retry replaces all that came after its start
            kept.append(checkpoint)
            earliest = checkpoint.images_seen
    return tuple(reversed(kept))


def _checkpoint(path: Path, record: Mapping[str, Any]) -> Checkpoint:
    try:
        if record.get("format") != FORMAT:
            raise DataError(
                f"{path} has format {record.get('format')!r}; this version of acgan reads format "
                f"{FORMAT}; continue the run with the version that wrote it, or "
                "train the model again in another folder (--run)"
            )
        position = Position(int(record["retry"]), int(record["images_seen"]))
        return Checkpoint(path, position, bool(record["scheduled"]), bool(record["milestone"]))
    except (KeyError, TypeError, ValueError):
        raise CorruptFolderError(f"{path}: is not a checkpoint") from None


def _contiguous(tensor: Tensor) -> Tensor:
    """Copy to the CPU in row-major order; safetensors accepts no other and no shared memory."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
