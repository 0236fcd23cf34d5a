"""What the figures on labels say in words; the thresholds are here, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from acgan.evaluation.label_classifiers import SMALLEST_COUNT, Share
from acgan.metrics.accuracy import association, permuted_cycles, row_shares
from acgan.metrics.arrays import Float64Array, Int64Array
from acgan.report.section import Finding

BLIND_JUDGE = 0.5
"""Association of asked and seen class on real images below which the judge decides nothing."""
IGNORED = 0.2
"""Association on samples below which the label is as good as ignored."""
PERMUTED = 0.3
"""By how much exchanging names must raise the share read right in the classes it concerns."""
CONFUSED = 0.5
"""Share of a class read right below which the class is not what its name says."""
BELOW_REAL = 0.1
"""How far a class may lie below the real images' share before it is worth a warning."""
TOO_TYPICAL = 0.02
"""How far samples may lie above the real images' share before it is worth a warning."""
RESOLUTION_MATTERS = 0.05
"""Loss of real images at half the side from which the same is expected of samples."""
_NAMED = 5  # classes or pairs that a sentence names; the table has them all


def label_findings(
    names: Sequence[str],
    samples: Int64Array,
    real: Int64Array,
    *,
    at_half: Mapping[str, tuple[float, float, float, float] | None] = MappingProxyType({}),
    outsiders: Mapping[str, Share] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """The findings of one judge, most serious first.

    Args:
        names: of the K classes.
        samples: (K, K), samples by asked class (row) and seen class (column).
        real: the same of real images that the judge has not seen.
        at_half: by reader, the share read right of samples in full and at half the side, then of
            real images; None where it was not measured.
        outsiders: what readers that are not the judge make of the samples, by name.
    """
    if min(samples.sum(), real.sum()) < SMALLEST_COUNT:
        return ()
    on_real = association(real)
    if on_real < BLIND_JUDGE:
        return (
            Finding(
                "judge-blind",
                "warning",
                f"The judge reads only {_right(real):.1%} of the real test images right, so "
                "its view of the samples decides nothing.",
            ),
        )
    if (found := association(samples)) < IGNORED:
        return (_ignored(names, samples, found, on_real),)
    permuted = permuted_cycles(samples, gain=PERMUTED, smallest=SMALLEST_COUNT)
    findings = [*_permuted(names, samples, permuted)]
    findings += _confused(names, samples, real, {k for cycle in permuted for k in cycle})
    findings += _too_typical(samples, real)
    for name, share in outsiders.items():
        findings += _outsider(name, share, _right(samples) / _right(real))
    for name, shares in at_half.items():
        if shares is not None:
            findings += _resolution_unused(name, *shares)
    return tuple(findings) or (_good(names, samples, real),)


def _ignored(names: Sequence[str], samples: Int64Array, found: float, on_real: float) -> Finding:
    columns = samples.sum(axis=0)
    most = int(columns.argmax())
    return Finding(
        "label-ignored",
        "fault",
        "The generator ignores the label: whichever class is asked for, the samples show the same "
        f"mixture of classes (most often {names[most]}, {columns[most] / columns.sum():.1%})."
        f" {_right(samples):.1%} are read as the class asked for, where chance gives "
        f"{_chance(samples):.1%}, and asked and seen class are associated by {found:.2f} "
        f"(real images: {on_real:.2f}; 0 is not at all, 1 is wholly).",
    )


def _permuted(
    names: Sequence[str], samples: Int64Array, cycles: Sequence[Sequence[int]]
) -> list[Finding]:
    if not cycles:
        return []
    shares = row_shares(samples)
    moves = [(k, after) for c in cycles for k, after in zip(c, [*c[1:], c[0]], strict=True)]
    exchanged = np.mean([shares[k, after] for k, after in moves])
    own = np.mean([shares[k, k] for k, _ in moves])
    listed = [
        f"{names[after]} is drawn when {names[k]} is asked ({shares[k, after]:.1%})"
        for k, after in moves
    ]
    return [
        Finding(
            "classes-permuted",
            "fault",
            f"Classes are permuted: {_some(listed, 10)}. Of these classes' samples "
            f"{own:.1%} are read as the class asked for, and {exchanged:.1%} would be "
            "if the names were exchanged.",
        )
    ]


def _confused(
    names: Sequence[str], samples: Int64Array, real: Int64Array, permuted: set[int]
) -> list[Finding]:
    shares, real_shares = row_shares(samples), row_shares(real)
    bad: list[int] = []
    weak: list[int] = []
    for k in range(len(names)):
        count, real_count = int(samples[k].sum()), int(real[k].sum())
        if k in permuted or min(count, real_count) < SMALLEST_COUNT:
            continue
        gap = real_shares[k, k] - shares[k, k]
        if gap <= max(BELOW_REAL, _chance_gap(samples[k, k], count, real[k, k], real_count)):
            continue
        (bad if shares[k, k] < CONFUSED else weak).append(k)

    def listed(classes: list[int]) -> str:
        ordered = sorted(classes, key=lambda k: shares[k, k])
        return _some([_pair(names, shares, real_shares, k) for k in ordered], _NAMED)

    findings = []
    if bad:
        words = "Classes are confused: less than half of the samples are read as the class asked"
        findings.append(Finding("classes-confused", "fault", f"{words} for of {listed(bad)}."))
    if weak:
        words = "Fewer samples than real images are read as the class asked for"
        findings.append(Finding("classes-below-real", "warning", f"{words} of {listed(weak)}."))
    return findings


def _pair(names: Sequence[str], shares: Float64Array, real: Float64Array, k: int) -> str:
    others = shares[k].copy()
    others[k] = -1
    other = int(others.argmax())
    return (
        f"{names[k]} ({shares[k, k]:.1%}, real images {real[k, k]:.1%}; "
        f"{shares[k, other]:.1%} are read as {names[other]})"
    )


def _too_typical(samples: Int64Array, real: Int64Array) -> list[Finding]:
    among = (samples.sum(axis=1) > 0) & (real.sum(axis=1) > 0)
    if not among.any():
        return []
    weights = samples.sum(axis=1)[among]
    share = float(np.average(np.diagonal(row_shares(samples))[among], weights=weights))
    baseline = float(np.average(np.diagonal(row_shares(real))[among], weights=weights))
    count, real_count = int(weights.sum()), int(real[among].sum())
    chance = _chance_gap(share * count, count, baseline * real_count, real_count)
    if share - baseline <= max(TOO_TYPICAL, chance):
        return []
    return [
        Finding(
            "too-typical",
            "warning",
            f"Samples are read better than real images ({share:.1%} against "
            f"{baseline:.1%}): they are too typical, and lack the unusual and doubtful cases "
            "that real classes have; see the chapter on variety.",
        )
    ]


def _outsider(name: str, share: Share, kept: float) -> list[Finding]:
    """Heard where it reads less of samples than of real images, by more than the judge does.

    Args:
        name: of the reader.
        share: what it reads of samples, and of real images.
        kept: the judge's share of samples over its share of real images.
    """
    if share.value is None or share.baseline is None or share.interval is None:
        return []
    if share.interval[1] >= share.baseline - BELOW_REAL or share.value >= kept * share.baseline:
        return []
    return [
        Finding(
            "outsider-disagrees",
            "warning",
            f"Whoever did not learn from these data knows the samples less well: {name} reads "
            f"{share.value:.1%} of them as the class asked for, and {share.baseline:.1%} "
            "of the real test images. The samples have what the judge looks for without looking "
            "as much like the things.",
        )
    ]


def _resolution_unused(
    label_classifier: str, full: float, half: float, real_full: float, real_half: float
) -> list[Finding]:
    lost, real_lost = full - half, real_full - real_half
    if real_lost < RESOLUTION_MATTERS or lost > real_lost / 4:
        return []
    return [
        Finding(
            "resolution-unused",
            "warning",
            f"The fine detail of the samples says nothing of their class to {label_classifier}: at "
            f"half "
            f"the side it reads {half:.1%} of them right, in full {full:.1%}, while "
            f"real images fall from {real_full:.1%} to {real_half:.1%}.",
        )
    ]


def _good(names: Sequence[str], samples: Int64Array, real: Int64Array) -> Finding:
    shares = np.diagonal(row_shares(samples))
    target_labels = np.flatnonzero(samples.sum(axis=1) >= SMALLEST_COUNT)
    worst = ""
    if len(target_labels):
        k = int(target_labels[shares[target_labels].argmin()])
        worst = f"; the worst class is {names[k]} with {shares[k]:.1%}"
    return Finding(
        "labels-kept",
        "good",
        f"Samples show the class asked for: the judge reads {_right(samples):.1%} of them as "
        f"that class, and {_right(real):.1%} of the real test images{worst}.",
    )


def _right(confusion: Int64Array) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _chance(confusion: Int64Array) -> float:
    """The share that would be right if asked and seen class had nothing to do with each other."""
    target_labels, predicted = (confusion.sum(axis=axis) / confusion.sum() for axis in (1, 0))
    return float(target_labels @ predicted)


def _chance_gap(right: float, count: int, real_right: float, real_count: int) -> float:
    """Two standard errors of the difference of two shares (Agresti & Caffo 2000)."""
    a, b = (right + 1) / (count + 2), (real_right + 1) / (real_count + 2)
    return 2 * math.sqrt(a * (1 - a) / (count + 2) + b * (1 - b) / (real_count + 2))


def _some(listed: Sequence[str], most: int) -> str:
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
