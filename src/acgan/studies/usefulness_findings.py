"""Findings of a usefulness study: differences between arms and their significance.

The arms of the findings are fixed before any result: the mix at the headline ratio, or, for
imbalanced classes, the real images with samples added up to equal class sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal, final

import numpy as np

from acgan.evaluation.findings import Rule, first_finding
from acgan.report.section import LEVELS, Finding
from acgan.studies.arms import (
    BALANCED,
    OVERSAMPLED,
    OVERSAMPLED_AUGMENTED,
    REAL,
    REAL_AUGMENTED,
    SYNTHETIC,
    mixed_key,
)
from acgan.studies.usefulness_result import Difference, Usefulness, paired_difference

Measure = Literal["accuracy", "macro_f1", "rare_recall"]
MEASURE_NAMES: dict[Measure, str] = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "rare_recall": "recall of the rare classes",
}

_LEARNED_SHARE = 0.25  # of the way from chance to perfect accuracy, for the arm "real"

_EQUAL = 0.02  # difference of accuracies up to which an undecided comparison is called equal

_UNTRAINED = (
    Rule(
        "study-says-nothing",
        "fault",
        lambda f: f.real < f.chance + _LEARNED_SHARE * (1 - f.chance),
        "A classifier trained on the real images predicts {f.real:.1%} of the test images "
        "correctly; always predicting the largest class gives {f.chance:.1%}. With so little "
        "training, nothing can be concluded about samples: use more images in each fit.",
    ),
)
_WITH_SAMPLES = (
    Rule("help", "good", lambda f: f.verdicts == {"gain"}, "{f.comparison}."),
    Rule("cost", "warning", lambda f: "cost" in f.verdicts, "{f.comparison}."),
    Rule("not-proven", "warning", lambda f: "none" in f.verdicts, "{f.comparison}."),
)
_ALONE = (
    "A classifier trained on samples alone predicts {f.alone:.1%} of the real images correctly, "
    "one trained on as many real images {f.real:.1%}: "
)
_SAMPLES_ALONE = (
    Rule(
        "samples-alone-cost",
        "warning",
        lambda f: f.verdict == "cost",
        _ALONE + "the samples {f.words}; they cannot replace the real images.",
    ),
    Rule(
        "samples-alone-undecided",
        "warning",
        lambda f: f.verdict == "none" and abs(f.real - f.alone) > _EQUAL,
        _ALONE + "{f.words}.",
    ),
    Rule("samples-alone-equal", "good", lambda f: f.verdict == "none", _ALONE + "{f.words}."),
    Rule("samples-alone-equal", "good", lambda f: f.verdict == "gain", _ALONE + "a {f.words}."),
)
_CLASSICAL = "Classical augmentation of the real images alone: {f.words}."
_AUGMENTATION = (
    Rule("augmentation-help", "good", lambda f: f.verdict == "gain", _CLASSICAL),
    Rule(
        "augmentation-cost",
        "warning",
        lambda f: f.verdict == "cost",
        _CLASSICAL + " With so few steps it is a weak baseline: an arm that is better than it need "
        "not be better than the real images.",
    ),
    Rule("augmentation-not-proven", "warning", lambda f: f.verdict == "none", _CLASSICAL),
)


@final
@dataclass(frozen=True)
class ArmComparison:
    """One arm against one baseline in one measure.

    Attributes:
        arm: key of the arm.
        baseline: key of the baseline.
        measure: what is compared.
        difference: arm minus baseline, paired by seed.
    """

    arm: str
    baseline: str
    measure: Measure
    difference: Difference


def compare(study: Usefulness, arm: str, baseline: str, measure: Measure) -> ArmComparison:
    """Compare two arms by their keys; ``rare_recall`` needs a skewed training split."""
    ours, theirs = (
        each.mean_recall(study.rare) if measure == "rare_recall" else getattr(each, measure)
        for each in (study.by_key[arm], study.by_key[baseline])
    )
    return ArmComparison(arm, baseline, measure, paired_difference(ours, theirs))


def comparisons(study: Usefulness) -> tuple[ArmComparison, ...]:
    """Compare every arm with samples with ``real`` and ``real, augmented``, in every measure.

    Balanced arms are also compared with real images that are repeated to equal class sizes, under
    the same augmentation. The two classical methods, augmentation and repetition, are compared
    with ``real``, to show how much is possible without a GAN.
    """
    measures: tuple[Measure, ...] = ("accuracy", "macro_f1")
    return tuple(
        compare(study, arm, baseline, measure)
        for measure in (*measures, *_rare_measure(study))
        for arm, baseline in _pairs(study)
    )


def headline_arms(study: Usefulness) -> tuple[str, str]:
    """Return the keys of the arms of the findings: without augmentation and with it."""
    plain = BALANCED if study.is_skewed else mixed_key(study.config.headline_ratio)
    return plain, f"{plain}-augmented"


def usefulness_findings(study: Usefulness) -> tuple[Finding, ...]:
    """Return the findings, the most serious first.

    They are about accuracy and, for imbalanced classes, about recall of the rare classes. Samples
    help only if they are better than all baselines: real images, classical augmentation without
    samples, and for imbalanced classes repetition of the rare ones too.
    """
    real = study.by_key[REAL]
    tested = real.confusions[0].sum(axis=1)
    facts = {"real": np.mean(real.accuracy), "chance": tested.max() / tested.sum()}
    found = [*first_finding(_UNTRAINED, SimpleNamespace(**facts))]
    if not found:
        found += _headline_findings(study)
        if SYNTHETIC in study.by_key:
            facts["alone"] = np.mean(study.by_key[SYNTHETIC].accuracy)
            found += _pair_finding(study, SYNTHETIC, _SAMPLES_ALONE, facts)
        found += _pair_finding(study, REAL_AUGMENTED, _AUGMENTATION, facts)
    return tuple(sorted(found, key=lambda each: LEVELS.index(each.level)))


def _pair_finding(
    study: Usefulness, arm: str, rules: Sequence[Rule], facts: dict[str, float]
) -> tuple[Finding, ...]:
    """Return the finding on the accuracy of an arm against ``real``."""
    difference = compare(study, arm, REAL, "accuracy").difference
    return first_finding(
        rules, SimpleNamespace(**facts, verdict=difference.verdict, words=difference.words)
    )


def _headline_findings(study: Usefulness) -> Iterator[Finding]:
    """Yield the findings on samples on top of augmentation, and instead of it."""
    plain, augmented = headline_arms(study)
    skewed = study.is_skewed
    cases = (
        (augmented, "added", (REAL_AUGMENTED, *((OVERSAMPLED_AUGMENTED,) if skewed else ()))),
        (plain, "instead", (REAL, REAL_AUGMENTED, *((OVERSAMPLED,) if skewed else ()))),
    )
    measures: tuple[Measure, ...] = ("accuracy", *_rare_measure(study))
    for measure in measures:
        for arm, role, baselines in cases:
            if arm not in study.by_key:
                continue
            against = [compare(study, arm, baseline, measure) for baseline in baselines]
            clauses = "; ".join(
                f"against “{study.by_key[each.baseline].arm.title}”: {each.difference.words}"
                for each in against
            )
            name = MEASURE_NAMES[measure]
            (found,) = first_finding(
                _WITH_SAMPLES,
                SimpleNamespace(
                    verdicts={each.difference.verdict for each in against},
                    comparison=f"{name[0].upper()}{name[1:]} with "
                    f"“{study.by_key[arm].arm.title}”, {clauses}",
                ),
            )
            suffix = "-rare-classes" if measure == "rare_recall" else ""
            yield Finding(f"samples-{role}{suffix}-{found.key}", found.level, found.sentence)


def _rare_measure(study: Usefulness) -> tuple[Measure, ...]:
    return ("rare_recall",) if study.rare else ()


def caveats(study: Usefulness) -> tuple[str, ...]:
    """Return sentences on the limits of the findings."""
    number = len(_pairs(study))
    return (
        f"The intervals are 95 % t intervals of the paired differences over {len(study.seeds)} "
        "seeds. A seed changes the initial weights, the order and the samples; the generator, the "
        "real training images and the test images stay the same. Another model, or other training "
        "images, may give differences outside the intervals.",
        f"{number} pairs of arms are compared. Among {number} comparisons of equal arms, about "
        f"{max(1, round(0.05 * number))} would show a difference by chance; the arms of the "
        "findings are therefore fixed in advance.",
    )


def _pairs(study: Usefulness) -> tuple[tuple[str, str], ...]:
    pairs = [(REAL_AUGMENTED, REAL)]
    if study.is_skewed:
        pairs += [(OVERSAMPLED, REAL), (OVERSAMPLED_AUGMENTED, REAL_AUGMENTED)]
    for arm in (result.arm for result in study.results if result.arm.has_samples):
        pairs += [(arm.key, REAL), (arm.key, REAL_AUGMENTED)]
        if study.is_skewed and arm.key.startswith(BALANCED):
            pairs.append((arm.key, OVERSAMPLED_AUGMENTED if arm.augmented else OVERSAMPLED))
    return tuple(pairs)
