"""HTML pages of reports: one file without scripts or external resources; all values are escaped."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import Any, TypeGuard

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from acgan.report.report import (
    AIMS,
    Report,
    column,
    duration,
    fact,
    frechet_ratio,
    headline,
    interval,
    number,
    verdict,
    words,
)
from acgan.report.section import (
    LEVELS,
    Finding,
    ImageBlock,
    Level,
    Metric,
    Section,
    Table,
    class_ranks,
    worst_class,
)

_FOLD_FROM = 30  # number of classes from which their tables are collapsed
_WIDEST = 6  # metrics in one table of classes
_WORST_NAMED = 5
_HEAT = 0.7  # opacity of a full cell, at which text is still legible in both color schemes
_HEAT_POWER = 0.6  # < 1 to make small shares visible


def metric_rows(section: Section, anchor: str) -> dict[str, Any]:
    """Return the table of metrics; ``anchor`` is the prefix of the links to their protocols."""
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
    """Return the cells of a metric in label order."""
    count, worst = len(metric.per_class), worst_class(metric)
    baselines = metric.per_class_baseline
    texts = column((*metric.per_class, *baselines))
    return [
        {
            "value": texts[index],
            "is_known": _is_finite(metric.per_class[index]),
            "reason": metric.note or "undefined for this class: too few images or no variance",
            "baseline": texts[count + index] if baselines else "",
            "worst": worst == index,
        }
        for index in range(count)
    ]


def _worst_of_many(metric: Metric, classes: Sequence[str]) -> str:
    """Return a sentence that names the worst classes of a metric."""
    ranks = class_ranks(metric)
    worst = sorted(ranks, key=lambda index: (-ranks[index], index))[:_WORST_NAMED]
    named = ", ".join(f"{classes[index]} ({number(metric.per_class[index])})" for index in worst)
    return f"{metric.name} is worst for {named}." if named else ""


def table_rows(block: Table) -> dict[str, Any]:
    """Return a table with all cells as text, and the share of its row for numbers of a heat map."""
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


# Not allowed in HTML, or (half of a pair of surrogates, from a folder's name) not in UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PAGE_DPI = 96


def render(template: str, **values: Any) -> str:
    """Render a page.

    Args:
        template: file name of the template.
        values: variables of the template; all text is escaped.
    """
    return _environment().get_template(template).render(**values)


def data_uri(png: bytes) -> str:
    """Return a PNG as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def png_size(png: bytes) -> tuple[int, int] | None:
    """Return width and height in CSS pixels (96 per inch), so that the layout does not move.

    A PNG with a resolution (plots have one) is laid out at its size in inches, others pixel by
    pixel. None for bytes that are not a PNG.
    """
    try:
        image = Image.open(BytesIO(png), formats=["PNG"])
    except UnidentifiedImageError:
        return None
    scales = (_PAGE_DPI / dpi for dpi in image.info.get("dpi", (_PAGE_DPI, _PAGE_DPI)))
    width, height = (round(side * scale) for side, scale in zip(image.size, scales, strict=True))
    return width, height


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("acgan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: Any) -> Any:
    """Replace characters that HTML or UTF-8 do not allow; markup of the templates is unchanged."""
    return value if isinstance(value, Markup) else _FORBIDDEN.sub("�", str(value))


MARKS: dict[Level, str] = {"fault": "✕ Fault", "warning": "! Warning", "good": "✓ Good"}
_HELD_OUT = {
    True: (
        "Held out.",
        "The record of the model names the same splits: it was not trained on the real images that "
        "its samples are compared with.",
    ),
    False: (
        "Not held out.",
        "The model may have been trained on the real images that its samples are compared with, so "
        "these metrics may be too good.",
    ),
    None: (
        "Held out: unknown.",
        "The training data of these samples is not recorded. If it includes the real images that "
        "they are compared with, these metrics are too good.",
    ),
}


def report_html(report: Report) -> str:
    """Return the page: verdict, headline metrics, images, chapters, and how it was made.

    The file is self-contained; a content security policy forbids external resources.
    """
    level, sentence = verdict({finding.level for _, finding in report.findings()})
    heading, known = _HELD_OUT[report.held_out]
    metrics = [metric for section in report.sections for metric in section.metrics]
    return render(
        "report.html",
        name=report.name,
        facts=list(_facts(report)),
        verdict={"level": level, "words": sentence},
        findings=[_finding(section, each) for section, each in report.findings()],
        panel=headline(metrics, report.classes),
        held_out={"heading": heading, "sentence": known},
        overview=_image(report.overview, "overview") if report.overview else None,
        sections=[_section(section, report) for section in report.sections],
        made=list(_made(report)),
        notes=report.notes,
        seconds=[(part, duration(seconds)) for part, seconds in report.seconds.items()],
        total_time=duration(sum(report.seconds.values())),
        config=list(_flat(report.config or {})),
    )


def _facts(report: Report) -> Iterator[str]:
    classes = f" of {number(len(report.classes))} classes" if len(report.classes) > 1 else ""
    yield f"{number(report.samples)} samples{classes}"
    yield f"compared with {report.data}"
    if "recipe" in report.origin:
        yield f"recipe {report.origin['recipe']}"
    if "images_seen" in report.origin:
        yield f"{fact(report.origin['images_seen'])} images seen"
    if report.date:
        yield report.date[: len("2026-12-31")]


def _made(report: Report) -> Iterator[tuple[str, str]]:
    """Name and value of everything needed to reproduce the report."""
    yield "data", report.data
    yield from ((words(key), fact(value, full=True)) for key, value in report.origin.items())
    yield from (
        (f"reference classifier: {words(key)}", fact(each, full=True))
        for key, each in report.reference_classifier.items()
    )
    yield from report.versions.items()
    for name in ("machine", "command", "date"):
        if value := getattr(report, name):
            yield name, value


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", fact(value, full=True)


def _finding(section: Section, finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level,
        "mark": MARKS[finding.level],
        "sentence": finding.sentence,
        "section": _short_title(section),
        "anchor": _anchor(section),
    }


def _section(section: Section, report: Report) -> dict[str, Any]:
    anchor = _anchor(section)
    ordered = sorted(section.findings, key=lambda each: LEVELS.index(each.level))
    return {
        "anchor": anchor,
        "title": section.title,
        "short_title": _short_title(section),
        "explanation": section.explanation,
        "findings": [_finding(section, each) for each in ordered],
        "metrics": metric_rows(section, f"{anchor}-protocol"),
        "class_tables": class_tables(section, report.classes),
        "blocks": [
            _image(block, f"{anchor}-image-{position}")
            if isinstance(block, ImageBlock)
            else table_rows(block)
            for position, block in enumerate(section.blocks)
        ],
        "notes": section.notes,
        "protocols": [
            {
                "anchor": f"{anchor}-protocol-{index}",
                "title": "; ".join(f.name for f in section.metrics if f.protocol == key) or key,
                "facts": [(words(name), fact(value, full=True)) for name, value in values.items()],
            }
            for index, (key, values) in enumerate(section.protocols.items())
        ],
    }


def _image(image: ImageBlock, anchor: str) -> dict[str, Any]:
    return {
        "is_image": True,
        "anchor": anchor,
        "title": image.title,
        "caption": image.caption,
        "source": data_uri(image.png),
        "size": png_size(image.png),
    }


def _anchor(section: Section) -> str:
    return f"section-{section.key}"


def _short_title(section: Section) -> str:
    return section.title.partition(":")[0]
