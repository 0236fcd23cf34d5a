"""Findings of the fidelity chapter: thresholds and sentences.

A Fréchet distance is rated by its excess over the real-vs-real baseline, as a share of the total
variance of the real images' features. Unlike the Fréchet ratio, this share depends little on the
number of images; it is about 1 for samples that are all the same average image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

from acgan.evaluation.findings import Rule, first_finding, known, listed
from acgan.report.section import Finding, Level, Metric

NEAR = 0.02
"""Excess up to which samples are close to real images."""
FAR = 0.25
"""Excess from which samples cannot replace real images."""
CLASS_FAR = 0.5
"""The same for one class, whose distance contains the noise of fewer images."""
AT_BASELINE = 2.0
"""Fréchet ratio up to which samples are about as close to real images as real images are."""
TYPICAL = 0.95
"""Precision, relative to the baseline, from which samples are as realistic as real images …"""
NOT_DIVERSE = 0.8
"""… and recall, relative to the baseline, below which they are less diverse."""
UNREALISTIC = 0.8
"""Precision, relative to the baseline, below which too many samples are unlike any real image."""
_SEEN_DIFFERENCE = 0.01  # of two shares, which are shown in whole percent
_NAMED = 5  # classes in a sentence


_DISTANCE = (
    "The Fréchet distance to the real test images is {f.distance:.3g} ({f.extractor}), "
    "{f.ratio:.1f} times the real-vs-real baseline. Its excess over the baseline is {f.excess:.1%} "
    "of the variance of the real images' features: "
)
_OVERALL = (
    Rule(
        "baseline-too-high",
        "warning",
        lambda f: f.ratio <= AT_BASELINE and f.excess >= FAR,
        _DISTANCE + "the baseline is so high that this distance decides nothing; use more test "
        "and validation images.",
    ),
    Rule(
        "near-real",
        "good",
        lambda f: f.ratio <= AT_BASELINE,
        _DISTANCE + "the samples are about as close to the test images as other real images are.",
    ),
    Rule(
        "near-real",
        "good",
        lambda f: f.excess <= NEAR,
        _DISTANCE + "the samples are close to real images, though less close than other real "
        "images.",
    ),
    Rule(
        "far-from-real",
        "fault",
        lambda f: f.decisive and f.excess >= FAR,
        _DISTANCE + "the samples are far from real images; do not use them in place of real "
        "images.{f.farthest}",
    ),
    Rule(
        "far-from-real",
        "warning",
        lambda f: f.excess >= FAR,
        _DISTANCE + "the samples are far from real images in the features of this network.",
    ),
    Rule(
        "some-way-from-real",
        "warning",
        lambda f: f.excess > NEAR,
        _DISTANCE + "the samples are not close to real images.{f.farthest}",
    ),
)
_CLASSES = (
    Rule(
        "classes-far-from-real",
        "fault",
        lambda f: f.decisive and f.excess < FAR and f.far > 0,
        "The samples of {f.far} of {f.classes} classes are far from real images of their own class "
        "({f.extractor}; excess over the baseline as a share of the real variance): {f.far_names}. "
        "All samples together are closer ({f.excess:.0%}). Either the samples of these classes are "
        "bad, or they show another class; see the chapter on labels.",
    ),
)
_REALISM = (
    Rule(
        "samples-unlike-real",
        "warning",
        lambda f: (
            f.precision < UNREALISTIC * f.real_precision
            and f.real_precision - f.precision >= _SEEN_DIFFERENCE
            and f.recall >= 0 <= f.real_recall
        ),
        "Many samples are unlike any real image: the precision is {f.precision:.0%}, that of real "
        "images {f.real_precision:.0%} ({f.extractor}).",
    ),
    Rule(
        "typical-not-diverse",
        "warning",
        lambda f: (
            f.precision >= TYPICAL * f.real_precision
            and f.recall < NOT_DIVERSE * f.real_recall
            and f.real_recall - f.recall >= _SEEN_DIFFERENCE
        ),
        "The samples are realistic but not diverse: the precision is {f.precision:.0%} (real "
        "images: {f.real_precision:.0%}), the recall only {f.recall:.0%} (real images: "
        "{f.real_recall:.0%}; {f.extractor}).",
    ),
)


def fidelity_findings(
    classes: Sequence[str],
    metrics: Mapping[str, Metric],
    *,
    extractor: str,
    spread: float,
    decisive: bool = True,
) -> tuple[Finding, ...]:
    """Return the findings in the features of one extractor, most serious first.

    Args:
        classes: names of the K classes; none for samples without target labels.
        metrics: by measure: ``frechet_distance``, ``precision`` and ``recall`` are read.
        extractor: its name.
        spread: total variance of the real test images' features.
        decisive: whether distances may be faults. The thresholds are for the reference classifier,
            whose features describe what matters in the data. A network that was trained on
            photographs responds to every blur and edge: a large distance there is a warning.
    """
    frechet, precision, recall = (
        metrics[each] for each in ("frechet_distance", "precision", "recall")
    )
    distance, baseline = known(frechet.value), known(frechet.baseline)
    ratio = distance / baseline if baseline > 0 and spread > 0 else math.nan
    by_class = _class_excess(classes, frechet, spread)
    far = [f"{name} ({share:.0%})" for share, name in by_class if share >= CLASS_FAR]
    facts = SimpleNamespace(
        extractor=extractor,
        decisive=decisive,
        distance=distance,
        ratio=ratio,
        excess=math.nan if math.isnan(ratio) else max(0.0, distance - baseline) / spread,
        farthest=" The farthest class is {1} ({0:.0%}).".format(*by_class[0]) if by_class else "",
        far=len(far),
        classes=len(classes),
        far_names=listed(far, _NAMED),
        precision=known(precision.value),
        real_precision=known(precision.baseline),
        recall=known(recall.value),
        real_recall=known(recall.baseline),
    )
    of_classes, overall = first_finding(_CLASSES, facts), first_finding(_OVERALL, facts)
    if of_classes:
        overall = tuple(each for each in overall if each.level != "good")
    return (*of_classes, *overall, *first_finding(_REALISM, facts))


def reconciled(
    found: Mapping[str, Sequence[Finding]], *, trusted: str, reason: str
) -> tuple[Finding, ...]:
    """Return a sentence on which network to trust, if two of them contradict each other.

    Args:
        found: findings by extractor.
        trusted: the extractor whose findings decide.
        reason: why, a clause.
    """
    near, far = (
        [name for name, some in found.items() if any(each.key in keys for each in some)]
        for keys in (("near-real",), ("far-from-real", "some-way-from-real"))
    )
    if not near or not far:
        return ()
    level: Level = "good" if trusted in near else "warning"
    advice = (
        f"Give more weight to {trusted}: {reason}."
        if trusted in (*near, *far)
        else f"{trusted} would decide, but does not with so few images; use more test and "
        "validation images."
    )
    return (
        Finding(
            "extractors-disagree",
            level,
            f"The networks disagree: the samples are close to real images for {listed(near, 5)}, "
            f"but not for {listed(far, 5)}. {advice}",
        ),
    )


def _class_excess(
    classes: Sequence[str], frechet: Metric, spread: float
) -> Sequence[tuple[float, str]]:
    if not (spread > 0 and frechet.per_class and frechet.per_class_baseline):
        return ()
    triples = zip(classes, frechet.per_class, frechet.per_class_baseline, strict=True)
    return sorted(
        (
            ((value - baseline) / spread, name)
            for name, value, baseline in triples
            if value is not None and baseline is not None and value > AT_BASELINE * baseline
        ),
        reverse=True,
    )
