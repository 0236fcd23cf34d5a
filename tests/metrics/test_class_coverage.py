"""Shares of classes: the distance by hand and by chance; planted collapses must be named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, final

import numpy as np
import pytest

from acgan.classifiers.extractor import Predictions
from acgan.data.images import DatasetSplits, Images, LabeledImages, make_classes
from acgan.evaluation.class_coverage import coverage_section
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.metrics.class_coverage import class_counts, total_variation, total_variation_at
from acgan.report.section import Section, Table

NAMES = ("dark", "dim", "bright", "white")


def test_the_distance_by_hand() -> None:
    # shares (.5, .3, .2) and (.2, .4, .4): (.3 + .1 + .2) / 2
    assert total_variation(np.array([5, 3, 2]), np.array([2, 4, 4])) == pytest.approx(0.3)
    assert total_variation(np.array([5, 5]), np.array([50, 50])) == 0
    assert total_variation(np.array([7, 0]), np.array([0, 3])) == 1


def test_at_a_smaller_count_it_is_the_mean_over_draws() -> None:
    first, second = np.array([60, 30, 10]), np.array([30, 30, 40])
    assert total_variation_at(100, first, second, seed=0) == total_variation(first, second)
    images = np.repeat(np.arange(3), first)
    random = np.random.default_rng(7)
    naive = np.mean(
        [
            total_variation(np.bincount(random.permutation(images)[:20], minlength=3), second)
            for _ in range(4000)
        ]
    )
    draws = [total_variation_at(20, first, second, seed=seed) for seed in range(40)]
    assert np.mean(draws) == pytest.approx(naive, abs=0.005)
    assert total_variation_at(20, first, first, seed=0) > 0.02, "chance alone parts few images"


def test_the_highest_logit_counts() -> None:
    logits = np.array([[0.1, 2, 1], [3, 0, 0], [0, 1, 0.5], [5, 4, 4.9]])
    np.testing.assert_array_equal(class_counts(logits), [2, 2, 0])


@final
class Brightness:
    """A judge that reads the class in an image's mean brightness."""

    name, resize_rule = "judge", "none"
    record = SimpleNamespace(train_hash="none")

    def predict(self, images: Images, *, progress: Any = None) -> Predictions:
        predicted = (images.mean(axis=(1, 2, 3)) // 64).astype(int)
        return Predictions(
            np.eye(4, dtype=np.float32)[predicted], np.zeros((len(images), 2), np.float32)
        )

    def weights_hash(self) -> str:
        return "none"


def images_of(labels: list[int]) -> LabeledImages:
    whole = np.array(labels, np.int64)
    pixels = (64 * whole + 32).astype(np.uint8)[:, None, None, None]
    return LabeledImages(np.tile(pixels, (1, 1, 4, 4)), whole, make_classes(NAMES))


def section_of(drawn: dict[int, int], *, reference_classifier: bool = True) -> Section:
    part = images_of([0, 1, 2, 3] * 100)
    samples = images_of([k for k, count in drawn.items() for _ in range(count)])
    target_labels = np.zeros(len(samples), np.int64)
    sample_set = SampleSet(
        "planted", samples.images, target_labels, part.classes, conditional=False
    )
    label_classifier: Any = Brightness() if reference_classifier else None
    return coverage_section(
        EvaluationData(sample_set, DatasetSplits("grays", part, part, part), label_classifier, True)
    )


def keys(section: Section) -> list[tuple[str, str]]:
    return [(each.key, each.level) for each in section.findings]


def test_even_samples_are_called_good() -> None:
    section = section_of({0: 250, 1: 250, 2: 250, 3: 250})
    assert keys(section) == [("classes-covered", "good")]
    shares, missing = section.metrics
    assert shares.value == pytest.approx(0.02, abs=0.02)
    assert shares.baseline == 0
    assert (missing.value, missing.baseline) == (0, 0)
    assert {each.protocol for each in section.metrics} <= section.protocols.keys()
    (table,) = section.blocks
    assert isinstance(table, Table)
    assert table.rows[2] == ("bright", 250, 0.25, 0.25, 1.0)
    assert any("resolution experiment are left out" in note for note in section.notes)


def test_a_class_that_is_never_drawn_is_named() -> None:
    section = section_of({0: 400, 1: 390, 2: 10, 3: 0})
    assert keys(section) == [("classes-missing", "fault")]
    assert "2 of 4 classes" in section.findings[0].sentence
    assert "(bright, white)" in section.findings[0].sentence
    assert section.metrics[0].value == pytest.approx(0.49, abs=0.02)
    assert section.metrics[1].value == 2


def test_classes_drawn_too_rarely_are_a_warning() -> None:
    section = section_of({0: 450, 1: 250, 2: 250, 3: 50})
    assert keys(section) == [("classes-uneven", "warning")]
    assert "white 0.20 times" in section.findings[0].sentence
    assert "dark 1.80 times" in section.findings[0].sentence


def test_of_few_samples_it_says_what_it_takes() -> None:
    section = section_of({0: 20, 1: 20})
    assert section.findings == ()
    assert all(each.value is None and "it takes 100" in each.note for each in section.metrics)


def test_without_a_judge_it_says_so() -> None:
    section = section_of({0: 200}, reference_classifier=False)
    assert section.metrics == ()
    assert any("have no classes" in note for note in section.notes)
