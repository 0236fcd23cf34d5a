from __future__ import annotations

from dataclasses import replace

import pytest

from acgan.evaluation.diversity_findings import DiversityMetrics, diversity_findings

GOOD = DiversityMetrics(
    classes=("a", "b", "c"),
    variance=(0.9, 1.0, 1.1),
    variance_by_seen_class=1.0,
    duplicates=(0.0, 0.0, 0.0),
    similarity=(0.2, 0.3, 0.4),
    real_similarity=(0.2, 0.3, 0.4),
    sharpness=1.0,
    color=(0.9, 1.0, 1.1),
)


def found(diversity: DiversityMetrics) -> list[tuple[str, str]]:
    return [(each.key, each.level) for each in diversity_findings(diversity)]


def test_variety_like_that_of_real_images_is_good_and_less_is_not_flattered() -> None:
    assert found(GOOD) == [("good", "good")]
    assert "as real images do: 1.00" in diversity_findings(GOOD)[0].sentence
    less = replace(GOOD, variance=(0.8, 0.7, 0.9))
    assert found(less) == [("good", "good")]
    assert "somewhat less than real images: 0.80" in diversity_findings(less)[0].sentence


@pytest.mark.parametrize(
    ("diversity", "expected"),
    [
        (replace(GOOD, variance=(0.01, 0.0, 0.02)), [("one-image-a-class", "fault")]),
        (replace(GOOD, variance=(0.4, 0.4, 0.45)), [("low-variety", "warning")]),
        (replace(GOOD, variance=(0.7, 0.7, 0.8)), [("low-variety", "warning")]),
        (replace(GOOD, variance=(0.45, 1.0, 1.0)), [("low-variety", "warning")]),
        (replace(GOOD, variance=(0.1, 0.2, 0.1)), [("low-variety", "fault")]),
        (replace(GOOD, variance=(0.9, 0.2, 0.9)), [("low-variety", "warning")]),
        (replace(GOOD, similarity=(0.6, 0.5, 0.6)), [("low-variety", "warning")]),
        (replace(GOOD, duplicates=(0.0, 0.3, 0.0)), [("duplicate-samples", "warning")]),
        (replace(GOOD, duplicates=(1.0, 1.0, 1.0)), [("duplicate-samples", "fault")]),
        (replace(GOOD, sharpness=0.4), [("blurry", "warning")]),
        (replace(GOOD, color=(0.02, 0.3, 0.9)), [("few-colors", "warning")]),
        (replace(GOOD, color=(0.02, 0.7, 0.9)), [("good", "good")]),
        (replace(GOOD, color=(None, None, None)), [("good", "good")]),
        (replace(GOOD, sharpness=9.0), [("noise", "fault")]),
        (
            replace(GOOD, variance=(4.0, 5.0, 6.0), variance_by_seen_class=3.0),
            [("noise", "fault")],
        ),
        (replace(GOOD, variance=(4.0, 5.0, 6.0)), [("mixed-classes", "warning")]),
        (
            replace(GOOD, sharpness=0.4, variance=(0.0, 1.0, 1.0)),
            [("one-image-a-class", "fault"), ("blurry", "warning")],
        ),
    ],
)
def test_faults_are_named_and_come_first(
    diversity: DiversityMetrics, expected: list[tuple[str, str]]
) -> None:
    assert found(diversity) == expected


def test_collapsed_classes_are_named() -> None:
    one = diversity_findings(replace(GOOD, variance=(1.0, 0.0, 1.0)))
    assert "the samples of b hardly" in one[0].sentence
    every = diversity_findings(replace(GOOD, variance=(0.0, 0.0, 0.0)))
    assert "the samples of every class hardly" in every[0].sentence
    names = tuple("abcdefgh")
    nothing = (0.0,) * 8
    many = DiversityMetrics(
        names, (0.0,) * 7 + (1.0,), 1.0, nothing, nothing, nothing, 1.0, nothing
    )
    assert "a, b, c, d, e and 2 more classes" in diversity_findings(many)[0].sentence


def test_without_figures_nothing_is_said() -> None:
    none = (None, None, None)
    assert (
        diversity_findings(DiversityMetrics(GOOD.classes, none, None, none, none, none, None, none))
        == ()
    )


def test_classes_of_one_color_are_named() -> None:
    (finding,) = diversity_findings(replace(GOOD, color=(0.02, 0.3, 0.9)))
    assert "vary 0.41 as much" in finding.sentence
    assert finding.sentence.endswith("hardly at all in a.")
    of_all = replace(GOOD, classes=("",), variance=(1.0,), duplicates=(0.0,), color=(0.01,))
    of_all = replace(of_all, similarity=(0.2,), real_similarity=(0.2,), conditional=False)
    (finding,) = diversity_findings(of_all)
    assert finding.sentence.endswith("vary 0.01 as much as those of real images.")
