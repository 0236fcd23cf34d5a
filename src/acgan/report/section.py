"""The content of a report: metrics, tables, images, findings and protocols of each chapter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

Aim = Literal["low", "high", "one", "baseline"]
"""The better direction: low, high, near 1, or near the baseline."""
Level = Literal["fault", "warning", "good"]
LEVELS: tuple[Level, ...] = ("fault", "warning", "good")


@final
@dataclass(frozen=True)
class Metric:
    """One measured value, overall and per class.

    Attributes:
        measure: stable identifier of what is measured: ``frechet_distance``.
        title: its display name, without the extractor: ``Fréchet distance``.
        value: over all samples; None if it is undefined, and ``note`` says why.
        aim: which direction is better.
        protocol: key of its protocol in `Section.protocols`.
        baseline: the same measure of real images against real images; None if there is none.
        interval: lower and upper end of the 95 % interval, if there is one.
        per_class: one value per class in label order, None if undefined; empty for a measure
            that has no values per class.
        per_class_baseline: likewise for the baseline.
        note: a sentence that readers of this metric need; may be empty.
        extractor: name of the feature extractor, ``pixels`` or ``blurred-pixels``; empty for
            measures of the images or the model themselves.
    """

    measure: str
    title: str
    value: float | None
    aim: Aim
    protocol: str
    baseline: float | None = None
    interval: tuple[float, float] | None = None
    per_class: tuple[float | None, ...] = ()
    per_class_baseline: tuple[float | None, ...] = ()
    note: str = ""
    extractor: str = ""

    @property
    def key(self) -> str:
        """Identifier by which reports are compared: ``frechet_distance[reference-classifier]``."""
        return f"{self.measure}[{self.extractor}]" if self.extractor else self.measure

    @property
    def name(self) -> str:
        """Title and extractor: ``Fréchet distance (reference-classifier)``."""
        return f"{self.title} ({self.extractor})" if self.extractor else self.title


@final
@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under a title; None is an undefined number.

    Attributes:
        title: heading.
        header: names of the columns.
        rows: one cell per column.
        caption: one or two sentences.
        heat: whether to color numbers by their share of the row, for a confusion matrix.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    caption: str = ""
    heat: bool = False


@final
@dataclass(frozen=True)
class ImageBlock:
    """A PNG under a title.

    Attributes:
        title: heading.
        png: the file's bytes.
        caption: what to look for; also the alternative text.
    """

    title: str
    png: bytes = field(repr=False)
    caption: str


@final
@dataclass(frozen=True)
class Finding:
    """A conclusion from the metrics of a section.

    Attributes:
        key: stable identifier: ``classes-permuted``, ``label-ignored``, ``one-image-per-class``,
            ``copies-training-images`` …
        level: ``fault`` (do not use these samples), ``warning``, or ``good``.
        sentence: the finding with its numbers.
    """

    key: str
    level: Level
    sentence: str


@final
@dataclass(frozen=True)
class Section:
    """One chapter of a report.

    Attributes:
        key: ``fidelity``, ``labels``, ``diversity``, ``memorization``, ``latent``, ``usefulness``.
        title: heading.
        explanation: paragraphs on each measure: definition, better direction, source and limits.
        metrics: in reading order.
        blocks: tables and images in reading order.
        findings: most serious first.
        protocols: by key, everything needed to reproduce a metric: extractor, hash of its weights,
            resize rule, numbers of samples and real images, reference split, seed, parameters.
        notes: sentences on omitted metrics.
    """

    key: str
    title: str
    explanation: tuple[str, ...]
    metrics: tuple[Metric, ...] = ()
    blocks: tuple[Table | ImageBlock, ...] = ()
    findings: tuple[Finding, ...] = ()
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def check_metrics(metrics: Iterable[Metric], protocols: Mapping[str, Any], classes: int) -> None:
    """Raise ValueError if values per class or a protocol are missing."""
    for metric in metrics:
        if not {len(metric.per_class), len(metric.per_class_baseline)} <= {0, classes}:
            raise ValueError(f"{metric.key} must have a value for every class, or none")
        if metric.protocol not in protocols:
            raise ValueError(f"{metric.key} names a protocol that its section lacks")


def defined(value: float) -> float | None:
    """Return the value, or None if it is infinite or NaN."""
    return float(value) if math.isfinite(value) else None


def class_ranks(metric: Metric) -> dict[int, float]:
    """Return a score per class index, higher for worse classes; classes without value are omitted.

    If low is better, the score is the ratio to the baseline, since classes with diverse real
    images have a high baseline, or the difference if a baseline is not positive (unbiased
    estimates may be negative). If high is better, it is the gap to the baseline; near 1, the
    absolute logarithm. A metric that should be near its baseline is not ranked, because the aim
    does not tell which side is worse.
    """
    baselines = [
        baseline if baseline is not None and math.isfinite(baseline) else None
        for baseline in metric.per_class_baseline or (None,) * len(metric.per_class)
    ]
    relative = all(baseline is not None and baseline > 0 for baseline in baselines)
    ranks = {}
    for index, (value, baseline) in enumerate(zip(metric.per_class, baselines, strict=True)):
        if value is None or not math.isfinite(value):
            continue
        match metric.aim:
            case "low":
                ranks[index] = (
                    value / baseline if relative and baseline else value - (baseline or 0.0)
                )
            case "high":
                ranks[index] = (baseline or 0.0) - value
            case "one":
                ranks[index] = abs(math.log(value)) if value > 0 else math.inf
    return ranks


def worst_class(metric: Metric) -> int | None:
    """Return the index of the worst class; None if there are no values or all are equal."""
    ranks = class_ranks(metric)
    if len(set(ranks.values())) < 2:
        return None
    return max(ranks, key=lambda index: (ranks[index], -index))
