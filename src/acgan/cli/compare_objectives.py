"""`acgan compare-objectives`: what each objective buys, on the same networks and budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acgan.cli.output import JsonFlag, result, table

if TYPE_CHECKING:
    from acgan.studies.objectives_result import ObjectiveComparison


def compare_objectives(
    data: Annotated[
        str, typer.Argument(help="As for `acgan train`, with two classes or more.", metavar="DATA")
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder of the runs and figures; the same command goes on with it."),
    ],
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare this one; repeatable; the recipe's name means its own settings.",
            metavar="NAME",
            show_default="all",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Whose networks all share; by default the data's.", metavar="NAME"),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Real images that each run sees.", metavar="N")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Or minutes of training, at speeds measured once.", metavar="M"),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Repeatable.", metavar="N", show_default="0, 1, 2"),
    ] = None,
    per_class: Annotated[int, typer.Option(help="Samples a class to judge.", metavar="N")] = 1000,
    part: Annotated[
        Literal["test", "validation"],
        typer.Option(help="Real images to judge by; validation while choosing."),
    ] = "test",
    data_root: Annotated[
        Path | None,
        typer.Option(help="Local copies and downloads of named sets [ACGAN_DATA].", metavar="DIR"),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", help="A setting of every run; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train every objective with the same networks, data and budget, and judge what each draws.

    Writes DIR/objectives.json and objectives.txt, renewed after every run, and at the end
    objectives.png.
    """
    import json

    from acgan.kernels.memory import keep_freed_memory
    from acgan.storage.disk import disk_errors
    from acgan.storage.files import write_atomic
    from acgan.studies.objectives import Question, compare_objectives, picture_of
    from acgan.training.display import make_display

    keep_freed_memory()
    question = Question(
        data=data,
        names=tuple(objective or ()),
        recipe=recipe,
        images=images,
        minutes=minutes,
        seeds=tuple(seed) if seed else (0, 1, 2),
        per_class=per_class,
        part=part,
        data_options={"root": str(data_root)} if data_root else {},
        options=tuple(option or ()),
    )

    def keep(found: ObjectiveComparison) -> None:
        with disk_errors(out, option="--out"):
            write_atomic(out / "objectives.json", json.dumps(found.to_json(), indent=2).encode())
            write_atomic(out / "objectives.txt", f"{_text(found)}\n".encode())

    found = compare_objectives(question, out, display=make_display(sys.stderr), told=keep)
    with disk_errors(out, option="--out"):
        write_atomic(out / "objectives.png", picture_of(found, out))
    values: dict[str, Any] = {"folder": out, **found.to_json()}
    result(values, f"{_text(found)}\n  picture: {out / 'objectives.png'}", as_json=as_json)


def _text(found: ObjectiveComparison) -> str:
    header, lines = found.table()
    return (
        f"{found.data}: {found.per_class:,} samples a class against the {found.part} part, of "
        f"which the judge reads {found.judge_accuracy:.1%}; mean ± standard deviation over seeds\n"
        + table(header, lines, header[1:])
    )
