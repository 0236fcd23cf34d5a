"""A comparison as JSON values and as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from acgan.report.comparison import MetricRow, ReportComparison
from acgan.report.files import NamedReport
from acgan.report.html import MARKS, render
from acgan.report.report import AIMS, column, fact, interval, mean_and_spread, number

_FOLD_FROM = 30  # number of classes from which their tables are collapsed


def footnotes(rows: Sequence[MetricRow]) -> dict[str, int]:
    """Return the reasons why metrics cannot be compared, numbered from 1."""
    reasons = dict.fromkeys(row.conflict for row in rows if row.conflict)
    return {reason: position for position, reason in enumerate(reasons, start=1)}


def common_baseline(row: MetricRow) -> float | None:
    """Return the baseline that all values of a row share; None if they differ or have none."""
    baselines = {each.baseline for each in row.metrics if each and each.value is not None}
    return next(iter(baselines)) if len(baselines) == 1 and not row.conflict else None


def comparison_json(comparison: ReportComparison) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    return {
        "runs": [
            {
                "name": report.name,
                "report": str(report.path),
                "data": report.record.data,
                "samples": report.record.samples,
                "held_out": report.record.held_out,
                "origin": report.record.origin,
                "verdict": dict(zip(("level", "words"), report.record.verdict, strict=True)),
                "findings": [asdict(each) for each in report.record.findings],
            }
            for report in comparison.reports
        ],
        "metrics": [
            {
                "key": row.key,
                "name": row.name,
                "aim": row.aim,
                "values": [
                    {"value": each.value, "interval": each.interval, "baseline": each.baseline}
                    if each
                    else None
                    for each in row.metrics
                ],
                "not_comparable": row.conflict or None,
                "clear_best": None
                if row.clear_best is None
                else comparison.reports[row.clear_best].name,
            }
            for row in comparison.rows
        ],
        "unshared": comparison.unshared,
        "seeds": [
            {
                "name": group.name,
                "runs": [comparison.reports[i].name for i in group.members],
                "metrics": {key: asdict(spread) for key, spread in group.spreads.items()},
            }
            for group in comparison.groups
        ],
    }


def comparison_html(comparison: ReportComparison) -> str:
    """Return the page: verdicts, metrics side by side, means over seeds, values per class."""
    numbers = footnotes(comparison.rows)
    return render(
        "comparison.html",
        names=[report.name for report in comparison.reports],
        runs=[_run(report) for report in comparison.reports],
        sections=list(_sections(comparison.rows, numbers)),
        unshared=list(comparison.unshared.items()),
        footnotes=[(position, reason) for reason, position in numbers.items()],
        has_best=any(row.clear_best is not None for row in comparison.rows),
        groups=[
            {
                "name": group.name,
                "runs": ", ".join(comparison.reports[i].name for i in group.members),
                "rows": [
                    {
                        "name": row.name,
                        "aim": AIMS[row.aim],
                        "spread": mean_and_spread(spread.mean, spread.standard_deviation),
                        "count": spread.seeds,
                    }
                    for row in comparison.rows
                    if (spread := group.spreads.get(row.key))
                ],
            }
            for group in comparison.groups
        ],
        class_tables=list(_class_tables(comparison, numbers)),
    )


def _run(report: NamedReport) -> dict[str, Any]:
    record = report.record
    level, sentence = record.verdict
    return {
        "name": report.name,
        "level": level,
        "verdict": sentence,
        "facts": [
            ("data", record.data),
            ("samples", number(record.samples)),
            ("held out", "unknown" if record.held_out is None else fact(record.held_out)),
            *((label, fact(record.origin[key])) for key, label in _ORIGIN if key in record.origin),
        ],
        "findings": [
            {"level": each.level, "mark": MARKS[each.level], "sentence": each.sentence}
            for each in report.record.findings
            if each.level != "good"
        ],
    }


_ORIGIN = (
    ("recipe", "recipe"),
    ("images_seen", "images seen"),
    ("training_seed", "seed"),
    ("model", "model"),
)


def _sections(rows: Sequence[MetricRow], numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    for title in dict.fromkeys(row.section for row in rows):
        chosen = [row for row in rows if row.section == title]
        yield {"title": title, "rows": [_metric_row(row, numbers) for row in chosen]}


def _metric_row(row: MetricRow, numbers: dict[str, int]) -> dict[str, Any]:
    baseline = common_baseline(row)
    cells = [
        {
            "value": number(each.value if each else None),
            "interval": interval(each.interval) if each else "",
            "baseline": number(each.baseline)
            if each and baseline is None and each.baseline is not None
            else "",
            "best": position == row.clear_best,
        }
        for position, each in enumerate(row.metrics)
    ]
    return {
        "name": row.name,
        "aim": AIMS[row.aim],
        "footnote": numbers.get(row.conflict),
        "baseline": "" if baseline is None else number(baseline),
        "cells": cells,
    }


def _class_tables(
    comparison: ReportComparison, numbers: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield a table per metric with values per class in all reports: classes by reports."""
    classes = comparison.reports[0].record.classes
    if any(report.record.classes != classes for report in comparison.reports):
        return
    for row in comparison.rows:
        values = [each.per_class for each in row.metrics if each is not None and each.per_class]
        if len(values) < len(comparison.reports):
            continue
        baselines = {each.per_class_baseline for each in row.metrics if each is not None}
        shared = next(iter(baselines)) if len(baselines) == 1 and not row.conflict else ()
        columns = [column(each) for each in (*values, *([shared] if shared else []))]
        yield {
            "title": row.name,
            "aim": AIMS[row.aim],
            "footnote": numbers.get(row.conflict),
            "has_baseline": bool(shared),
            "folded": len(classes) >= _FOLD_FROM,
            "rows": [(name, cells) for name, *cells in zip(classes, *columns, strict=True)],
        }
