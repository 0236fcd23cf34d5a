"""Findings of the labels chapter: thresholds and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np

from acgan.evaluation.findings import Rule, first_finding, listed
from acgan.evaluation.label_classifiers import SMALLEST_COUNT, Accuracy
from acgan.metrics.accuracy import association, permuted_cycles, row_shares
from acgan.metrics.arrays import Float64Array, Int64Array
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


@final
@dataclass(frozen=True)
class _Facts:
    """Confusion matrices (K, K): rows are target or true classes, columns predicted classes."""

    names: Sequence[str]
    samples: Int64Array
    real: Int64Array

    @property
    def accuracy(self) -> float:
        return _accuracy(self.samples)

    @property
    def real_accuracy(self) -> float:
        return _accuracy(self.real)

    @property
    def association(self) -> float:
        return float(association(self.samples))

    @property
    def real_association(self) -> float:
        return float(association(self.real))

    @property
    def shares(self) -> Float64Array:
        return row_shares(self.samples)

    @property
    def real_shares(self) -> Float64Array:
        return row_shares(self.real)

    @property
    def most_frequent(self) -> str:
        columns = self.samples.sum(axis=0)
        most = int(columns.argmax())
        return f"{self.names[most]}, {columns[most] / columns.sum():.1%}"

    @property
    def chance(self) -> float:  # accuracy if target and predicted class were independent
        rows, columns = (self.samples.sum(axis=axis) / self.samples.sum() for axis in (1, 0))
        return float(rows @ columns)

    @property
    def cycles(self) -> Sequence[Sequence[int]]:
        return permuted_cycles(self.samples, gain=PERMUTED, smallest=SMALLEST_COUNT)

    @property
    def moves(self) -> list[tuple[int, int]]:  # target label and the class shown instead
        return [move for c in self.cycles for move in zip(c, [*c[1:], c[0]], strict=True)]

    @property
    def moves_listed(self) -> str:
        names, shares = self.names, self.shares
        moves = [f"'{names[k]}' shows {names[to]} ({shares[k, to]:.1%})" for k, to in self.moves]
        return listed(moves, 10)

    @property
    def moved_accuracy(self) -> float:
        return float(np.mean([self.shares[k, k] for k, _ in self.moves]))

    @property
    def exchanged_accuracy(self) -> float:
        return float(np.mean([self.shares[k, to] for k, to in self.moves]))

    @property
    def below_real(self) -> list[int]:  # classes, lowest accuracy first
        permuted = {k for cycle in self.cycles for k in cycle}
        below = []
        for k in range(len(self.names)):
            count, real_count = int(self.samples[k].sum()), int(self.real[k].sum())
            if k in permuted or min(count, real_count) < SMALLEST_COUNT:
                continue
            chance = _chance_gap(self.samples[k, k], count, self.real[k, k], real_count)
            if self.real_shares[k, k] - self.shares[k, k] > max(BELOW_REAL, chance):
                below.append(k)
        return sorted(below, key=lambda k: float(self.shares[k, k]))

    @property
    def confused(self) -> str:
        return self._pairs([k for k in self.below_real if self.shares[k, k] < CONFUSED])

    @property
    def weak(self) -> str:
        return self._pairs([k for k in self.below_real if self.shares[k, k] >= CONFUSED])

    def _pairs(self, classes: Sequence[int]) -> str:
        pairs = []
        for k in classes:
            others = self.shares[k].copy()
            others[k] = -1
            other = int(others.argmax())
            pairs.append(
                f"{self.names[k]} ({self.shares[k, k]:.1%}, real images "
                f"{self.real_shares[k, k]:.1%}; {self.shares[k, other]:.1%} are classified as "
                f"{self.names[other]})"
            )
        return listed(pairs, _NAMED)

    @property
    def balanced(self) -> tuple[float, float, int, int]:
        """Accuracies of samples and real images, classes weighted as in the samples; counts."""
        both = (self.samples.sum(axis=1) > 0) & (self.real.sum(axis=1) > 0)
        if not both.any():
            return math.nan, math.nan, 0, 0
        weights = self.samples.sum(axis=1)[both]
        share, real = (
            float(np.average(np.diagonal(each)[both], weights=weights))
            for each in (self.shares, self.real_shares)
        )
        return share, real, int(weights.sum()), int(self.real[both].sum())

    @property
    def too_typical(self) -> bool:
        share, real, count, real_count = self.balanced
        gap = _chance_gap(share * count, count, real * real_count, real_count)
        return share - real > max(TOO_TYPICAL, gap)

    @property
    def worst(self) -> str:
        enough = np.flatnonzero(self.samples.sum(axis=1) >= SMALLEST_COUNT)
        if not len(enough):
            return ""
        k = int(enough[np.diagonal(self.shares)[enough].argmin()])
        return f"; the lowest accuracy of a class is {self.shares[k, k]:.1%} ({self.names[k]})"


_DECIDING: tuple[Rule[_Facts], ...] = (
    Rule(
        "classifier-unreliable",
        "warning",
        lambda f: f.real_association < UNRELIABLE,
        "The reference classifier is right on only {f.real_accuracy:.1%} of the real test images, "
        "so its predictions on the samples decide nothing.",
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
_RULES: tuple[Rule[_Facts], ...] = (
    Rule(
        "classes-permuted",
        "fault",
        lambda f: bool(f.moves),
        "Classes are permuted: the label {f.moves_listed}. {f.moved_accuracy:.1%} of these "
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
        lambda f: f.too_typical,
        "The samples are classified better than real images ({f.balanced[0]:.1%}, real images "
        "{f.balanced[1]:.1%}): they are too typical and lack the unusual and ambiguous cases of "
        "real classes; see the chapter on diversity.",
    ),
)
_GOOD = Rule[_Facts](
    "labels-correct",
    "good",
    lambda _f: True,
    "The samples show their target classes: the reference classifier assigns {f.accuracy:.1%} of "
    "them to the target label and is right on {f.real_accuracy:.1%} of the real test "
    "images{f.worst}.",
)


@final
@dataclass(frozen=True)
class _OtherClassifier:
    """Accuracies of a classifier that was not trained on this data."""

    name: str
    share: Accuracy
    expected: float  # accuracy ratio of samples and real images by the reference classifier

    @property
    def disagrees(self) -> bool:
        value, real, interval = self.share.value, self.share.baseline, self.share.interval
        if value is None or real is None or interval is None:
            return False
        return interval[1] < real - BELOW_REAL and value < self.expected * real


_DISAGREES = Rule[_OtherClassifier](
    "independent-classifier-disagrees",
    "warning",
    lambda f: f.disagrees,
    "A classifier that was not trained on this data recognizes the samples less reliably: {f.name} "
    "assigns {f.share.value:.1%} of them to the target label, and {f.share.baseline:.1%} of the "
    "real test images to their class. The samples have the features that the reference classifier "
    "uses, but look less like the objects.",
)


@final
@dataclass(frozen=True)
class _Resolution:
    """Accuracies of a classifier at the full side and at half the side."""

    name: str
    full: float
    half: float
    real_full: float
    real_half: float

    @property
    def unused(self) -> bool:
        real_loss = self.real_full - self.real_half
        return real_loss >= RESOLUTION_MATTERS and self.full - self.half <= real_loss / 4


_UNUSED = Rule[_Resolution](
    "resolution-unused",
    "warning",
    lambda f: f.unused,
    "The fine detail of the samples carries no information about their class for {f.name}: its "
    "accuracy is {f.full:.1%} at the full side and {f.half:.1%} at half the side; on real images "
    "it falls from {f.real_full:.1%} to {f.real_half:.1%}.",
)


def label_findings(
    names: Sequence[str],
    samples: Int64Array,
    real: Int64Array,
    *,
    at_half: Mapping[str, tuple[float, float, float, float] | None] = MappingProxyType({}),
    others: Mapping[str, Accuracy] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """Return the findings, most serious first.

    Args:
        names: of the K classes.
        samples: (K, K), number of samples by target label (row) and predicted class (column).
        real: the same for real images that the reference classifier was not trained on.
        at_half: by classifier, the accuracy on samples at the full side and at half the side, then
            on real images; None if it was not measured.
        others: by name, the accuracies of classifiers other than the reference classifier.
    """
    if min(samples.sum(), real.sum()) < SMALLEST_COUNT:
        return ()
    facts = _Facts(names, samples, real)
    if deciding := first_finding(_DECIDING, facts):
        return deciding
    findings = [rule.finding(facts) for rule in _RULES if rule.applies(facts)]
    expected = facts.accuracy / facts.real_accuracy
    for name, share in others.items():
        findings += first_finding([_DISAGREES], _OtherClassifier(name, share, expected))
    for name, accuracies in at_half.items():
        if accuracies is not None:
            findings += first_finding([_UNUSED], _Resolution(name, *accuracies))
    return tuple(findings) or (_GOOD.finding(facts),)


def _accuracy(confusion: Int64Array) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _chance_gap(right: float, count: int, real_right: float, real_count: int) -> float:
    """Return two standard errors of the difference of two shares (Agresti & Caffo 2000)."""
    a, b = (right + 1) / (count + 2), (real_right + 1) / (real_count + 2)
    return 2 * math.sqrt(a * (1 - a) / (count + 2) + b * (1 - b) / (real_count + 2))
