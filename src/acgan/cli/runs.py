"""`acgan runs`: the existing runs, their progress and disk use; deletes runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acgan.cli.options import JsonFlag, option
from acgan.cli.output import confirm, result, say, table
from acgan.storage.disk import folder_bytes, human_size

if TYPE_CHECKING:
    from acgan.runs.listing import RunSummary

EXAMPLE = "acgan runs"


def runs(
    folder: Annotated[
        Path, typer.Argument(help="The folder that contains the runs.", metavar="DIR")
    ] = Path("runs"),
    delete: Annotated[
        list[str] | None, option("Delete this run; repeatable.", "NAME", name="--delete")
    ] = None,
    yes: Annotated[bool, option("Delete without a question.", name="--yes")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the runs in a folder with their progress and disk use, or delete runs."""
    from acgan.runs.listing import list_runs

    if delete:
        _delete(folder, delete, yes=yes, as_json=as_json)
        return
    found = list_runs(folder)
    for run in found:
        if run.problem:
            say(run.problem)
    header = ("run", "data", "recipe", "images", "of", "state", "held-out", "fake", "disk")
    rows = [_row(run) for run in found]
    text = table(header, rows, ("images", "of", "held-out", "fake", "disk"))
    if not found:
        text = f"no runs in {folder} yet; `acgan train digits` creates one"
    else:
        text += "\n(held-out, fake: class accuracy of the discriminator on these images)"
    result([asdict(run) for run in found], text, as_json=as_json)


def _delete(folder: Path, names: list[str], *, yes: bool, as_json: bool) -> None:
    from acgan.runs.listing import delete_run, runs_to_delete

    paths = runs_to_delete(folder, names)
    size = human_size(sum(map(folder_bytes, paths)))
    confirm(f"delete {', '.join(map(str, paths))} ({size}) for good?", yes=yes)
    freed = {str(path): delete_run(path) for path in paths}
    lines = [f"deleted {path} ({human_size(size)})" for path, size in freed.items()]
    result({"deleted": freed}, "\n".join(lines), as_json=as_json)


def _row(run: RunSummary) -> tuple[str, ...]:
    accuracy = run.last_row.get("class_accuracy")
    shares: dict[str, Any] = accuracy if isinstance(accuracy, dict) else {}
    return (
        run.name,
        run.data,
        run.recipe,
        _number(run.images_seen),
        _number(run.total_images),
        run.state,
        _share(shares.get("real_held_out")),
        _share(shares.get("fake")),
        human_size(run.disk_bytes),
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float | int) else "–"
