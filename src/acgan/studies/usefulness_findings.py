"""Findings of a usefulness study: differences between arms and their significance.

The arms of the verdict are fixed before any result: the mix at the headline ratio, or, for
imbalanced classes, the real images with samples added up to equal class sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from acgan.report.section import Finding
from acgan.studies.arms import (
    BALANCED,
    BALANCED_AUGMENTED,
    OVERSAMPLED,
    OVERSAMPLED_AUGMENTED,
    REAL,
    REAL_AUGMENTED,
    SYNTHETIC,
    mixed_key,
)
from acgan.studies.usefulness_result import (
    ArmResult,
    Difference,
    Usefulness,
    Verdict,
    in_letters,
    in_words,
    paired_difference,
)

Measure = Literal["accuracy", "macro_f1", "rare_recall"]
MEASURE_NAMES: dict[Measure, str] = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "rare_recall": "recall of the rare classes",
}

_LEARNED_SHARE = 0.25  # of the way from guessing to perfect, which the arm "real" must have come


@final
@dataclass(frozen=True)
class ArmComparison:
    """One arm against one baseline in one measure.

    Attributes:
        arm: key of the arm.
        baseline: key of the baseline.
        measure: what is compared.
        difference: arm less baseline, paired by seed.
    """

    arm: str
    baseline: str
    measure: Measure
    difference: Difference


def compare(study: Usefulness, arm: str, baseline: str, measure: Measure) -> ArmComparison:
    """One arm against another, by their keys; ``rare_recall`` needs a skewed training part."""
    ours, theirs = (_values(study, study.by_key[key], measure) for key in (arm, baseline))
    return ArmComparison(arm, baseline, measure, paired_difference(ours, theirs))


def comparisons(study: Usefulness) -> tuple[ArmComparison, ...]:
    """Every arm with samples against ``real`` and ``real, augmented``, in every measure.

    Arms that are filled up to equal classes are also compared with the real images that are
    repeated to equal classes, under the same augmentation; and the two classical remedies,
    augmentation and repetition, with ``real``, to tell how much is to be had without a GAN.
    """
    measures: list[Measure] = ["accuracy", "macro_f1"]
    if study.rare:
        measures.append("rare_recall")
    return tuple(
        compare(study, arm, baseline, measure)
        for measure in measures
        for arm, baseline in _pairs(study)
    )


def headline_arms(study: Usefulness) -> tuple[str, str]:
    """Keys of the two arms that the verdict speaks of: without augmentation and with it."""
    if study.is_skewed:
        return BALANCED, BALANCED_AUGMENTED
    ratio = study.config.headline_ratio
    return mixed_key(ratio), mixed_key(ratio, augmented=True)


def usefulness_findings(study: Usefulness) -> tuple[Finding, ...]:
    """The verdict, the most serious sentence first.

    It speaks of accuracy, and of the rare classes' recall where there are such. A gain is called
    one only against the stronger baseline: classical augmentation with no sample at all, and in a
    skewed set also augmentation with repetition.
    """
    findings = list(_nothing_learned(study)) or [
        *_on_top(study),
        *_alone(study),
        *_without_gan(study),
    ]
    severity = ("fault", "warning", "good")
    return tuple(sorted(findings, key=lambda each: severity.index(each.level)))


def _nothing_learned(study: Usefulness) -> Iterator[Finding]:
    """Whether the fits are too short to compare anything: then nothing else is said."""
    real = study.by_key[REAL]
    accuracy = float(np.mean(real.accuracy))
    tested = real.confusions[0].sum(axis=1)
    guess = float(tested.max() / tested.sum())
    if accuracy < guess + _LEARNED_SHARE * (1 - guess):
        yield Finding(
            "study-says-nothing",
            "fault",
            f"The classifier reads {accuracy:.1%} of the test images right after learning from "
            f"real images; always naming the largest class gives {guess:.1%}. Where real images "
            "teach so little, nothing can be said about samples: show more images in each fit.",
        )


def _on_top(study: Usefulness) -> Iterator[Finding]:
    """The headline arms: samples instead of augmentation, and samples on top of it."""
    plain, augmented = headline_arms(study)
    measures: list[Measure] = ["accuracy"]
    if study.rare:
        measures.append("rare_recall")
    for measure in measures:
        suffix = "" if measure == "accuracy" else "-rare-classes"
        if augmented in study.by_key:
            baselines = [REAL_AUGMENTED, *([OVERSAMPLED_AUGMENTED] if study.is_skewed else [])]
            yield _finding(study, augmented, baselines, measure, f"samples-added{suffix}")
        if plain in study.by_key:
            baselines = [REAL, REAL_AUGMENTED, *([OVERSAMPLED] if study.is_skewed else [])]
            yield _finding(study, plain, baselines, measure, f"samples-instead{suffix}")


def _finding(
    study: Usefulness, arm: str, baselines: Sequence[str], measure: Measure, key: str
) -> Finding:
    against = [compare(study, arm, baseline, measure) for baseline in baselines]
    verdicts: list[Verdict] = [each.difference.verdict for each in against]
    stem, level = _judgment(verdicts)
    title = study.by_key[arm].arm.title
    clauses = "; ".join(
        f"against “{study.by_key[each.baseline].arm.title}”: {in_words(each.difference)}"
        for each in against
    )
    return Finding(
        f"{key}-{stem}", level, f"{_capital(MEASURE_NAMES[measure])} with “{title}”, {clauses}."
    )


def _judgment(verdicts: Sequence[Verdict]) -> tuple[str, Literal["warning", "good"]]:
    if all(each == "gain" for each in verdicts):
        return "help", "good"
    if "cost" in verdicts:
        return "cost", "warning"
    return "not-proven", "warning"


def _alone(study: Usefulness) -> Iterator[Finding]:
    """The Classification Accuracy Score beside what as many real images give."""
    if SYNTHETIC not in study.by_key:
        return
    difference = compare(study, SYNTHETIC, REAL, "accuracy").difference
    alone, real = (np.mean(study.by_key[key].accuracy) for key in (SYNTHETIC, REAL))
    start = (
        f"A classifier that learned from samples alone reads {alone:.1%} of the real images right, "
        f"one that learned from as many real images {real:.1%}: "
    )
    if difference.verdict == "cost":
        rest = f"the samples {in_words(difference)}; they cannot stand in for the real images."
        yield Finding("samples-alone-cost", "warning", start + rest)
    else:
        article = "" if difference.verdict == "none" else "a "
        rest = f"{article}{in_words(difference)}."
        yield Finding("samples-alone-equal", "good", start + rest)


def _without_gan(study: Usefulness) -> Iterator[Finding]:
    """What classical augmentation does, the baseline that samples have to beat."""
    difference = compare(study, REAL_AUGMENTED, REAL, "accuracy").difference
    sentence = f"Classical augmentation of the real images alone: {in_words(difference)}."
    if difference.verdict == "cost":
        sentence += (
            " In so few steps it is a weak baseline: what beats it need not beat the real images."
        )
        yield Finding("augmentation-cost", "warning", sentence)
    elif difference.verdict == "gain":
        yield Finding("augmentation-help", "good", sentence)
    else:
        yield Finding("augmentation-not-proven", "warning", sentence)


def caveats(study: Usefulness) -> tuple[str, ...]:
    """What the verdict does not cover; it belongs beside it."""
    seeds = in_letters(len(study.seeds))
    number = len(_pairs(study))
    return (
        f"The intervals are 95 % t intervals of the paired differences over {seeds} seeds. A seed "
        "changes the initial weights, the order and the samples drawn; the model that draws them, "
        "the real training images and the test images stay the same. Another model, or other "
        "training images, may give other differences than the intervals say.",
        f"{number} pairs of arms are compared. Among as many comparisons of equals, chance alone "
        f"makes about {max(1, round(0.05 * number))} look like a difference; the verdict's arms "
        "were therefore fixed beforehand.",
    )


def _pairs(study: Usefulness) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = [(REAL_AUGMENTED, REAL)]
    if study.is_skewed:
        pairs += [(OVERSAMPLED, REAL), (OVERSAMPLED_AUGMENTED, REAL_AUGMENTED)]
    for result in study.results:
        arm = result.arm
        if not arm.has_samples:
            continue
        pairs += [(arm.key, REAL), (arm.key, REAL_AUGMENTED)]
        if study.is_skewed and arm.key.startswith(BALANCED):
            pairs.append((arm.key, OVERSAMPLED_AUGMENTED if arm.augmented else OVERSAMPLED))
    return tuple(pairs)


def _values(study: Usefulness, result: ArmResult, measure: Measure) -> tuple[float, ...]:
    of: dict[Measure, Callable[[], tuple[float, ...]]] = {
        "accuracy": lambda: result.accuracy,
        "macro_f1": lambda: result.macro_f1,
        "rare_recall": lambda: result.mean_recall(study.rare),
    }
    return of[measure]()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
