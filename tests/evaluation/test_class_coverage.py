"""The chapter on class coverage: planted collapses are named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, final

import numpy as np
import pytest

from acgan.classifiers.extractor import Predictions
from acgan.data.images import DatasetSplits, Images, LabeledImages, make_classes
from acgan.evaluation.class_coverage import coverage_section
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.report.section import Section, Table

NAMES = ("dark", "dim", "bright", "white")


@final
class Brightness:
    """A reference classifier that predicts the class from the mean brightness."""

    name, resize_rule = "reference-classifier", "none"
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


def section_of(counts: dict[int, int], *, reference_classifier: bool = True) -> Section:
    part = images_of([0, 1, 2, 3] * 100)
    samples = images_of([k for k, count in counts.items() for _ in range(count)])
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


def test_even_samples_are_good() -> None:
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
    assert any("resolution experiment are omitted" in note for note in section.notes)


def test_missing_classes_are_named() -> None:
    section = section_of({0: 400, 1: 390, 2: 10, 3: 0})
    assert keys(section) == [("classes-missing", "fault")]
    assert "2 of 4 classes" in section.findings[0].sentence
    assert "(bright, white)" in section.findings[0].sentence
    assert section.metrics[0].value == pytest.approx(0.49, abs=0.02)
    assert section.metrics[1].value == 2


def test_uneven_class_shares_are_a_warning() -> None:
    section = section_of({0: 450, 1: 250, 2: 250, 3: 50})
    assert keys(section) == [("classes-uneven", "warning")]
    assert "white (0.20)" in section.findings[0].sentence
    assert "dark (1.80)" in section.findings[0].sentence


def test_few_samples_give_a_note_instead_of_values() -> None:
    section = section_of({0: 20, 1: 20})
    assert section.findings == ()
    assert all(each.value is None and "Requires 100" in each.note for each in section.metrics)


def test_data_without_classes_give_a_note() -> None:
    section = section_of({0: 200}, reference_classifier=False)
    assert section.metrics == ()
    assert any("have no classes" in note for note in section.notes)
