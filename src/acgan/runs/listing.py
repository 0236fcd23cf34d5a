"""Summaries of the runs in a folder; a damaged run is listed with its problem."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from acgan.errors import DataError, UsageError
from acgan.runs.checkpoint import CheckpointStore
from acgan.runs.folder import RunFolder, lock_is_held
from acgan.storage.disk import folder_bytes
from acgan.storage.files import spelled_on_disk
from acgan.storage.folders import remove_folder
from acgan.storage.json_reader import parse_json

_TAIL_BYTES = 1 << 16  # the end of metrics.jsonl, many rows long

State = Literal["training", "resumable", "complete", "diverged", "unreadable"]


@final
@dataclass(frozen=True)
class RunSummary:
    """State of one run, read from its files.

    Attributes:
        data: source of its data.
        recipe: name of its recipe.
        images_seen: at its last checkpoint.
        total_images: its budget, if known.
        state: ``training`` while a process trains it; ``resumable`` if its command was stopped or
            killed; ``unreadable`` if its config is.
        last_row: the newest row of metrics.jsonl; empty before the first.
        has_model: whether it can generate images.
        problem: why some of its files cannot be used, or None.
        disk_bytes: size of all its files.
    """

    name: str
    path: Path
    data: str
    recipe: str
    images_seen: int | None
    total_images: int | None
    state: State
    last_row: Mapping[str, Any]
    has_model: bool
    problem: str | None
    disk_bytes: int


def list_runs(folder: Path) -> list[RunSummary]:
    """Summarize the runs in ``folder`` by name, or the one run that it is.

    Raises:
        UsageError: there is no such folder.
    """
    folder = spelled_on_disk(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {what}; name the folder that contains your runs")
    if RunFolder(folder).has_run():
        return [summarize(folder)]
    return [summarize(path) for path in _runs_in(folder)]


def runs_to_delete(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders of runs by their names in ``folder``, after a check that all are runs.

    Raises:
        UsageError: a name is not that of a run in ``folder``, or a process is using it.
    """
    paths = []
    for name in dict.fromkeys(names):
        path = Path(name)
        if path.parent == Path() or path.parent == folder:
            path = folder / path.name
        if path.parent != folder or path.name in {"", ".."}:
            raise UsageError(f"{name} is not a run in {folder}; `acgan runs` lists the runs")
        RunFolder(path).require_deletable()
        paths.append(path)
    return paths


def delete_run(path: Path) -> int:
    """Remove a run folder; return the bytes that this freed.

    Raises:
        UsageError: it is not a run folder, or a process is using it.
        DiskError: it cannot be removed.
    """
    RunFolder(path).require_deletable()
    freed = folder_bytes(path)
    remove_folder(path)
    return freed


def summarize(run: Path) -> RunSummary:
    """Summarize one run; ``problem`` names the files that cannot be read."""
    folder = RunFolder(run)
    problems: list[str] = []
    config = _object(folder, folder.config, problems)
    status = _object(folder, folder.status, problems)
    data = config.get("data")
    members = [summarize(path) for path in _runs_in(folder.members)]
    images_seen = _whole(status.get("images_seen"))
    if members:  # the status of a set is renewed only when a member is complete
        images_seen = sum(member.images_seen or 0 for member in members)
    elif images_seen is None:
        try:
            for checkpoint in CheckpointStore(folder.checkpoints).list()[-1:]:
                images_seen = checkpoint.images_seen
        except DataError as error:
            problems.append(str(error))
    state: State = status.get("state", "")
    if str(state) not in {"complete", "diverged"}:
        state = "training" if lock_is_held(run) else "resumable"
    return RunSummary(
        name=run.resolve().name,
        path=run,
        data=str(data.get("source", "?") if isinstance(data, Mapping) else "?"),
        recipe=str(config.get("recipe", "?")),
        images_seen=images_seen,
        total_images=_whole(status.get("total_images")),
        state=state if config else "unreadable",
        last_row=_last_row(folder.metrics),
        has_model=folder.model.is_dir(),
        problem="; ".join(problems) or None,
        disk_bytes=folder_bytes(run),
    )


def _runs_in(folder: Path) -> list[Path]:
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in paths if RunFolder(path).has_run())


def _object(folder: RunFolder, path: Path, problems: list[str]) -> dict[str, Any]:
    """Return the JSON object in a file; empty if there is no file or it is damaged."""
    try:
        value = folder.read(path)
    except DataError as error:
        problems.append(str(error))
        return {}
    if value is None or isinstance(value, dict):
        return value or {}
    problems.append(f"{path} does not contain a JSON object")
    return {}


def _last_row(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            row = parse_json(line)
        except ValueError:  # cut off by a kill, or by the tail's length
            continue
        if isinstance(row, dict) and "event" not in row:
            return row
    return {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
