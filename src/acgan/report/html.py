"""Pages from the templates beside this module: every value is escaped, nothing is fetched.

The report for people: one file that needs nothing else, neither network nor JavaScript.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acgan.report.report import (
    LEVELS,
    Level,
    Report,
    duration,
    fact,
    headline,
    number,
    verdict,
    words,
)
from acgan.report.section import Finding, ImageBlock, Section
from acgan.report.tables import class_tables, metric_rows, table_rows

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
