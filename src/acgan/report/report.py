"""The report as one value, its headline metrics, its text for a terminal, and number formats."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, final

from acgan.report.section import (
    LEVELS,
    Aim,
    Finding,
    ImageBlock,
    Level,
    Metric,
    Section,
    check_metrics,
    worst_class,
)

DASH = "–"
AIMS: dict[Aim, tuple[str, str]] = {
    "low": ("↓", "lower is better"),
    "high": ("↑", "higher is better"),
    "one": ("→ 1", "near 1 is better"),
    "baseline": ("→ baseline", "near the baseline is better"),
}
"""Symbol and description of the better direction."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_HASH = re.compile(r"[0-9a-f]{40,}")
_SHOWN_OF_HASH = 12
_MOST_DECIMALS = 5


def number(value: float | int | None) -> str:
    """Format a number.

    Integers in full; others with three significant digits, four decimals from 0.99 to 1 (an
    accuracy of 0.9934 is not 0.993), powers of ten below 0.0001; a dash if undefined.

    >>> [number(x) for x in (12345, 0.17512, 0.99343, 5.3, 0.0, 1234.5, 4.31e-6, None)]
    ['12,345', '0.175', '0.9934', '5.30', '0', '1,234', '4.31 × 10⁻⁶', '–']
    """
    if value is None or not math.isfinite(value):
        return DASH
    if isinstance(value, int) or value == 0:
        return f"{int(value):,}"
    size = abs(value)
    if size < 1e-4 or size >= 1e9:
        mantissa, exponent = f"{value:.2e}".split("e")
        return _signed(f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}")
    return _signed(f"{value:,.{4 if 0.99 <= size < 1 else _decimals(size)}f}")


