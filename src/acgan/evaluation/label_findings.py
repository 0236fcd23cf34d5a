"""Findings of the labels chapter: thresholds and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType, SimpleNamespace

import numpy as np

from acgan.evaluation.findings import Rule, first_finding, known, listed
from acgan.evaluation.label_classifiers import SMALLEST_COUNT, Accuracy
from acgan.metrics.accuracy import cramers_v, permuted_cycles, row_shares
from acgan.metrics.arrays import Int64Array
from acgan.report.section import Finding

UNRELIABLE = 0.5
"""Association of true and predicted class on real images below which nothing can be concluded."""
IGNORED = 0.2
"""Association of target label and predicted class below which the label has no effect."""
PERMUTED = 0.3
"""Gain in accuracy of the classes concerned by which a permutation of labels is detected."""
CONFUSED = 0.5
"""Accuracy of a class below which its samples do not show the class."""
BELOW_REAL = 0.1
"""Accuracy gap to real images from which a class is worth a warning."""
TOO_TYPICAL = 0.02
"""Accuracy above that of real images from which samples are worth a warning."""
RESOLUTION_MATTERS = 0.05
"""Loss of real images at half the side from which the same is expected of samples."""
_NAMED = 5  # classes or pairs in a sentence


_DECIDING = (
    Rule(
        "classifier-unreliable",
        "warning",
        lambda f: f.real_association < UNRELIABLE,
        "The reference classifier does not separate the classes of the real test images: the "
        "association of true and predicted class is {f.real_association:.2f} (0 means none, 1 a "
        "perfect one; accuracy {f.real_accuracy:.1%}), so its predictions on the samples decide "
        "nothing.",
    ),
    Rule(
        "label-ignored",
        "fault",
        lambda f: f.association < IGNORED,
        "The generator ignores the label: for every target label the samples show the same mixture "
        "of classes (most often {f.most_frequent}). {f.accuracy:.1%} are assigned to their target "
        "label; chance gives {f.chance:.1%}. The association of target label and predicted class "
        "is {f.association:.2f} (real images: {f.real_association:.2f}; 0 means none, 1 a perfect "
        "one).",
    ),
)
_RULES = (
    Rule(
        "classes-permuted",
        "fault",
        lambda f: bool(f.moves),
        "Classes are permuted: the label {f.moves}. {f.moved_accuracy:.1%} of these "
        "classes' samples are assigned to their target label; {f.exchanged_accuracy:.1%} would be "
        "if the labels were exchanged.",
    ),
    Rule(
        "classes-confused",
        "fault",
        lambda f: bool(f.confused),
        "Classes are confused: fewer than half of the samples are assigned to their target label "
        "for {f.confused}.",
    ),
    Rule(
        "classes-below-real",
        "warning",
        lambda f: bool(f.weak),
        "Fewer samples than real images are assigned to their class for {f.weak}.",
    ),
    Rule(
        "too-typical",
        "warning",
        lambda f: f.balanced - f.real_balanced > max(TOO_TYPICAL, f.balanced_chance),
        "The samples are classified better than real images ({f.balanced:.1%}, real images "
        "{f.real_balanced:.1%}): they are too typical and lack the unusual and ambiguous cases of "
        "real classes; see the chapter on diversity.",
    ),
)
_OVERALL = (
    Rule(
        "samples-below-real",
        "warning",
        lambda f: f.real_balanced - f.balanced > BELOW_REAL,
        "Fewer samples than real images are assigned to their class ({f.balanced:.1%}, real images "
        "{f.real_balanced:.1%}), but no class has enough images to be named.",
    ),
    Rule(
        "labels-correct",
        "good",
        lambda f: f.balanced >= 0,
        "The samples show their target classes: the reference classifier assigns {f.accuracy:.1%} "
        "of them to the target label and is right on {f.real_accuracy:.1%} of the real test "
        "images{f.worst}.",
    ),
)


_DISAGREES = Rule(
    "independent-classifier-disagrees",
    "warning",
    lambda f: f.upper < f.real - BELOW_REAL and f.share < f.expected * f.real,
    "A classifier that was not trained on this data recognizes the samples less reliably: {f.name} "
    "assigns {f.share:.1%} of them to the target label, and {f.real:.1%} of the "
    "real test images to their class. The samples have the features that the reference classifier "
    "uses, but look less like the objects.",
)


_UNUSED = Rule(
    "resolution-unused",
    "warning",
    lambda f: (
        f.real_full - f.real_half >= RESOLUTION_MATTERS
        and f.full - f.half <= (f.real_full - f.real_half) / 4
    ),
    "The fine detail of the samples carries little information about their class for {f.name}: "
    "its accuracy is {f.full:.1%} at the full side and {f.half:.1%} at half the side; on real "
    "images it falls from {f.real_full:.1%} to {f.real_half:.1%}.",
)


def label_findings(
    names: Sequence[str],
    samples: Int64Array,
    real: Int64Array,
    *,
    at_half: Mapping[str, tuple[float, float, float, float]] = MappingProxyType({}),
    others: Mapping[str, Accuracy] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """Return the findings, most serious first.

    Args:
        names: of the K classes.
        samples: (K, K), number of samples by target label (row) and predicted class (column).
        real: the same for real images that the reference classifier was not trained on.
        at_half: by classifier, the accuracy on samples at the full side and at half the side, then
            on real images; NaN if undefined.
        others: by name, the accuracies of classifiers other than the reference classifier.
    """
    if min(samples.sum(), real.sum()) < SMALLEST_COUNT:
        return ()
    facts = _facts(names, samples, real)
    if deciding := first_finding(_DECIDING, facts):
        return deciding
    findings = [rule.finding(facts) for rule in _RULES if rule.applies(facts)]
    for name, share in others.items():
        other = SimpleNamespace(
            name=name,
            share=known(share.value),
            upper=share.interval[1] if share.interval else math.nan,
            real=known(share.baseline),
            expected=facts.accuracy / facts.real_accuracy,
        )
        findings += first_finding([_DISAGREES], other)
    for name, accuracies in at_half.items():
        keys = ("full", "half", "real_full", "real_half")
        sides = SimpleNamespace(name=name, **dict(zip(keys, accuracies, strict=True)))
        findings += first_finding([_UNUSED], sides)
    return tuple(findings) or first_finding(_OVERALL, facts)


def _facts(names: Sequence[str], samples: Int64Array, real: Int64Array) -> SimpleNamespace:
    shares, real_shares = row_shares(samples), row_shares(real)
    counts, real_counts = samples.sum(axis=1), real.sum(axis=1)
    predicted = samples.sum(axis=0)
    most = int(predicted.argmax())
    cycles = permuted_cycles(samples, gain=PERMUTED, smallest=SMALLEST_COUNT)
    moves = [move for c in cycles for move in zip(c, [*c[1:], c[0]], strict=True)]
    below = [
        k
        for k in np.argsort(np.diagonal(shares), kind="stable")
        if k not in {label for label, _ in moves}
        and min(counts[k], real_counts[k]) >= SMALLEST_COUNT
        and real_shares[k, k] - shares[k, k]
        > max(BELOW_REAL, _chance_gap(samples[k, k], counts[k], real[k, k], real_counts[k]))
    ]
    both = (counts > 0) & (real_counts > 0)
    balanced, real_balanced = (  # classes weighted as in the samples
        float(np.average(np.diagonal(each)[both], weights=counts[both])) if both.any() else math.nan
        for each in (shares, real_shares)
    )
    count, others = int(counts[both].sum()), int(real_counts[both].sum())
    enough = np.flatnonzero(counts >= SMALLEST_COUNT)
    worst = ""
    if len(enough):
        k = int(enough[np.diagonal(shares)[enough].argmin()])
        worst = f"; the lowest accuracy of a class is {shares[k, k]:.1%} ({names[k]})"

    def pairs(classes: Sequence[int]) -> str:
        sentences = []
        for k in classes:
            other = int(np.where(np.arange(len(names)) == k, -1, shares[k]).argmax())
            sentences.append(
                f"{names[k]} ({shares[k, k]:.1%}, real images {real_shares[k, k]:.1%}; "
                f"{shares[k, other]:.1%} are classified as {names[other]})"
            )
        return listed(sentences, _NAMED)

    return SimpleNamespace(
        accuracy=float(np.trace(samples) / samples.sum()),
        real_accuracy=float(np.trace(real) / real.sum()),
        association=cramers_v(samples),
        real_association=cramers_v(real),
        chance=float(counts / counts.sum() @ (predicted / predicted.sum())),
        most_frequent=f"{names[most]}, {predicted[most] / predicted.sum():.1%}",
        moves=listed([f"'{names[a]}' shows {names[b]} ({shares[a, b]:.1%})" for a, b in moves], 10),
        moved_accuracy=np.mean([shares[k, k] for k, _ in moves] or [math.nan]),
        exchanged_accuracy=np.mean([shares[k, to] for k, to in moves] or [math.nan]),
        confused=pairs([k for k in below if shares[k, k] < CONFUSED]),
        weak=pairs([k for k in below if shares[k, k] >= CONFUSED]),
        balanced=balanced,
        real_balanced=real_balanced,
        balanced_chance=_chance_gap(balanced * count, count, real_balanced * others, others),
        worst=worst,
    )


def _chance_gap(right: float, count: int, real_right: float, real_count: int) -> float:
    """Return two standard errors of the difference of two shares (Agresti & Caffo 2000)."""
    a, b = (right + 1) / (count + 2), (real_right + 1) / (real_count + 2)
    return 2 * math.sqrt(a * (1 - a) / (count + 2) + b * (1 - b) / (real_count + 2))
