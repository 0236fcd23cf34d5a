from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from acgan.evaluation.label_classifiers import Accuracy
from acgan.evaluation.label_findings import label_findings
from acgan.report.section import Finding

NAMES = ("zero", "one", "two", "three", "four", "five")
K = len(NAMES)


def matrix(right: float = 0.98, count: int = 1000) -> npt.NDArray[np.int64]:
    """Right by a share, the rest spread evenly over the other classes."""
    shares = np.full((K, K), (1 - right) / (K - 1))
    np.fill_diagonal(shares, right)
    counts: npt.NDArray[np.int64] = np.rint(shares * count).astype(np.int64)
    return counts


REAL = matrix(0.98)


def keys(findings: tuple[Finding, ...]) -> list[str]:
    return [each.key for each in findings]


def found(samples: npt.NDArray[np.int64], real: npt.NDArray[np.int64] = REAL, **more: Any) -> Any:
    return label_findings(NAMES, samples, real, **more)


def test_as_good_as_real_is_good() -> None:
    (only,) = found(matrix(0.985))
    assert (only.key, only.level) == ("labels-correct", "good")
    assert "98.5%" in only.sentence
    assert "98.0%" in only.sentence


def test_exchanged_classes_are_named_with_their_labels() -> None:
    samples = matrix(0.97)[:, [0, 1, 2, 5, 4, 3]]
    (only,) = found(samples)
    assert (only.key, only.level) == ("classes-permuted", "fault")
    assert "'five' shows three" in only.sentence
    assert "'three' shows five" in only.sentence
    assert "shows two" not in only.sentence


def test_of_a_cycle_each_class_is_named_the_right_way_round() -> None:
    samples = np.zeros((K, K), np.int64)
    for target_labels in range(K):
        samples[target_labels, (target_labels + 1) % K] = 400  # the label zero shows one
    (only,) = found(samples)
    assert only.key == "classes-permuted"
    assert "'zero' shows one" in only.sentence
    assert "'one' shows zero" not in only.sentence
    assert "'five' shows zero" in only.sentence


def test_an_ignored_label_is_no_permutation() -> None:
    samples = np.random.default_rng(0).multinomial(500, [0.4, 0.1, 0.1, 0.2, 0.1, 0.1], K)
    (only,) = found(samples)
    assert (only.key, only.level) == ("label-ignored", "fault")
    assert "most often zero" in only.sentence
    assert "ignores the label" in only.sentence


@pytest.mark.parametrize("count", [4, 20, 100])
def test_an_ignored_label_is_found_in_few_samples(count: int) -> None:
    """Few samples look dependent by chance; the correction keeps that from hiding the fault."""
    samples = np.random.default_rng(1).multinomial(count, np.full(K, 1 / K), K)
    assert keys(found(samples)) == ["label-ignored"]


def test_all_samples_of_one_class_ignore_the_label() -> None:
    samples = np.zeros((K, K), np.int64)
    samples[:, 3] = 200
    assert keys(found(samples)) == ["label-ignored"]


def test_a_class_shown_as_another_is_confused_and_not_permuted() -> None:
    samples = matrix(0.98)
    samples[3] = [0, 0, 0, 100, 0, 900]  # and five is five
    (only,) = found(samples)
    assert (only.key, only.level) == ("classes-confused", "fault")
    assert "three (10.0%, real images 98.0%; 90.0% are classified as five)" in only.sentence


def test_a_class_below_the_real_images_is_a_warning() -> None:
    samples = matrix(0.98)
    samples[4] = [0, 300, 0, 0, 700, 0]
    (only,) = found(samples)
    assert (only.key, only.level) == ("classes-below-real", "warning")
    assert "four" in only.sentence


def test_confusions_of_real_images_do_not_count_against_the_samples() -> None:
    real = matrix(0.98)
    real[1] = [0, 450, 550, 0, 0, 0]
    samples = matrix(0.98)
    samples[1] = [0, 440, 560, 0, 0, 0]
    assert keys(found(samples, real)) == ["labels-correct"]


def test_few_samples_of_a_class_raise_no_alarm() -> None:
    samples = matrix(0.98)
    samples[2] = [3, 1, 2, 0, 0, 0]
    assert keys(found(samples)) == ["labels-correct"]
    samples[2] = [0, 3, 9, 0, 0, 0]  # nine of twelve: within what chance does
    assert keys(found(samples)) == ["labels-correct"]


def test_better_than_real_is_too_typical() -> None:
    (only,) = found(matrix(0.985), matrix(0.92))
    assert (only.key, only.level) == ("too-typical", "warning")
    assert "98.5%" in only.sentence
    assert keys(found(matrix(0.99), matrix(0.98))) == ["labels-correct"]


def test_skewed_samples_are_held_against_real_classes_weighted_alike() -> None:
    """Overall 98 % against 79 %, but class by class they are the same."""
    shares = np.diag([0.6, 0.6, 0.98, 0.98, 0.98, 0.98])
    shares[:2, 2] = 0.4
    real = np.rint(shares * np.array([900, 900, 500, 100, 100, 100])[:, None]).astype(np.int64)
    samples = np.rint(shares * np.array([50, 50, 900, 900, 900, 900])[:, None]).astype(np.int64)
    assert keys(found(samples, real)) == ["labels-correct"]


def test_an_unreliable_reference_classifier_decides_nothing() -> None:
    assert keys(found(matrix(0.1), matrix(0.3))) == ["classifier-unreliable"]


def test_a_handful_of_samples_gives_no_finding() -> None:
    assert found(np.eye(K, dtype=np.int64)) == ()


def test_detail_without_information_is_named() -> None:
    lazy = found(matrix(0.98), at_half={"reference-classifier": (0.98, 0.97, 0.98, 0.7)})
    assert keys(lazy) == ["resolution-unused"]
    assert keys(found(matrix(0.98), at_half={"reference-classifier": (0.98, 0.75, 0.98, 0.7)})) == [
        "labels-correct"
    ]
    assert keys(
        found(matrix(0.98), at_half={"reference-classifier": (0.98, 0.98, 0.98, 0.97)})
    ) == ["labels-correct"]


def test_an_independent_classifier_with_lower_accuracy_is_a_warning() -> None:
    far = Accuracy(0.24, (0.2, 0.29), 0.575, (), ())
    (only,) = found(matrix(0.98), others={"imagenet": far})
    assert (only.key, only.level) == ("independent-classifier-disagrees", "warning")
    assert "imagenet assigns 24.0%" in only.sentence
    assert "57.5%" in only.sentence
    near = Accuracy(0.5, (0.45, 0.55), 0.575, (), ())
    unknown = Accuracy(None, None, None, (), ())
    agrees = matrix(0.4)  # the reference classifier is as unsure: no disagreement
    assert "independent-classifier-disagrees" not in keys(found(agrees, others={"imagenet": far}))
    assert keys(found(matrix(0.98), others={"a": near, "b": unknown})) == ["labels-correct"]
