from __future__ import annotations

import io
import math
from collections.abc import Callable

import pytest
from PIL import Image

from acgan.report.section import ImageBlock, Section, Table
from acgan.studies.usefulness_report import accuracy_chart, rare_recall_chart, usefulness_section
from acgan.studies.usefulness_result import Usefulness

StudyMaker = Callable[..., Usefulness]
REAL, ALONE = [0.80, 0.82, 0.81], [0.70, 0.70, 0.73]


@pytest.fixture
def tail(study_with: StudyMaker) -> Usefulness:
    return study_with(counts=(50, 20, 5), real=REAL, synthetic=ALONE)


def table(section: Section, title: str) -> Table:
    (found,) = [b for b in section.blocks if isinstance(b, Table) and b.title == title]
    return found


@pytest.mark.slow
def test_figures_have_stable_keys_and_a_protocol(tail: Usefulness) -> None:
    section = usefulness_section(tail)
    metrics = {each.key: each for each in section.metrics}
    assert len(metrics) == len(section.metrics) == 1 + 2 * len(tail.results)
    assert all(each.protocol in section.protocols for each in section.metrics)
    assert all(each.value is not None and math.isfinite(each.value) for each in section.metrics)
    score = metrics["usefulness.classification-accuracy-score"]
    assert score.value == pytest.approx(0.71)
    assert score.baseline == pytest.approx(0.81)
    assert score.per_class == pytest.approx((0.71, 0.71, 0.71))
    assert score.note == "Mean of 3 seeds, standard deviation 1.73 points."
    assert metrics["usefulness.accuracy.real"].value == pytest.approx(0.81)
    assert metrics["usefulness.macro-f1.mixed-100-percent"].aim == "high"


@pytest.mark.slow
def test_tables_hold_every_arm_every_comparison_and_every_class(tail: Usefulness) -> None:
    section = usefulness_section(tail)
    arms = table(section, "The arms")
    rows = {row[0]: row for row in arms.rows}
    assert len(rows) == len(tail.results)
    assert rows["samples only"][1:] == (0, 75, "71.0 ± 1.7", "71.0 ± 1.7", "71.0 ± 1.7")
    assert "60 steps of 16 images" in arms.caption
    differences = table(section, "Differences between arms")
    assert ("samples only", "real", "accuracy", -10.0, 4.97, "cost 10.0 ± 5.0 points") in (
        differences.rows
    )
    recall = table(section, "Recall of each class")
    assert [row[:2] for row in recall.rows] == [("bar", 50), ("x", 20), ("o", 5)]
    assert all(
        len(row) == len(each.header) for each in (arms, differences, recall) for row in each.rows
    )


@pytest.mark.slow
def test_notes_say_what_is_not_covered(tail: Usefulness) -> None:
    notes = usefulness_section(tail).notes
    assert notes[0] == "A note."
    assert "3 seeds" in notes[1]


@pytest.mark.slow
def test_pictures_are_of_report_width_and_the_same_every_time(tail: Usefulness) -> None:
    pictures = [b for b in usefulness_section(tail).blocks if isinstance(b, ImageBlock)]
    assert [each.title for each in pictures] == [
        "Accuracy of every arm",
        "Recall of the rare classes in every arm",
    ]
    for picture in pictures:
        assert Image.open(io.BytesIO(picture.png)).width == 1080
    assert accuracy_chart(tail) == pictures[0].png
    assert rare_recall_chart(tail) == pictures[1].png != pictures[0].png


def test_without_rare_classes_nothing_is_said_of_them(study_with: StudyMaker) -> None:
    study = study_with(real=REAL)
    section = usefulness_section(study)
    assert len([b for b in section.blocks if isinstance(b, ImageBlock)]) == 1
    assert table(section, "The arms").header[-1] == "macro-F1 %"
    with pytest.raises(ValueError, match="none is rare"):
        rare_recall_chart(study)


def test_class_names_that_look_like_formulas_are_drawn(study_with: StudyMaker) -> None:
    study = study_with(counts=(50, 20, 5), real=REAL)
    names = Usefulness(**{**vars(study), "classes": ("$x^$", "a_b", "$o$")})
    assert rare_recall_chart(names)
