"""`acgan runs`: the existing runs and their progress."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acgan.cli.options import JsonFlag
from acgan.cli.output import result, say, table

if TYPE_CHECKING:
    from acgan.runs.listing import RunSummary

EXAMPLE = "acgan runs"


def runs(
    folder: Annotated[
        Path, typer.Argument(help="The folder that contains the runs.", metavar="DIR")
    ] = Path("runs"),
    as_json: JsonFlag = False,
) -> None:
    """List the runs in a folder with their progress."""
    from acgan.runs.listing import list_runs

    found = list_runs(folder)
    for run in found:
        if run.problem:
            say(run.problem)
    header = ("run", "data", "recipe", "images", "of", "state", "held-out", "fake")
    rows = [_row(run) for run in found]
    text = table(header, rows, ("images", "of", "held-out", "fake"))
    if not found:
        text = f"no runs in {folder} yet; `acgan train digits` creates one"
    else:
        text += "\n(held-out, fake: class accuracy of the discriminator on these images)"
    result([asdict(run) for run in found], text, as_json=as_json)


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
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float | int) else "–"
