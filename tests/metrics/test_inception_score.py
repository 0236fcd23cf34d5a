from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

from acgan.metrics.arrays import Array, IntegerArray
from acgan.metrics.inception_score import classifier_score


def predictions(count: int, known: int, seed: int, sure: float = 2.0) -> tuple[Array, IntegerArray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, known)) * sure, random.integers(0, 3, count)


def naive(logits: Array) -> float:
    """Salimans et al. 2016, line by line."""
    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(1, keepdims=True)
    mean = shares.mean(0)
    divergences = [sum(p * np.log(p / q) for p, q in zip(x, mean, strict=True)) for x in shares]
    return float(np.exp(np.mean(divergences)))


@pytest.mark.parametrize(("count", "known"), [(1, 4), (10, 2), (200, 10), (50, 300)])
def test_agrees_with_the_formula_and_torch_fidelity(count: int, known: int) -> None:
    logits, target_labels = predictions(count, known, 0)
    got = classifier_score(logits, target_labels, 3).overall
    assert got == pytest.approx(naive(logits), rel=1e-9)
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=1)[KEY_METRIC_ISC_MEAN]
    assert got == pytest.approx(theirs, rel=1e-9)


def test_classes_multiply_to_the_whole() -> None:
    logits, target_labels = predictions(300, 10, 1)
    got = classifier_score(logits, target_labels, 3)
    weights = np.bincount(target_labels) / len(target_labels)
    assert np.exp(weights @ np.log(got.per_class)) == pytest.approx(got.overall, rel=1e-9)


def test_between_1_and_the_number_of_classes() -> None:
    clear, target_labels = np.eye(10)[np.arange(1_000) % 10] * 60, np.arange(1_000) % 10
    best = classifier_score(clear, target_labels, 10)
    assert best.overall == pytest.approx(10)
    assert best.per_class == pytest.approx(np.full(10, 10))
    one_class = classifier_score(np.repeat(clear[:1], 50, axis=0), target_labels[:50], 10)
    assert one_class.overall == pytest.approx(1)
    unsure = classifier_score(np.zeros((50, 10)), target_labels[:50], 10)
    assert unsure.overall == pytest.approx(1)


def test_an_unclear_class_is_named_by_its_own_score() -> None:
    target_labels = np.arange(900) % 3
    logits = np.eye(3)[target_labels] * 20
    logits[target_labels == 1] = 0
    got = classifier_score(logits, target_labels, 4)
    assert got.per_class[1] < 1.2 < got.per_class[0]
    assert np.isnan(got.per_class[3])


def test_a_constant_added_to_an_images_logits_changes_nothing() -> None:
    logits, target_labels = predictions(40, 5, 2)
    moved = logits + np.linspace(-50, 50, 40)[:, None]
    got = classifier_score(moved, target_labels, 3).overall
    assert got == pytest.approx(classifier_score(logits, target_labels, 3).overall, rel=1e-9)
    assert got != pytest.approx(classifier_score(logits * 2, target_labels, 3).overall, rel=1e-3)


def test_what_cannot_be_measured_is_refused() -> None:
    logits, target_labels = predictions(10, 5, 0)
    with pytest.raises(ValueError, match="no images"):
        classifier_score(logits[:0], target_labels[:0], 3)
    with pytest.raises(ValueError, match="finite"):
        classifier_score(logits * np.nan, target_labels, 3)
    with pytest.raises(ValueError, match="must be"):
        classifier_score(logits, target_labels[:5], 3)
