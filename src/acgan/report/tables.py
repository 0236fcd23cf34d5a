"""Figures and tables of a section as rows of text, ready to lay out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from acgan.report.report import AIMS, column, frechet_ratio, interval, number
from acgan.report.section import Metric, Section, Table, class_ranks, worst_class

_FOLD_FROM = 30  # classes from which a table of them is folded away
_WIDEST = 6  # figures that one table of classes may have
_WORST_NAMED = 5
_HEAT = 0.7  # opacity of a full cell, at which text is still legible in both color schemes
_HEAT_POWER = 0.6  # lifts the small shares, which are what one looks for


def metric_rows(section: Section, anchor: str) -> dict[str, Any]:
    """The figure table of a section; ``anchor`` begins the addresses of its protocols."""
    metrics = section.metrics
    return {
        "has_interval": any(each.interval for each in metrics),
        "has_baseline": any(each.baseline is not None for each in metrics),
        "rows": [
            {
                "name": each.name,
                "note": each.note,
                "protocol": f"{anchor}-{list(section.protocols).index(each.protocol)}",
                "value": None if each.value is None else number(each.value),
                "interval": interval(each.interval),
                "baseline": "" if each.baseline is None else number(each.baseline),
                "frechet_ratio": frechet_ratio(each.value, each.baseline)
                if each.aim == "low"
                else "",
                "aim_sign": AIMS[each.aim][0],
                "aim_words": AIMS[each.aim][1],
            }
            for each in metrics
        ],
    }


def class_tables(section: Section, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return tables with classes as rows and metrics as columns.

    More than six metrics are divided into one table per extractor.
    """
    metrics = [metric for metric in section.metrics if metric.per_class]
    if len(metrics) <= _WIDEST:
        return [_class_table(None, metrics, classes)] if metrics else []
    extractors = dict.fromkeys(metric.extractor for metric in metrics)
    return [
        _class_table(extractor, [each for each in metrics if each.extractor == extractor], classes)
        for extractor in extractors
    ]


def _class_table(
    extractor: str | None, metrics: Sequence[Metric], classes: Sequence[str]
) -> dict[str, Any]:
    """One table; ``extractor`` is that of all its metrics and stands in the title then."""
    columns = [_class_column(metric) for metric in metrics]
    has_worst = any(worst_class(metric) is not None for metric in metrics)
    return {
        "title": f"Per class ({extractor})" if extractor else "Per class",
        "folded": len(classes) >= _FOLD_FROM,
        "has_worst": has_worst,
        "worst": _worst_of_many(metrics[0], classes) if len(classes) >= _FOLD_FROM else "",
        "columns": [
            {
                "name": metric.name if extractor is None else metric.title,
                "has_baseline": bool(metric.per_class_baseline),
                "aim_sign": AIMS[metric.aim][0],
                "aim_words": AIMS[metric.aim][1],
            }
            for metric in metrics
        ],
        "rows": [
            {"name": name, "cells": cells} for name, *cells in zip(classes, *columns, strict=True)
        ],
    }


def _class_column(metric: Metric) -> list[dict[str, Any]]:
    """The cells of a figure, from the first class to the last."""
    count, worst = len(metric.per_class), worst_class(metric)
    frechet_ratio = metric.per_class_baseline
    texts = column((*metric.per_class, *frechet_ratio))
    return [
        {
            "value": texts[index],
            "is_known": _is_finite(metric.per_class[index]),
            "reason": metric.note or "cannot be given for this class: too few images or no spread",
            "baseline": texts[count + index] if frechet_ratio else "",
            "worst": worst == index,
        }
        for index in range(count)
    ]


def _worst_of_many(metric: Metric, classes: Sequence[str]) -> str:
    """A sentence that names the worst classes of a figure."""
    ranks = class_ranks(metric)
    worst = sorted(ranks, key=lambda index: (-ranks[index], index))[:_WORST_NAMED]
    named = ", ".join(f"{classes[index]} ({number(metric.per_class[index])})" for index in worst)
    return f"{metric.name} is worst for {named}." if named else ""


def table_rows(block: Table) -> dict[str, Any]:
    """A table with every cell as text; heat tables with each number's share of its row."""
    return {
        "is_image": False,
        "title": block.title,
        "caption": block.caption,
        "heat": block.heat,
        "header": block.header,
        "rows": [_cells(row, heat=block.heat) for row in block.rows],
    }


def _cells(row: Sequence[str | float | int | None], *, heat: bool) -> list[dict[str, Any]]:
    total = sum(max(each, 0.0) for each in row if _is_finite(each))
    return [
        {
            "text": cell if isinstance(cell, str) else number(cell),
            "is_heading": isinstance(cell, str) and position == 0,
            "is_text": isinstance(cell, str),
            "is_zero": heat and cell == 0,
            "share": f"{_HEAT * max(0.0, cell / total) ** _HEAT_POWER:.3f}"
            if heat and total > 0 and _is_finite(cell)
            else None,
        }
        for position, cell in enumerate(row)
    ]


def _is_finite(cell: str | float | int | None) -> TypeGuard[float]:
    return cell is not None and not isinstance(cell, str) and math.isfinite(cell)
