from __future__ import annotations

import numpy as np
import pytest

from acgan.metrics.accuracy import class_agreement


def logits(
    predicted: list[int], classes: int = 3
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.eye(classes, dtype=np.float32)[predicted] * 5


def test_counts_by_hand() -> None:
    agreement = class_agreement(logits([0, 0, 1, 1, 2, 0]), np.array([0, 0, 0, 1, 1, 1]))
    assert agreement.confusion.tolist() == [[2, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert agreement.overall == 0.5
    np.testing.assert_allclose(agreement.per_class, [2 / 3, 1 / 3, np.nan])
    assert agreement.confusion.dtype == np.int64


def test_overall_weighs_samples_not_classes() -> None:
    agreement = class_agreement(logits([0] * 9 + [0]), np.array([0] * 9 + [1]))
    assert agreement.overall == pytest.approx(0.9)


def test_permuted_classes_and_an_ignored_label_are_seen() -> None:
    target_labels = np.arange(30) % 3
    permuted = class_agreement(logits([1, 2, 0] * 10), target_labels)
    assert permuted.overall == 0
    assert permuted.confusion[0].tolist() == [0, 10, 0]
    ignored = class_agreement(logits([1] * 30), target_labels)
    assert ignored.per_class.tolist() == [0, 1, 0]


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        class_agreement(logits([]), np.array([], np.int64))
    with pytest.raises(ValueError, match="finite"):
        class_agreement(np.full((2, 3), np.nan), np.array([0, 1]))
    with pytest.raises(ValueError, match="between 0 and 2"):
        class_agreement(logits([0]), np.array([3]))
    with pytest.raises(ValueError, match="must be"):
        class_agreement(logits([0]), np.array([0, 1]))
