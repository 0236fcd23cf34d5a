"""`acgan compare-objectives`: every objective with the same networks, data and budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acgan.cli.options import (
    BUDGET,
    DATA,
    OUTPUT,
    DataRoot,
    JsonFlag,
    RecipeOption,
    Settings,
    option,
)
from acgan.cli.output import Stages, result, table, write
from acgan.errors import counted

if TYPE_CHECKING:
    from acgan.studies.objectives_result import ObjectiveComparison


EXAMPLE = "acgan compare-objectives digits --images 100000 --out objectives"


def compare_objectives(
    data: Annotated[
        str, typer.Argument(help="As for `acgan train`, with at least two classes.", metavar="DATA")
    ],
    out: Annotated[
        Path, option("Folder of runs and results; the same command continues there.", "DIR", OUTPUT)
    ],
    objective: Annotated[
        list[str] | None,
        option(
            "Compare only this objective; repeatable. The recipe's own objective keeps its "
            "settings.",
            "NAME",
            default="all",
        ),
    ] = None,
    recipe: RecipeOption = None,
    images: Annotated[int | None, option("Real images per run.", "N", BUDGET, min=1)] = None,
    minutes: Annotated[
        float | None,
        option("Minutes per run instead, at speeds measured once.", "M", BUDGET, min=0),
    ] = None,
    quick: Annotated[
        bool,
        option(
            "Indicative results in minutes: half a minute per run, one seed, 100 samples per class "
            "unless given, and a short fit of the reference classifier.",
            group=BUDGET,
            name="--quick",
        ),
    ] = False,
    seed: Annotated[
        list[int] | None, option("A seed; repeatable.", "N", default="0, 1, 2", min=0)
    ] = None,
    per_class: Annotated[int | None, option("Samples per class.", "N", default="1000")] = None,
    split: Annotated[
        Literal["test", "validation"],
        option("Real images to compare with; use validation to choose settings.", group=DATA),
    ] = "test",
    data_root: DataRoot = None,
    settings: Settings = None,
    as_json: JsonFlag = False,
) -> None:
    """Train every objective with the same networks, data and budget, and compare their samples.

    Writes DIR/objectives.json and objectives.txt after every run, and objectives.png at the end.
    """
    import json

    from acgan.execution.progress import Stopwatch
    from acgan.kernels.memory import keep_freed_memory
    from acgan.studies.objectives import Question, compare_objectives, comparison_chart
    from acgan.training.display import make_display

    keep_freed_memory()
    if quick and images is None and minutes is None:
        minutes = 0.5
    question = Question(
        data=data,
        names=tuple(objective or ()),
        recipe=recipe,
        images=images,
        minutes=minutes,
        seeds=tuple(seed) if seed else (0,) if quick else (0, 1, 2),
        per_class=(100 if quick else 1000) if per_class is None else per_class,
        split=split,
        data_options={"root": str(data_root)} if data_root else {},
        options=tuple(settings or ()),
        quick=quick,
    )

    def keep(found: ObjectiveComparison) -> None:
        write(out / "objectives.json", json.dumps(found.to_json(), indent=2))
        write(out / "objectives.txt", f"{_text(found)}\n")

    stages = Stages(sys.stderr)
    found = compare_objectives(
        question,
        out,
        display=make_display(sys.stderr),
        watch=Stopwatch(stages.progress, stages.done),
        on_result=keep,
    )
    chart = out / "objectives.png"
    write(chart, comparison_chart(found, out))
    values: dict[str, Any] = {"folder": out, **found.to_json()}
    result(values, f"{_text(found)}\n  chart: {chart}", as_json=as_json)


def _text(found: ObjectiveComparison) -> str:
    header, lines = found.table()
    seeds = max(map(len, found.rows.values()))
    values = "mean ± standard deviation over seeds" if seeds > 1 else "one seed"
    return (
        f"{found.data}: {counted(found.per_class, 'sample')} per class, compared with the "
        f"{found.split} split (accuracy of the reference classifier on it: "
        f"{found.reference_accuracy:.1%}); {values}\n"
        + (f"{_INDICATIVE}\n" if found.indicative else "")
        + table(header, lines, header[1:])
    )


_INDICATIVE = (
    "quick comparison, indicative only: short runs favor objectives that learn fast; decide with "
    "the full one (without --quick, in another folder)"
)
