"""What a measure hands to the report: figures, tables, pictures and the protocol behind them.

Sections compute; `acgan.evaluation.report` writes. Nothing here knows HTML or JSON files.

Which class a figure is worst for, as far from where it should be as its floor and aim tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

Aim = Literal["low", "high", "one", "baseline"]
"""Which way is better: low, high, near 1, or near the floor."""


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
    """Rows of text and numbers under a title; numbers are float or int, and None is undefined.

    Attributes:
        title: a line above.
        header: names of the columns.
        rows: as many cells each.
        caption: what it shows, a sentence or two.
        heat: color the numbers from 0 to the row's sum, for a confusion matrix.
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
        title: a line above.
        png: the file's bytes.
        caption: what to look for in it; also its text for those who cannot see it.
    """

    title: str
    png: bytes = field(repr=False)
    caption: str


@final
@dataclass(frozen=True)
class Finding:
    """What a section's figures say, in words; a fault is named by its name.

    Attributes:
        key: stable, for machines: ``classes-permuted``, ``label-ignored``, ``one-image-per-class``,
            ``copies-training-images`` …
        level: ``fault`` (do not use these samples), ``warning`` (know this), or ``good``.
        sentence: the finding with the numbers it rests on.
    """

    key: str
    level: Literal["fault", "warning", "good"]
    sentence: str


@final
@dataclass(frozen=True)
class Section:
    """One chapter of a report.

    Attributes:
        key: ``fidelity``, ``labels``, ``diversity``, ``memorization``, ``latent``, ``usefulness``.
        title: its heading.
        explanation: paragraphs for a person who has not met these measures: what each is, which
            way is better, its source, and what it cannot tell.
        metrics: in reading order.
        blocks: tables and pictures in reading order.
        findings: what the figures say in words, most serious first.
        protocols: by key, everything needed to make the figure again: extractor, its weights'
            hash, resize rule, counts of samples and real images, reference part, seed, parameters.
        notes: sentences about what is missing and why.
    """

    key: str
    title: str
    explanation: tuple[str, ...]
    metrics: tuple[Metric, ...] = ()
    blocks: tuple[Table | ImageBlock, ...] = ()
    findings: tuple[Finding, ...] = ()
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def defined(value: float) -> float | None:
    """The value, or None where it is infinite or not a number."""
    return float(value) if math.isfinite(value) else None


def class_ranks(metric: Metric) -> dict[int, float]:
    """How bad each class is, by its index; higher is worse. Classes without a value are left out.

    Where low is better, distances are taken in floors, because a class whose real images vary
    much has a high floor; by the difference where a floor is 0 or below (unbiased estimates may
    be). Where high is better, by what is missing to the floor; where 1 is, by the factor from 1.
    Nothing is ranked where the aim is the floor itself: too few near copies are no fault, too many
    are, and the aim alone does not tell which of the sides is the bad one.
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
    """Index of the worst class; None where there are no values or all are equally good."""
    ranks = class_ranks(metric)
    if len(set(ranks.values())) < 2:
        return None
    return max(ranks, key=lambda index: (ranks[index], -index))
