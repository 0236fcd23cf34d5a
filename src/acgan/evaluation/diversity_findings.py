"""Findings of the diversity chapter: thresholds and sentences.

The thresholds are ours. Faults lie between what trained models show (variance ratios of 0.6 to 1)
and what planted faults show; the warning begins where a quarter of the real variance is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np

from acgan.evaluation.findings import Rule, first_finding, known, listed
from acgan.metrics.arrays import BoolArray, Float64Array
from acgan.report.section import Finding

COLLAPSED = 0.05
"""Variance ratio below which a class shows one image."""
VERY_LOW, LOW, ABOUT_ONE, ABOVE_ONE = 0.25, 0.75, 0.9, 1.25
"""Mean variance ratios."""
LOW_IN_A_CLASS = 0.5
"""Variance ratio of a class that is named although the mean is not low."""
ALIKE = 0.25
"""MS-SSIM between that of real images (0) and that of equal images (1)."""
_SEEN_DIFFERENCE = 0.01  # of two MS-SSIM, which are shown with two decimals
DUPLICATES, REPEATED = 0.05, 0.9
"""Shares of near-identical samples: a warning, a fault."""
HIGH, HIGH_BY_PREDICTED_CLASS = 2.0, 1.5
"""Mean variance ratios, samples sorted by target label and by predicted class."""
BLURRY, GRAIN = 0.6, 3.0
"""Mean sharpness ratios."""
FEW_COLORS, ONE_COLOR = 0.5, 0.1
"""Color variance ratios: the mean, one class."""


_COLLAPSE = (
    Rule(
        "one-image-per-class",
        "fault",
        lambda f: f.conditional and f.flat,
        "One image per class: the samples of {f.flat_classes} are nearly identical (variance ratio "
        "{f.flat_range}). The model has collapsed.",
    ),
    Rule(
        "one-image",
        "fault",
        lambda f: f.flat,
        "One image: all samples are nearly identical (variance ratio {f.flat_range}). The model "
        "has collapsed.",
    ),
)
_NOISE = (
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
_LOW_DIVERSITY = (
    Rule(
        "low-diversity", "fault", lambda f: f.remaining_variance < VERY_LOW, _LOW_DIVERSITY_SENTENCE
    ),
    Rule(
        "low-diversity",
        "warning",
        lambda f: f.remaining_variance < LOW,
        _LOW_DIVERSITY_SENTENCE,
    ),
    Rule(
        "low-diversity",
        "warning",
        lambda f: f.remaining_variance >= LOW and f.alike > ALIKE,
        "Pairs of samples{f.of_a_class} look more alike than pairs of real images (MS-SSIM "
        "{f.similarity:.2f}, real images {f.real_similarity:.2f}), although the variance of their "
        "features is {f.remaining_variance:.2f} times that of real images. Few motifs that differ "
        "much from each other have both; look at the samples.",
    ),
    Rule(
        "low-diversity",
        "warning",
        lambda f: bool(f.low_classes),
        "Low diversity in some classes, by variance ratio: {f.low_classes}.",
    ),
)
_DUPLICATES_SENTENCE = (
    "Repeated samples: {f.duplicates:.0%} are near-identical to another sample{f.of_a_class}."
)
_DUPLICATES = (
    Rule(
        "duplicate-samples",
        "fault",
        lambda f: not f.flat and f.duplicates > REPEATED,
        _DUPLICATES_SENTENCE,
    ),
    Rule(
        "duplicate-samples",
        "warning",
        lambda f: not f.flat and f.duplicates >= DUPLICATES,
        _DUPLICATES_SENTENCE,
    ),
)
_BLUR = (
    Rule(
        "blurry",
        "warning",
        lambda f: f.sharpness < BLURRY,
        "Blurry: the samples have {f.sharpness:.2f} times the fine detail of real images.",
    ),
)
_COLORS = (
    Rule(
        "few-colors",
        "warning",
        lambda f: f.mean_color < FEW_COLORS,
        "Few colors: the color variance of the samples{f.of_a_class} is {f.mean_color:.2f} times "
        "that of real images{f.one_color}.",
    ),
)
_GOOD = (
    Rule(
        "good",
        "good",
        lambda f: f.mean_variance >= 0,
        "The samples{f.of_a_class} vary {f.amount} real images: the variance ratio is "
        "{f.mean_variance:.2f}{f.lowest}.",
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
    nothing: Float64Array = np.full(len(classes), np.nan)

    def of_samples(key: str) -> Float64Array:
        return values.get(key, (nothing, nothing))[0]

    variance, colors = of_samples("variance_ratio"), of_samples("color_variance_ratio")
    similarity, real = map(_mean, values.get("ms_ssim", (nothing, nothing)))

    def named(which: BoolArray) -> str:
        names = [name for name, chosen in zip(classes, which, strict=True) if chosen]
        return "every class" if len(names) == len(classes) else listed(names, 5)

    flat = variance < COLLAPSED
    ratios = [f"{ratio:.3f}" for ratio in np.sort(variance[flat])]
    remaining = np.where(variance >= COLLAPSED, variance, np.nan)
    low = [f"{k} ({r:.2f})" for k, r in zip(classes, remaining, strict=True) if r < LOW_IN_A_CLASS]
    lowest = min(variance[np.isfinite(variance)], default=np.nan)
    mean, few = _mean(variance), colors < ONE_COLOR
    more_alike = similarity - real >= _SEEN_DIFFERENCE
    facts = SimpleNamespace(
        conditional=conditional,
        of_a_class=" of a class" if conditional else "",
        flat=bool(flat.any()),
        flat_classes=named(flat),
        flat_range=" to ".join(dict.fromkeys([*ratios[:1], *ratios[-1:]])),
        mean_variance=mean,
        variance_by_predicted_class=known(variance_by_predicted_class),
        remaining_variance=_mean(remaining),
        low_classes=listed(low, 5),
        alike=(similarity - real) / (1 - real) if more_alike and real < 1 else np.nan,
        similarity=similarity,
        real_similarity=real,
        pairs=f"; MS-SSIM {similarity:.2f}, real images {real:.2f}" if more_alike else "",
        duplicates=_mean(of_samples("near_identical_share")),
        sharpness=_mean(of_samples("sharpness_ratio")),
        mean_color=_mean(colors),
        one_color=f"; almost not at all in {named(few)}" if conditional and few.any() else "",
        amount="somewhat less than"
        if mean < ABOUT_ONE
        else "about as much as"
        if mean <= ABOVE_ONE
        else "more than",
        lowest=f", {lowest:.2f} in the lowest class" if conditional else "",
    )
    groups = (_COLLAPSE, _NOISE, _LOW_DIVERSITY, _DUPLICATES, _BLUR, _COLORS)
    found = [finding for rules in groups for finding in first_finding(rules, facts)]
    found.sort(key=lambda each: each.level != "fault")  # a stable sort
    return tuple(found) or first_finding(_GOOD, facts)


def _mean(values: Float64Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan
