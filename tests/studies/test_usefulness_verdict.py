from __future__ import annotations

from collections.abc import Callable

import pytest

from acgan.report.section import Finding
from acgan.studies.usefulness_findings import (
    caveats,
    compare,
    comparisons,
    headline_arms,
    usefulness_findings,
)
from acgan.studies.usefulness_result import Usefulness

StudyMaker = Callable[..., Usefulness]
REAL = [0.800, 0.804, 0.796]
TAIL = (50, 20, 5)


def shifted(by: float, jitter: float = 0.001) -> list[float]:
    return [value + by + one * jitter for value, one in zip(REAL, (-1, 0, 1), strict=True)]


def found(study: Usefulness) -> dict[str, Finding]:
    return {each.key: each for each in usefulness_findings(study)}


def test_every_arm_with_samples_meets_both_baselines_in_every_measure(
    study_with: StudyMaker,
) -> None:
    pairs = {(each.arm, each.baseline, each.measure) for each in comparisons(study_with(real=REAL))}
    for arm in ("synthetic", "mixed-100-percent", "mixed-100-percent-augmented"):
        for baseline in ("real", "real-augmented"):
            for measure in ("accuracy", "macro_f1"):
                assert (arm, baseline, measure) in pairs
    assert ("real-augmented", "real", "accuracy") in pairs
    assert not [pair for pair in pairs if pair[0].startswith(("balanced", "oversampled"))]
    assert not [pair for pair in pairs if pair[2] == "rare_recall"]


def test_in_a_long_tail_filling_up_meets_repetition_and_rare_classes_count(
    study_with: StudyMaker,
) -> None:
    study = study_with(counts=TAIL, real=REAL)
    pairs = {(each.arm, each.baseline) for each in comparisons(study)}
    assert ("balanced", "oversampled") in pairs
    assert ("balanced-capped", "oversampled") in pairs
    assert ("balanced-augmented", "oversampled-augmented") in pairs
    assert {each.measure for each in comparisons(study)} == {"accuracy", "macro_f1", "rare_recall"}
    assert headline_arms(study) == ("balanced", "balanced-augmented")


def test_values_are_paired_by_seed(study_with: StudyMaker) -> None:
    study = study_with(real=[0.5, 0.7, 0.9], synthetic=[0.48, 0.679, 0.88])
    difference = compare(study, "synthetic", "real", "accuracy").difference
    assert difference.per_seed == pytest.approx((-0.02, -0.021, -0.02))
    assert difference.verdict == "cost"


def test_a_gain_over_real_alone_is_not_called_help(study_with: StudyMaker) -> None:
    study = study_with(
        real=REAL,
        real_augmented=shifted(0.05),
        mixed_100_percent=shifted(0.03, 0.002),
        mixed_100_percent_augmented=shifted(0.05, -0.001),
    )
    findings = found(study)
    instead = findings["samples-instead-cost"]
    assert instead.level == "warning"
    assert "against “real”: gain 3.0 ± 0.5 points" in instead.sentence
    assert "against “real, augmented”: cost 2.0 ± 0.2 points" in instead.sentence
    added = findings["samples-added-not-proven"]
    assert "no difference that 3 seeds can show (0.0 ± 0.5 points)" in added.sentence
    assert findings["augmentation-help"].sentence == (
        "Classical augmentation of the real images alone: gain 5.0 ± 0.2 points."
    )


def test_a_gain_over_all_baselines_is_help(study_with: StudyMaker) -> None:
    study = study_with(
        real=REAL,
        real_augmented=shifted(0.02),
        mixed_100_percent=shifted(0.05),
        mixed_100_percent_augmented=shifted(0.06),
    )
    assert found(study)["samples-added-help"].level == "good"
    assert found(study)["samples-instead-help"].level == "good"


def test_samples_that_beat_nothing_but_an_unbalanced_baseline_do_not_help_the_tail(
    study_with: StudyMaker,
) -> None:
    study = study_with(
        counts=TAIL,
        real=REAL,
        rare={
            "real": [0.3, 0.31, 0.29],
            "oversampled": [0.5, 0.51, 0.49],
            "oversampled-augmented": [0.6, 0.61, 0.59],
            "balanced": [0.45, 0.461, 0.441],
            "balanced-augmented": [0.6, 0.62, 0.58],
        },
    )
    findings = found(study)
    instead = findings["samples-instead-rare-classes-cost"].sentence
    assert instead.startswith("Recall of the rare classes with “real, filled up")
    assert "against “real”: gain 15.1 " in instead
    assert "against “real, oversampled to equal classes”: cost 4.9 " in instead
    assert "samples-added-rare-classes-not-proven" in findings


def test_samples_alone_that_cost_and_that_do_not(study_with: StudyMaker) -> None:
    worse = found(study_with(real=REAL, synthetic=shifted(-0.1)))["samples-alone-cost"]
    assert worse.level == "warning"
    assert worse.sentence == (
        "A classifier trained on samples alone predicts 70.0% of the real images correctly, one "
        "trained on as many real images 80.0%: the samples cost 10.0 ± 0.2 points; they cannot "
        "replace the real images."
    )
    equal = found(study_with(real=REAL, synthetic=shifted(0.0, 0.01)))["samples-alone-equal"]
    assert equal.level == "good"
    assert "no difference that 3 seeds can show (0.0 ± 2.5 points)." in equal.sentence


def test_augmentation_that_costs_is_called_a_weak_baseline(study_with: StudyMaker) -> None:
    finding = found(study_with(real=REAL, real_augmented=shifted(-0.02)))["augmentation-cost"]
    assert "weak baseline" in finding.sentence


def test_where_real_images_teach_nothing_nothing_is_said_of_samples(
    study_with: StudyMaker,
) -> None:
    findings = usefulness_findings(study_with(real=[0.34, 0.33, 0.34]))
    assert [(each.key, each.level) for each in findings] == [("study-says-nothing", "fault")]
    assert "use more images in each fit" in findings[0].sentence


def test_the_most_serious_comes_first(study_with: StudyMaker) -> None:
    study = study_with(real=REAL, real_augmented=shifted(0.02), synthetic=shifted(-0.1))
    levels = [each.level for each in usefulness_findings(study)]
    assert levels == sorted(levels, key=("fault", "warning", "good").index)
    assert len(set(levels)) == 2


def test_what_the_verdict_does_not_cover_is_said(study_with: StudyMaker) -> None:
    text = " ".join(caveats(study_with(real=REAL)))
    assert "over 3 seeds" in text
    assert "other training images, may give differences outside the intervals" in text
    assert "7 pairs of arms are compared" in text
