"""`acgan sample`: pictures of the classes asked for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from acgan.cli.output import JsonFlag, counter, result
from acgan.errors import UsageError

_MOST_COLUMNS = 100


def sample(
    model: Annotated[Path, typer.Argument(help="A run or its model folder.", metavar="MODEL")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Name or index; repeatable; or all. Not for models without classes.",
            metavar="NAME",
            show_default="each class",
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="Pictures of each class, or in all.", metavar="N")] = 1,
    seed: Annotated[
        int, typer.Option(help="The first seed; the next ones follow it.", metavar="N")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write DIR/<class>/<seed>.png (DIR/<seed>.png without classes) and a manifest.",
            metavar="DIR",
            show_default="samples/<run>",
        ),
    ] = None,
    grid: Annotated[
        Path | None, typer.Option(help="Draw one labeled sheet instead.", metavar="FILE.png")
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(
            help="Draw latents from [-T, T] only: more typical, less varied; 0.5 to 2 is usual.",
            metavar="T",
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(
            help="auto is bf16 where that is fast; fp32 for the closest agreement of machines.",
        ),
    ] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Draw pictures of the classes asked for, or of all of the data if the model has no classes.

    The same class and seed always give the same picture (on another machine, the same up to
    round-off), and one seed across classes one style.
    """
    if grid is not None:
        _check_grid(grid, count)
    elif out is None:
        out = Path("samples") / _run_name(model)

    from acgan.kernels.memory import keep_freed_memory
    from acgan.model.model import load
    from acgan.model.sample_folder import write_samples
    from acgan.plots.grid import png_bytes
    from acgan.storage.disk import disk_errors
    from acgan.storage.files import write_atomic

    keep_freed_memory()
    trained = load(model)
    trained.class_indices(label)  # refuses what there is not, before anything is written
    values: dict[str, Any] = {
        "model": trained.record.content_hash,
        "precision": trained.sampling_precision(precision),
    }
    lines = []
    if out is not None:
        drawn = write_samples(
            trained,
            out,
            label,
            count,
            seed,
            truncation,
            precision=precision,
            progress=counter("pictures"),
        )
        values |= {"folder": out, "images": [asdict(each) for each in drawn]}
        plural = "" if len(drawn) == 1 else "s"
        lines.append(f"{len(drawn):,} picture{plural} in {out}")
    if grid is not None:
        picture = trained.grid(label, count, seed, truncation, precision=precision)
        with disk_errors(grid, option="--grid"):
            write_atomic(grid, png_bytes(picture))
        values["sheet"] = grid
        lines.append(f"sheet: {grid}")
    result(values, "\n".join(lines), as_json=as_json)


def _run_name(model: Path) -> str:
    """The run that a person means by the run itself or by its model folder."""
    path = model.resolve()
    return path.parent.name if path.name == "model" else path.name


def _check_grid(grid: Path, count: int) -> None:
    if grid.suffix.lower() != ".png":
        raise UsageError(f"--grid {grid}: a sheet is a PNG; let its name end in .png")
    if count > _MOST_COLUMNS:
        raise UsageError(
            f"--count {count}: a sheet has room for {_MOST_COLUMNS} pictures of a class; "
            "--out DIR takes any number"
        )
