"""`acgan compare`: the evaluations of several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acgan.cli.options import OUTPUT, JsonFlag, option
from acgan.cli.output import result, say, table, write

if TYPE_CHECKING:
    from acgan.report.comparison import MetricRow, ReportComparison, SeedGroup


EXAMPLE = "acgan compare runs/a runs/b --out comparison.html"


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Runs that have been evaluated, or their reports (report.json).",
            metavar="RUN RUN...",
        ),
    ],
    out: Annotated[
        Path | None,
        option("Write an HTML page with all metrics, class by class.", "FILE.html", OUTPUT),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare the evaluations of several runs.

    Metrics that were computed in different ways are marked with the reason why they are not
    comparable. Runs that differ only in their seed also get mean and standard deviation.
    """
    from acgan.report.comparison import compare as compare_reports
    from acgan.report.comparison_page import comparison_html, comparison_json
    from acgan.report.files import load_reports

    comparison = compare_reports(load_reports(runs))
    if out is not None:
        write(out, comparison_html(comparison))
        say(f"wrote {out}")
    result(comparison_json(comparison), _text(comparison), as_json=as_json)


def _text(comparison: ReportComparison) -> str:
    sections = [_metrics(comparison)]
    for group in comparison.groups:
        runs = ", ".join(comparison.reports[i].name for i in group.members)
        sections.append(f"{group.name} ({runs})\n{_spreads(group, comparison.rows)}")
    sections.append(
        "\n".join(f"{each.name}: {each.record.verdict[1]}" for each in comparison.reports)
    )
    return "\n\n".join(sections)


def _metrics(comparison: ReportComparison) -> str:
    """Return metrics as rows, runs as columns; below, why some are not comparable."""
    from acgan.report.comparison_page import common_baseline, footnotes
    from acgan.report.report import AIMS, number

    only = [
        f"only in {name}: {', '.join(metrics)}" for name, metrics in comparison.unshared.items()
    ]
    if not comparison.rows:
        return "\n".join(["these reports have no metric in common", *only])
    numbers = footnotes(comparison.rows)
    rows = [
        (
            row.name + (f" [{numbers[row.conflict]}]" if row.conflict else ""),
            *(
                number(value) + (" ★" if position == row.clear_best else "")
                for position, value in enumerate(row.values)
            ),
            "" if (baseline := common_baseline(row)) is None else number(baseline),
            AIMS[row.aim][0],
        )
        for row in comparison.rows
    ]
    names = [report.name for report in comparison.reports]
    lines = [table(("metric", *names, "baseline", "better"), rows, (*names, "baseline"))]
    if any(row.clear_best is not None for row in comparison.rows):
        lines.append("★ its 95 % interval overlaps no other (for these samples and this seed)")
    lines += [f"[{position}] not comparable: {reason}" for reason, position in numbers.items()]
    return "\n".join([*lines, *only])


def _spreads(group: SeedGroup, rows: Sequence[MetricRow]) -> str:
    """Return mean and standard deviation of each metric over the seeds of a group."""
    from acgan.report.report import mean_and_spread

    if not group.spreads:
        return "no mean: their metrics were computed in different ways"
    lines = [
        (row.name, mean_and_spread(spread.mean, spread.standard_deviation), str(spread.seeds))
        for row in rows
        if (spread := group.spreads.get(row.key))
    ]
    return table(("metric", "mean ± std", "seeds"), lines, ("seeds",))
