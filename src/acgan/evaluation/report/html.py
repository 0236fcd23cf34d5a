"""The report for people: one file that needs nothing else, neither network nor JavaScript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from acgan.evaluation.report.headline import headline
from acgan.evaluation.report.numbers import duration, fact, number, words
from acgan.evaluation.report.report import LEVELS, Level, Report, verdict
from acgan.evaluation.report.tables import class_tables, figure_rows, table_rows
from acgan.evaluation.report.templates import data_uri, png_size, render
from acgan.evaluation.section import Finding, Picture, Section

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
    figures = [figure for section in report.sections for figure in section.figures]
    return render(
        "report.html",
        name=report.name,
        facts=list(_facts(report)),
        verdict={"level": level, "words": sentence},
        findings=[_finding(section, each) for section, each in report.findings()],
        panel=headline(figures, report.classes),
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
    judge = report.judge
    yield "data", report.data
    yield from ((words(key), fact(value, full=True)) for key, value in report.origin.items())
    yield from ((f"judge: {words(key)}", fact(each, full=True)) for key, each in judge.items())
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
        "figures": figure_rows(section, f"{anchor}-protocol"),
        "class_tables": class_tables(section, report.classes),
        "blocks": [
            _picture(block, f"{anchor}-picture-{position}")
            if isinstance(block, Picture)
            else table_rows(block)
            for position, block in enumerate(section.blocks)
        ],
        "notes": section.notes,
        "protocols": [
            {
                "anchor": f"{anchor}-protocol-{index}",
                "title": "; ".join(f.name for f in section.figures if f.protocol == key) or key,
                "facts": [(words(name), fact(value, full=True)) for name, value in values.items()],
            }
            for index, (key, values) in enumerate(section.protocols.items())
        ],
    }


def _picture(picture: Picture, anchor: str) -> dict[str, Any]:
    return {
        "is_picture": True,
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
