"""The report in a few lines of text, for a terminal."""

from __future__ import annotations

import textwrap
from itertools import chain

from acgan.evaluation.report.headline import headline
from acgan.evaluation.report.report import Report, verdict

_WIDTH = 100
_MARKS = {"fault": "FAULT", "warning": "warning", "good": "good"}


def report_text(report: Report) -> str:
    """The verdict, the figures of the panel, and every finding with its level."""
    findings = report.findings()
    _, words = verdict({finding.level for _, finding in findings})
    figures = chain.from_iterable(section.figures for section in report.sections)
    cards = [
        f"{card.label}: {card.value} ({card.detail})" for card in headline(figures, report.classes)
    ]
    said = [f"{_MARKS[finding.level]}: {finding.sentence}" for _, finding in findings]
    return "\n".join([f"{report.name}: {words}.", *map(_wrapped, [*cards, *said])])


def _wrapped(line: str) -> str:
    return textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
