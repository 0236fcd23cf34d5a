"""Faults with one cause: each is named where it is planted, and nothing is where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.classification import cross_entropy_of_labeled, double_softmax_of_labeled
from acgan.objectives.projection import ProjectionConfig
from acgan.objectives.reacgan import ReACGANConfig
from acgan.training.alarms import find_double_softmax, find_overasked, mean_class_loss
from acgan.training.batches import LabelSource

NAMES = tuple("abcdefghij")
CLASSES = len(NAMES)


def read(confidence: float, *, mistakes: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Class logits of 100 images, ``mistakes`` of them wrong, labels, and the accuracy."""
    labels = torch.arange(100) % CLASSES
    predictions = torch.where(torch.arange(100) < mistakes, (labels + 1) % CLASSES, labels)
    logits = confidence * torch.eye(CLASSES)[predictions]
    return logits, labels, 1 - mistakes / 100


@pytest.mark.parametrize("mistakes", [0, 2, 5])
def test_softmax_twice_is_named_and_a_single_one_is_not(mistakes: int) -> None:
    logits, labels, accuracy = read(12.0, mistakes=mistakes)
    wrong = double_softmax_of_labeled(logits, labels).item()
    alarms = find_double_softmax(wrong, accuracy, CLASSES)
    assert alarms.keys() == {"double-softmax"}
    assert "1.46 is the least" in alarms["double-softmax"]
    right = cross_entropy_of_labeled(logits, labels).item()
    assert find_double_softmax(right, accuracy, CLASSES) == {}


@pytest.mark.parametrize(
    ("loss", "accuracy", "classes"),
    [
        (1.5, 0.5, CLASSES),  # a head that has not learned yet
        (1.3, 0.97, CLASSES),  # below what is possible for softmax twice
        (1.9, 0.97, CLASSES),  # right, and unsure
        (None, 0.97, CLASSES),
        (1.5, None, CLASSES),
        (0.0, 1.0, 1),
    ],
)
def test_what_is_not_softmax_twice(
    loss: float | None, accuracy: float | None, classes: int
) -> None:
    assert find_double_softmax(loss, accuracy, classes) == {}


def test_the_class_loss_of_a_row_is_without_its_weight_and_a_cross_entropy() -> None:
    row = {"discriminator": {"class_real": 3.0}}
    assert mean_class_loss(ACGANConfig(class_weight_real=2.0), row) == 1.5
    assert mean_class_loss(ACGANConfig(class_weight_real=0.0), row) is None
    assert mean_class_loss(ACGANConfig(), {"images": 3}) is None
    for other in (ADCConfig(), ReACGANConfig(), ProjectionConfig()):
        assert mean_class_loss(other, row) is None


COUNTS = np.round(400 * 20.0 ** (-np.arange(CLASSES) / 9)).astype(int)


def overasked(policy: Any, slope: float, noise: float = 0.3) -> dict[str, str]:
    """A D whose logit of samples follows ``slope`` times what the class gives away."""
    labels = LabelSource(policy, COUNTS)
    noisy = np.random.default_rng(0).normal(0, noise, CLASSES)
    rare = np.log(COUNTS / COUNTS.mean())
    return find_overasked(slope * rare - 1 + noisy, labels.real, labels.asked, NAMES)


def test_classes_that_are_asked_for_too_often_and_rejected_are_named() -> None:
    alarms = overasked("uniform", 1.0)
    assert alarms.keys() == {"overasked"}
    assert "rejects samples of h, i, j for their class" in alarms["overasked"]
    assert "up to 7 times as often" in alarms["overasked"]


@pytest.mark.parametrize("policy", ["frequency", "batch"])
def test_rare_classes_that_are_asked_for_rarely_are_not(policy: Any) -> None:
    """Though D rejects them just so: there are few to learn from, and that is another matter."""
    assert overasked(policy, 1.0) == {}


def test_nor_where_the_discriminator_judges_by_something_else() -> None:
    assert overasked("uniform", 0.0) == {}
    assert overasked("uniform", -1.0) == {}
    assert overasked("uniform", 0.6, noise=3.0) == {}


def test_nor_on_balanced_data_nor_where_nothing_is_known() -> None:
    labels = LabelSource("uniform", np.full(CLASSES, 7))
    logits = np.arange(CLASSES, dtype=np.float64)
    assert find_overasked(logits, labels.real, labels.asked, NAMES) == {}
    skewed = LabelSource("uniform", COUNTS)
    unknown = np.full(CLASSES, np.nan)
    assert find_overasked(unknown, skewed.real, skewed.asked, NAMES) == {}


def test_shares_of_the_label_source_by_hand() -> None:
    counts = np.array([6, 2, 0])
    for policy, asked in (
        ("frequency", [0.75, 0.25, 0.0]),
        ("batch", [0.75, 0.25, 0.0]),
        ("uniform", [0.5, 0.5, 0.0]),
    ):
        labels = LabelSource(policy, counts)  # type: ignore[arg-type]
        assert labels.real.tolist() == [0.75, 0.25, 0.0]
        assert labels.asked.tolist() == asked
