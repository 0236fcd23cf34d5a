from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from acgan.classifiers.extractor import Extractor, Predictions
from acgan.evaluation.label_classifiers import (
    LabelClassifier,
    accuracy_with_baseline,
)
from acgan.metrics.accuracy import ClassAgreement, class_agreement


def agreement(confusion: Any) -> ClassAgreement:
    counts = np.ravel(confusion)
    target_labels, predicted = (
        np.repeat(each.ravel(), counts) for each in np.indices(np.shape(confusion))
    )
    return class_agreement(np.eye(len(confusion))[predicted], target_labels)


@pytest.mark.parametrize(("right", "count"), [(0, 12), (12, 12), (3, 10), (9_967, 10_000)])
def test_the_interval_is_wilsons(right: int, count: int) -> None:
    z, share = 1.959963984540054, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) * z / (1 + z * z / count)
    interval = accuracy_with_baseline(agreement([[right, count - right], [0, 0]]), None).interval
    assert interval == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert interval is not None
    assert interval[0] <= share <= interval[1]


def test_the_floor_weighs_classes_as_the_samples_do() -> None:
    """Else a skewed test part would be held against balanced samples."""
    samples = agreement([[50, 50], [0, 900]])
    real = agreement([[900, 0], [50, 50]])
    share = accuracy_with_baseline(samples, real)
    assert share.value == pytest.approx(0.95)
    assert share.baseline == pytest.approx(0.1 * 1.0 + 0.9 * 0.5)
    assert share.per_class == (0.5, 1.0)
    assert share.per_class_baseline == (1.0, 0.5)


def test_of_few_images_no_share_is_given() -> None:
    share = accuracy_with_baseline(agreement([[5, 0], [2, 2]]), agreement([[9, 0], [0, 20]]))
    assert (share.value, share.interval, share.baseline) == (None, None, None)
    assert share.per_class == (None, None)
    assert share.per_class_baseline == (None, 1.0)
    assert accuracy_with_baseline(None, None).value is None


def test_a_class_that_nobody_asked_for_is_left_out() -> None:
    share = accuracy_with_baseline(agreement([[20, 0], [0, 0]]), agreement([[15, 5], [10, 0]]))
    assert share.per_class == (1.0, None)
    assert share.baseline == pytest.approx(0.75)


def test_a_reader_is_asked_only_for_what_it_knows() -> None:
    extractor: Extractor = None  # type: ignore[assignment]
    label_classifier = LabelClassifier(
        "x", "X", extractor, lambda a: a.logits, np.array([True, False, True]), {}
    )
    logits = np.array([[3, 0, 1], [0, 0, 1], [1, 0, 0]], np.float32)
    predictions = Predictions(logits, logits)
    predicted = label_classifier.agreement(predictions, np.array([0, 1, 2]))
    assert predicted is not None
    assert predicted.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert label_classifier.agreement(predictions, np.array([1, 1, 1])) is None
