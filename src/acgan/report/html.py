"""HTML pages of reports: one file without scripts or external resources; all values are escaped."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeGuard

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acgan.report.report import (
    AIMS,
    LEVELS,
    Level,
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
    Finding,
    ImageBlock,
    Metric,
    Section,
    Table,
    class_ranks,
    worst_class,
)

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


# Not allowed in HTML, or (half of a pair of surrogates, from a folder's name) not in UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PNG_HEADER = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33  # signature and the chunk IHDR
_DENSITY_WITHIN = 1024  # the chunk pHYs comes before the pixels
_PER_METRE = 1  # its only unit
_PAGE_PIXELS_PER_METRE = 96 / 0.0254


def render(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: name of its file.
        values: what it shows; all text is escaped.
    """
    return _environment().get_template(template).render(**values)


def data_uri(png: bytes) -> str:
    """A picture as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def png_size(png: bytes) -> tuple[int, int] | None:
    """Width and height in the page's pixels (96 to the inch), so that nothing moves as it loads.

    A picture that says how many of its own pixels an inch has (charts do) is laid out at its size
    in inches; others pixel by pixel. None for what is no PNG.
    """
    if not png.startswith(_PNG_HEADER) or len(png) < _HEADER_BYTES:
        return None
    width, height = struct.unpack(">II", png[16:24])
    place = png.find(b"pHYs", _HEADER_BYTES, _DENSITY_WITHIN)
    if place < 0 or len(png) < place + 13:
        return width, height
    across, _, unit = struct.unpack(">IIB", png[place + 4 : place + 13])
    scale = _PAGE_PIXELS_PER_METRE / across if unit == _PER_METRE and across else 1.0
    return round(width * scale), round(height * scale)


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
    """Text in which every character may stand in a page; the template's own is left as it is."""
    return value if isinstance(value, Markup) else _FORBIDDEN.sub("�", str(value))


MARKS: dict[Level, str] = {"fault": "✕ Fault", "warning": "! Warning", "good": "✓ Good"}
_HELD_OUT = {
    True: (
        "Held out.",
        "The model's record names the same split: it has never seen the real images that it is "
        "held against.",
    ),
    False: (
        "Not held out.",
        "The model may have learned from the real images that it is held against: these figures "
        "flatter it.",
    ),
    None: (
        "Held out? Nobody knows.",
        "Nothing records what these samples were learned from. Where that includes the real "
        "images that they are held against, the figures flatter them.",
    ),
}


def report_html(report: Report) -> str:
    """The page: verdict first, then headline figures, pictures, chapters, how it was made.

    Everything is in the one file, and a content security policy keeps it from asking for more.
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
        overview=_picture(report.overview, "overview") if report.overview else None,
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
    yield f"held against {report.data}"
    if "recipe" in report.origin:
        yield f"recipe {report.origin['recipe']}"
    if "images_seen" in report.origin:
        yield f"{fact(report.origin['images_seen'])} images seen"
    if report.date:
        yield report.date[: len("2026-12-31")]


def _made(report: Report) -> Iterator[tuple[str, str]]:
    """How it was made, name by name."""
    reference_classifier = report.reference_classifier
    yield "data", report.data
    yield from ((words(key), fact(value, full=True)) for key, value in report.origin.items())
    yield from (
        (f"judge: {words(key)}", fact(each, full=True))
        for key, each in reference_classifier.items()
    )
    yield from report.versions.items()
    for name, value in (
        ("machine", report.machine),
        ("command", report.command),
        ("date", report.date),
    ):
        if value:
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
            _picture(block, f"{anchor}-picture-{position}")
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


def _picture(picture: ImageBlock, anchor: str) -> dict[str, Any]:
    return {
        "is_image": True,
        "anchor": anchor,
        "title": picture.title,
        "caption": picture.caption,
        "source": data_uri(picture.png),
        "size": png_size(picture.png),
    }


def _anchor(section: Section) -> str:
    return f"section-{section.key}"


def _short_title(section: Section) -> str:
    return section.title.partition(":")[0]