def column(values: Sequence[float | None]) -> list[str]:
    """Format the numbers of a column with as many decimals as their median requires.

    >>> column((0.61612, 1.05123, None, 0.0981))
    ['0.616', '1.051', '–', '0.098']
    """
    known = sorted(abs(each) for each in values if each and math.isfinite(each))
    decimals = min(_decimals(known[len(known) // 2]), _MOST_DECIMALS) if known else 0
    return [
        number(each)
        if not each or not math.isfinite(each) or abs(each) < 10**-decimals
        else _signed(f"{each:,.{decimals}f}")
        for each in values
    ]


def _decimals(size: float) -> int:
    """Number of decimals that shows three significant digits."""
    return max(0, 2 - math.floor(math.log10(size)))


def _signed(text: str) -> str:
    """Replace a leading hyphen by a minus sign."""
    return f"−{text[1:]}" if text.startswith("-") else text


def interval(ends: tuple[float, float] | None) -> str:
    """Format an interval; empty if there is none.

    >>> interval((0.1612, 0.1925)), interval(None)
    ('0.161 to 0.193', '')
    """
    return " to ".join(column(ends)) if ends else ""


def mean_and_spread(mean: float, deviation: float) -> str:
    """Format a mean and its standard deviation, the latter with two significant digits.

    >>> mean_and_spread(0.17712, 0.00265), mean_and_spread(13.27, 2.31), mean_and_spread(0.5, 0.0)
    ('0.1771 ± 0.0027', '13.3 ± 2.3', '0.500 ± 0')
    """
    if not 1e-6 < deviation < 1e6:
        return f"{number(mean)} ± {number(deviation)}"
    decimals = max(0, _decimals(deviation) - 1)
    return f"{_signed(f'{mean:,.{decimals}f}')} ± {deviation:,.{decimals}f}"


def frechet_ratio(value: float | None, baseline: float | None) -> str:
    """Return a distance as a multiple of its baseline; empty if the baseline is not positive.

    >>> frechet_ratio(0.175, 0.031), frechet_ratio(0.2, 0.0)
    ('5.6 × baseline', '')
    """
    if value is None or baseline is None or baseline <= 0 or not math.isfinite(value / baseline):
        return ""
    times = value / baseline
    return f"{times:,.1f} × baseline" if times < 100 else f"{times:,.0f} × baseline"


def duration(seconds: float) -> str:
    """Format a duration.

    >>> duration(0.84), duration(12.3), duration(187), duration(7_260)
    ('0.8 s', '12 s', '3 min 07 s', '2 h 01 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


def fact(value: Any, *, full: bool = False) -> str:
    """Format a value of a protocol: lists with commas, hashes shortened unless ``full``.

    >>> fact([100, 100]), fact(None), fact(True), fact("ab" * 32)
    ('100, 100', '–', 'yes', 'abababababab…')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{words(str(k))}: {fact(each, full=full)}" for k, each in value.items())
    if isinstance(value, list | tuple):
        if len(value) > 2 and all(each == value[0] for each in value):
            return f"{len(value)} × {fact(value[0], full=full)}"
        return ", ".join(fact(each, full=full) for each in value)
    text = str(value)
    return f"{text[:_SHOWN_OF_HASH]}…" if _HASH.fullmatch(text) and not full else text


def words(key: str) -> str:
    """Return a key as words.

    >>> words("reference_images")
    'reference images'
    """
    return key.replace("_", " ")


@final
@dataclass(frozen=True)
class Report:
    """The result of an evaluation, and everything needed to reproduce it.

    Attributes:
        name: of the run or folder.
        data: name of the data that the samples are compared with.
        classes: names of the classes in label order.
        samples: number of samples.
        origin: everything needed to reproduce the samples, see `SampleSet.origin`:
            ``model`` (its hash), ``recipe``, ``images_seen``, ``training_seed``, ``sample_seed``.
        sections: the chapters, in reading order.
        held_out: whether the model is known not to be trained on the reference; None if unknown.
        overview: samples beside real images.
        config: `RunConfig.trajectory`, which identifies runs that differ only in the seed; None
            without a model.
        reference_classifier: facts about it: accuracy on test images, hash of the weights …
        notes: sentences about the evaluation as a whole.
        seconds: duration of each stage, in order.
        versions: of ``acgan``, ``torch`` and other packages that affect the metrics.
        machine: in words.
        command: the command line.
        date: when it was made, as ISO 8601; empty to leave it out.
    """

    name: str
    data: str
    classes: tuple[str, ...]
    samples: int
    origin: Mapping[str, Any]
    sections: tuple[Section, ...]
    held_out: bool | None
    overview: ImageBlock | None = None
    config: Mapping[str, Any] | None = None
    reference_classifier: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    command: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        keys = [metric.key for section in self.sections for metric in section.metrics]
        if len(set(keys)) < len(keys):
            raise ValueError(f"metrics must differ in their keys: {sorted(keys)}")
        for section in self.sections:
            check_metrics(section.metrics, section.protocols, len(self.classes))

    def findings(self) -> tuple[tuple[Section, Finding], ...]:
        """Return all findings with their sections: faults, then warnings, then good ones."""
        found = [(section, each) for section in self.sections for each in section.findings]
        return tuple(sorted(found, key=lambda pair: LEVELS.index(pair[1].level)))


def verdict(levels: frozenset[Level] | set[Level]) -> tuple[Level | None, str]:
    """Return the level and the sentence of the verdict; None if no metric was decisive.

    >>> verdict({"good", "warning"})[0]
    'warning'
    """
    if "fault" in levels:
        return "fault", "Faults found: these samples cannot replace real images"
    if "warning" in levels:
        return "warning", "No faults found; read the warnings before using these samples"
    if "good" in levels:
        return "good", "No faults found by these metrics"
    return None, "No verdict: there were too few images for any finding"


@final
@dataclass(frozen=True)
class Card:
    """One metric of the panel: its label, value and details."""

    label: str
    value: str
    detail: str


_ACCURACY = "gan_test_accuracy"
_HEADLINE = {
    _ACCURACY: ("GAN-test accuracy", "reference-classifier"),
    "frechet_distance": ("Distance from real images", "reference-classifier"),
    "class_total_variation": ("Error of the class shares", "reference-classifier"),
    "variance_ratio": ("Diversity within a class", "reference-classifier"),
    "variance_ratio_all_samples": ("Diversity", "reference-classifier"),
    "near_copies": ("Near copies of training images", "reference-classifier"),
    "test_accuracy": ("Accuracy on real test images", "class-head"),
}
"""Label and extractor of the measures in the panel, in order."""


def headline(metrics: Iterable[Metric], classes: Sequence[str]) -> tuple[Card, ...]:
    """Return the cards of the panel, for the metrics that have a value."""
    known = {(each.measure, each.extractor): each for each in metrics if each.value is not None}
    return tuple(
        _card(label, metric, classes)
        for measure, (label, extractor) in _HEADLINE.items()
        if (metric := known.get((measure, extractor)))
    )


def _card(label: str, metric: Metric, classes: Sequence[str]) -> Card:
    times = frechet_ratio(metric.value, metric.baseline) if metric.aim == "low" else ""
    details = [metric.extractor if metric.title == label else metric.name]
    if times:
        details.append(f"{number(metric.value)}, baseline {number(metric.baseline)}")
    elif metric.baseline is not None:
        details.append(f"real images {number(metric.baseline)}")
    elif metric.extractor == "class-head":
        details.append(metric.note)  # number of labels, and the reference classifier's accuracy
    elif metric.interval:
        details.append(interval(metric.interval))
    worst = worst_class(metric)
    if worst is not None:
        details.append(f"worst class {classes[worst]}: {number(metric.per_class[worst])}")
    elif metric.measure == _ACCURACY:
        known = [(v, i) for i, v in enumerate(metric.per_class) if v is not None]
        details += [f"lowest class {classes[i]}: {number(v)}" for v, i in sorted(known)[:1]]
    return Card(label, times or number(metric.value), "; ".join(details))


_WIDTH = 100
_MARKS = {"fault": "FAULT", "warning": "warning", "good": "good"}


def report_text(report: Report) -> str:
    """Return the verdict, the headline metrics, and every finding with its level."""
    findings = report.findings()
    _, words = verdict({finding.level for _, finding in findings})
    metrics = chain.from_iterable(section.metrics for section in report.sections)
    cards = headline(metrics, report.classes)
    lines = [f"{card.label}: {card.value} ({card.detail})" for card in cards]
    lines += [f"{_MARKS[finding.level]}: {finding.sentence}" for _, finding in findings]
    wrap = textwrap.TextWrapper(_WIDTH, initial_indent="  ", subsequent_indent="    ").fill
    return "\n".join([f"{report.name}: {words}.", *map(wrap, lines)])
