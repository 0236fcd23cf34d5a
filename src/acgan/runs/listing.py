"""The runs below a folder and how far each has come; a broken one is listed with what is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from filelock import FileLock, Timeout

from acgan.errors import UsageError
from acgan.storage.manifest import CorruptFolderError, read_record

_TAIL_BYTES = 1 << 16  # the end of metrics.jsonl, many rows long

State = Literal["training", "resumable", "complete", "diverged", "unreadable"]


@final
@dataclass(frozen=True)
class RunSummary:
    """One run, as its files tell it.

    Attributes:
        name: of its folder.
        path: of its folder.
        data: the source it learns from.
        recipe: the recipe it started from.
        images_seen: at its last checkpoint.
        total_images: its budget, where it is known.
        state: ``training`` while a process works on it; ``resumable`` if its command was stopped
            or killed; ``unreadable`` if its config is.
        last_figures: the newest row of metrics.jsonl; empty before the first.
        has_model: whether it can be drawn from.
        problem: what is wrong with its files, or None.
    """

    name: str
    path: Path
    data: str
    recipe: str
    images_seen: int | None
    total_images: int | None
    state: State
    last_figures: Mapping[str, Any]
    has_model: bool
    problem: str | None


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in ``folder`` by name, or the one run that it is itself.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {what}; name the folder that your runs lie in")
    if (folder / "config.json").is_file():
        return [summarize(folder)]
    return [summarize(path.parent) for path in sorted(folder.glob("*/config.json"))]


def summarize(run: Path) -> RunSummary:
    """One run; whatever cannot be read is left out and told in ``problem``."""
    problems: list[str] = []
    config = _object(run / "config.json", problems)
    status = _object(run / "status.json", problems) if (run / "status.json").exists() else {}
    data = config.get("data")
    members = [summarize(path.parent) for path in sorted(run.glob("members/*/config.json"))]
    images_seen = _whole(status.get("images_seen"))
    if members:  # a set of models: the set's own status is renewed when a member is done
        images_seen = sum(member.images_seen or 0 for member in members)
    elif images_seen is None:
        images_seen = _newest_checkpoint(run)
    return RunSummary(
        name=run.resolve().name,
        path=run,
        data=str(data.get("source", "?") if isinstance(data, Mapping) else "?"),
        recipe=str(config.get("recipe", "?")),
        images_seen=images_seen,
        total_images=_whole(status.get("total_images")),
        state="unreadable" if not config else _state(run, status.get("state")),
        last_figures=_last_figures(run / "metrics.jsonl"),
        has_model=(run / "model" / "model.json").is_file(),
        problem="; ".join(problems) or None,
    )


def _state(run: Path, written: object) -> State:
    match written:
        case "complete" | "diverged":
            return written
    return "training" if _in_use(run / ".lock") else "resumable"


def _in_use(lock_file: Path) -> bool:
    """Whether a training process holds the run; its lock is freed by the system when it dies."""
    if not lock_file.is_file():
        return False
    try:
        with FileLock(lock_file, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # no right to lock there: nothing of ours trains in it
        return False


def _object(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read ({error})")
        return {}
    if not isinstance(value, dict):
        problems.append(f"{path.name} is not what acgan writes")
        return {}
    return value


def _newest_checkpoint(run: Path) -> int | None:
    """Images seen at the newest checkpoint whose manifest is good."""
    for folder in sorted((run / "checkpoints").glob("[!.]*"), reverse=True):
        try:
            return _whole(read_record(folder).get("images_seen"))
        except CorruptFolderError:
            continue
    return None


def _last_figures(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:  # a kill can leave a part of a line, and so can the cut above
            continue
        if isinstance(row, dict) and "event" not in row:
            return row
    return {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
