"""Findings of the diversity chapter: thresholds and sentences.

The thresholds are ours. Faults lie between what trained models show (variance ratios of 0.6 to 1)
and what planted faults show; the warning begins where a quarter of the real variance is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.evaluation.findings import Rule, first_finding, known, listed
from acgan.metrics.arrays import BoolArray, Float64Array
from acgan.report.section import Finding

COLLAPSED = 0.05
"""Variance ratio below which a class shows one image."""
VERY_LOW, LOW, ABOUT_ONE = 0.25, 0.75, 0.9
"""Mean variance ratios."""
LOW_IN_A_CLASS = 0.5
"""Variance ratio of a class that is named although the mean is not low."""
ALIKE = 0.25
"""MS-SSIM between that of real images (0) and that of equal images (1)."""
DUPLICATES, REPEATED = 0.05, 0.9
"""Shares of near-identical samples: a warning, a fault."""
HIGH, HIGH_BY_PREDICTED_CLASS = 2.0, 1.5
"""Mean variance ratios, samples sorted by target label and by predicted class."""
BLURRY, GRAIN = 0.6, 3.0
"""Mean sharpness ratios."""
FEW_COLORS, ONE_COLOR = 0.5, 0.1
"""Color variance ratios: the mean, one class."""


@final
@dataclass(frozen=True)
class _Facts:
    """Numbers of the rules: means over the classes and arrays (K,); NaN if undefined."""

    conditional: bool  # if not, K is 1 and means all samples
    classes: tuple[str, ...]
    variance: Float64Array
    variance_by_predicted_class: float
    similarity: float
    real_similarity: float
    duplicates: float
    sharpness: float
    colors: Float64Array

    @property
    def flat(self) -> Float64Array:  # ratios of the collapsed classes
        return self.variance[self.variance < COLLAPSED]

    @property
    def flat_range(self) -> str:
        low, high = f"{self.flat.min():.3f}", f"{self.flat.max():.3f}"
        return low if low == high else f"{low} to {high}"

    @property
    def flat_classes(self) -> str:
        return self._names(self.variance < COLLAPSED)

    @property
    def mean_variance(self) -> float:
        return _mean(self.variance)

    @property
    def remaining(self) -> Float64Array:  # NaN for the collapsed classes
        return np.where(self.variance >= COLLAPSED, self.variance, np.nan)

    @property
    def remaining_variance(self) -> float:
        return _mean(self.remaining)

    @property
    def alike(self) -> float:
        gap = 1 - self.real_similarity
        return (self.similarity - self.real_similarity) / gap if gap > 0 else np.nan

    @property
    def pairs(self) -> str:
        if not (self.similarity > 0 and self.real_similarity > 0):
            return ""
        return f"; MS-SSIM {self.similarity:.2f}, real images {self.real_similarity:.2f}"

    @property
    def low_classes(self) -> str:
        ratios = zip(self.classes, self.remaining, strict=True)
        return listed([f"{name} ({r:.2f})" for name, r in ratios if r < LOW_IN_A_CLASS], 5)

    @property
    def of_a_class(self) -> str:
        return " of a class" if self.conditional else ""

    @property
    def mean_color(self) -> float:
        return _mean(self.colors)

    @property
    def one_color(self) -> str:
        few = self.colors < ONE_COLOR
        named = self.conditional and few.any()
        return f"; almost not at all in {self._names(few)}" if named else ""

    @property
    def amount(self) -> str:
        more = self.mean_variance >= ABOUT_ONE
        return "about as much as real images" if more else "somewhat less than real images"

    @property
    def lowest(self) -> str:
        return f", {np.nanmin(self.variance):.2f} in the lowest class" if self.conditional else ""

    def _names(self, which: BoolArray) -> str:
        names = [name for name, chosen in zip(self.classes, which, strict=True) if chosen]
        return "every class" if len(names) == len(self.classes) else listed(names, 5)


_COLLAPSE: tuple[Rule[_Facts], ...] = (
    Rule(
        "one-image-per-class",
        "fault",
        lambda f: f.conditional and len(f.flat) > 0,
        "One image per class: the samples of {f.flat_classes} are nearly identical (variance ratio "
        "{f.flat_range}). The model has collapsed.",
    ),
    Rule(
        "one-image",
        "fault",
        lambda f: len(f.flat) > 0,
        "One image: all samples are nearly identical (variance ratio {f.flat_range}). The model "
        "has collapsed.",
    ),
)
_NOISE: tuple[Rule[_Facts], ...] = (
    Rule(
        "noise",
        "fault",
        lambda f: f.sharpness > GRAIN,
        "Noise: the samples have {f.sharpness:.1f} times the fine detail of real images, which "
        "means grain or checkerboard patterns, not sharpness.",
    ),
    Rule(
        "noise",
        "fault",
        lambda f: f.mean_variance > HIGH and not f.conditional,
        "Noise: the variance of the samples is {f.mean_variance:.1f} times that of real images.",
    ),
    Rule(
        "noise",
        "fault",
        lambda f: (
            f.mean_variance > HIGH and f.variance_by_predicted_class > HIGH_BY_PREDICTED_CLASS
        ),
        "Noise: the variance of the samples of a class is {f.mean_variance:.1f} times that of real "
        "images, and still {f.variance_by_predicted_class:.1f} times if the samples are sorted by "
        "predicted class.",
    ),
    Rule(
        "mixed-classes",
        "warning",
        lambda f: f.mean_variance > HIGH,
        "The variance of the samples of a class is {f.mean_variance:.1f} times that of real images "
        "because samples with the same target label show several classes; see the chapter on "
        "labels.",
    ),
)
_LOW_DIVERSITY_SENTENCE = (
    "Low diversity: the samples{f.of_a_class} are more similar to each other than real images are "
    "(variance ratio {f.remaining_variance:.2f}{f.pairs})."
)
_LOW_DIVERSITY: tuple[Rule[_Facts], ...] = (
    Rule(
        "low-diversity",
        "fault",
        lambda f: f.remaining_variance < VERY_LOW,
        _LOW_DIVERSITY_SENTENCE,
    ),
    Rule(
        "low-diversity",
        "warning",
        lambda f: f.remaining_variance < LOW or (f.remaining_variance >= LOW and f.alike > ALIKE),
        _LOW_DIVERSITY_SENTENCE,
    ),
    Rule(
        "low-diversity",
        "warning",
        lambda f: bool((f.remaining < LOW_IN_A_CLASS).any()),
        "Low diversity in some classes, by variance ratio: {f.low_classes}.",
    ),
)
_DUPLICATES_SENTENCE = (
    "Repeated samples: {f.duplicates:.0%} are near-identical to another sample{f.of_a_class}."
)
_DUPLICATES: tuple[Rule[_Facts], ...] = (
    Rule(
        "duplicate-samples",
        "fault",
        lambda f: len(f.flat) == 0 and f.duplicates > REPEATED,
        _DUPLICATES_SENTENCE,
    ),
    Rule(
        "duplicate-samples",
        "warning",
        lambda f: len(f.flat) == 0 and f.duplicates >= DUPLICATES,
        _DUPLICATES_SENTENCE,
    ),
)
_BLUR: tuple[Rule[_Facts], ...] = (
    Rule(
        "blurry",
        "warning",
        lambda f: f.sharpness < BLURRY,
        "Blurry: the samples have {f.sharpness:.2f} times the fine detail of real images.",
    ),
)
_COLORS: tuple[Rule[_Facts], ...] = (
    Rule(
        "few-colors",
        "warning",
        lambda f: f.mean_color < FEW_COLORS,
        "Few colors: the color variance of the samples{f.of_a_class} is {f.mean_color:.2f} times "
        "that of real images{f.one_color}.",
    ),
)
_GOOD: tuple[Rule[_Facts], ...] = (
    Rule(
        "good",
        "good",
        lambda f: f.mean_variance >= 0,
        "The samples{f.of_a_class} vary {f.amount}: the variance ratio is {f.mean_variance:.2f}"
        "{f.lowest}.",
    ),
)


def diversity_findings(
    classes: tuple[str, ...],
    values: Mapping[str, tuple[Float64Array, Float64Array]],
    *,
    conditional: bool = True,
    variance_by_predicted_class: float | None = None,
) -> tuple[Finding, ...]:
    """Return faults, then warnings; one good finding if there are none; nothing without values.

    Args:
        classes: names of the K classes.
        values: by measure, its values by class of samples and of the baseline, (K,) each.
        conditional: whether the samples have target labels.
        variance_by_predicted_class: mean variance ratio of samples sorted by predicted class.
    """
    nothing = np.full(len(classes), np.nan)

    def of(measure: str) -> tuple[Float64Array, Float64Array]:
        return values.get(measure, (nothing, nothing))

    similarity, real_similarity = of("ms_ssim")
    facts = _Facts(
        conditional=conditional,
        classes=classes,
        variance=of("variance_ratio")[0],
        variance_by_predicted_class=known(variance_by_predicted_class),
        similarity=_mean(similarity),
        real_similarity=_mean(real_similarity),
        duplicates=_mean(of("near_identical_share")[0]),
        sharpness=_mean(of("sharpness_ratio")[0]),
        colors=of("color_variance_ratio")[0],
    )
    groups = (_COLLAPSE, _NOISE, _LOW_DIVERSITY, _DUPLICATES, _BLUR, _COLORS)
    found = [finding for rules in groups for finding in first_finding(rules, facts)]
    found.sort(key=lambda each: each.level != "fault")  # a stable sort
    return tuple(found) or first_finding(_GOOD, facts)


def _mean(values: Float64Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan
