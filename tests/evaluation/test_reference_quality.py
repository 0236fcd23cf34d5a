from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_reference_classifier,
)
from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels, make_classes
from acgan.errors import DataError
from acgan.evaluation.evaluation_data import EvaluationData, real_data
from acgan.evaluation.reference_quality import SampleQuality, measure_quality
from acgan.metrics.frechet import equal_count_distance, frechet_distance

CLASSES = make_classes(["left", "right", "both"])


def halves(count: int, seed: int) -> LabeledImages:
    """9×8 noise, brighter by some amount on the left, on the right or on both sides."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 80, (count, 1, 9, 8))
    bright = random.integers(60, 170, (count, 1, 1, 1))
    left, right = np.zeros((1, 1, 1, 8), int), np.zeros((1, 1, 1, 8), int)
    left[..., :4], right[..., 4:] = 1, 1
    images[labels != 1] += (bright * left)[labels != 1]
    images[labels != 0] += (bright * right)[labels != 0]
    return LabeledImages(images.astype(np.uint8), labels.astype(np.int64), CLASSES)


PARTS = DatasetSplits("halves", halves(300, 0), halves(300, 1), halves(600, 2))
SAMPLES = halves(900, 3)  # a perfect model: the very process that the data come from


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reference_classifier() -> ReferenceClassifier:
    config = ReferenceClassifierConfig(
        network=ReferenceNetworkConfig(stem=4, stages=(8,)),
        fit=FitConfig(
            flip=False,
            images=1_600,
            batch_size=16,
            peak_lr=0.02,
            shift_pixels=1,
            precision="fp32",
        ),
    )
    return fit_reference_classifier(PARTS.train, config=config)


@pytest.fixture(scope="module")
def against(reference_classifier: ReferenceClassifier) -> EvaluationData:
    return real_data(reference_classifier, PARTS)


def quality(
    against: EvaluationData, images: Images, target_labels: Labels = SAMPLES.labels
) -> SampleQuality:
    return measure_quality(against.with_samples(images, target_labels))


@pytest.mark.slow
def test_a_perfect_model_is_called_good(against: EvaluationData) -> None:
    good = quality(against, SAMPLES.images)
    assert good.accuracy > 0.97
    assert good.worst_class_accuracy > 0.95
    assert good.frechet_ratio < 2
    assert 0.75 < good.lowest_variance_ratio <= good.variance_ratio <= good.highest_variance_ratio
    assert good.highest_variance_ratio < 1.25
    assert good.notes == ()


@pytest.mark.slow
def test_every_value_is_the_formula_on_the_classifiers_features(
    reference_classifier: ReferenceClassifier, against: EvaluationData
) -> None:
    got = quality(against, SAMPLES.images)
    fake, real = (
        reference_classifier.predict(SAMPLES.images),
        reference_classifier.predict(PARTS.test.images),
    )
    unseen = reference_classifier.predict(PARTS.validation.images)
    assert got.frechet == frechet_distance(fake.features, real.features)
    assert got.baseline == equal_count_distance(unseen.features, real.features, subsets=5, seed=0)
    assert got.frechet_ratio == got.frechet / got.baseline
    right = fake.logits.argmax(1) == SAMPLES.labels
    assert got.accuracy == pytest.approx(right.mean())
    for index in range(3):
        target_labels, of_class = SAMPLES.labels == index, PARTS.test.labels == index
        assert got.class_accuracy[index] == pytest.approx(right[target_labels].mean())
        assert got.class_variance_ratio[index] == pytest.approx(
            fake.features[target_labels].astype(np.float64).var(0, ddof=1).sum()
            / real.features[of_class].astype(np.float64).var(0, ddof=1).sum()
        )
    assert np.sum(got.confusion, axis=1).tolist() == [300, 300, 300]


@pytest.mark.slow
def test_permuted_classes_are_never_right_but_look_real(against: EvaluationData) -> None:
    permuted = quality(against, SAMPLES.images, (SAMPLES.labels + 1) % 3)
    assert permuted.accuracy < 0.03
    assert permuted.frechet_ratio < 2


def test_an_ignored_label_is_right_by_chance_and_too_varied(against: EvaluationData) -> None:
    target_labels = np.random.default_rng(0).permutation(SAMPLES.labels)
    ignored = quality(against, SAMPLES.images, target_labels)
    assert ignored.accuracy == pytest.approx(1 / 3, abs=0.06)
    assert ignored.lowest_variance_ratio > 1.5


def test_one_image_a_class_is_right_and_not_varied(against: EvaluationData) -> None:
    collapsed = quality(against, SAMPLES.images[SAMPLES.labels])
    assert collapsed.accuracy == 1
    assert collapsed.highest_variance_ratio == pytest.approx(0, abs=1e-9)
    assert collapsed.frechet_ratio > 4


def test_noise_is_far_away(against: EvaluationData) -> None:
    noise = np.random.default_rng(0).integers(0, 256, SAMPLES.images.shape, np.uint8)
    assert quality(against, noise).frechet_ratio > 10


@pytest.mark.slow
def test_while_choosing_a_recipe_the_reference_is_the_validation_part(
    reference_classifier: ReferenceClassifier,
) -> None:
    data = real_data(reference_classifier, PARTS).with_samples(SAMPLES.images, SAMPLES.labels)
    got = measure_quality(data, "validation")
    real = reference_classifier.predict(PARTS.validation.images)
    assert got.frechet == frechet_distance(
        reference_classifier.predict(SAMPLES.images).features, real.features
    )
    assert got.protocol["reference"] == "validation"
    assert got.protocol["reference_hash"] == PARTS.validation.content_hash


def test_the_protocol_says_what_stands_behind_the_figures(
    reference_classifier: ReferenceClassifier, against: EvaluationData
) -> None:
    protocol = quality(against, SAMPLES.images).protocol
    assert protocol["samples_per_class"] == [300, 300, 300]
    assert (protocol["reference"], protocol["reference_images"]) == ("test", 600)
    assert protocol["baseline_images_per_side"] == 300
    assert protocol["baseline_subsets"] == 5
    assert protocol["reference_classifier_weights_hash"] == reference_classifier.weights_hash()
    assert protocol["reference_classifier_accuracy"] == {
        "validation": reference_classifier.accuracy(PARTS.validation),
        "test": reference_classifier.accuracy(PARTS.test),
    }


def test_too_few_images_are_said_instead_of_measured(
    reference_classifier: ReferenceClassifier, against: EvaluationData
) -> None:
    few = quality(against, SAMPLES.images[:4], SAMPLES.labels[:4])
    plain = json.loads(json.dumps(few.to_json(), allow_nan=False))
    assert plain["frechet"] is None
    assert plain["baseline"] is not None
    assert [plain["class_variance_ratio"][name] is None for name in few.classes] == [
        False,
        True,
        True,
    ]
    assert "no Fréchet distance: 4 images" in few.notes[0]
    assert "fewer than two images of right, both" in few.notes[1]
    small = DatasetSplits("halves", PARTS.train, halves(30, 1), halves(40, 2))
    without = quality(real_data(reference_classifier, small), SAMPLES.images)
    assert without.to_json()["baseline"] is None
    assert any("no baseline: 30 images" in note for note in without.notes)


def test_equal_parts_need_one_draw(reference_classifier: ReferenceClassifier) -> None:
    equal = DatasetSplits(
        "halves", PARTS.train, PARTS.validation, PARTS.test.subset(np.arange(300))
    )
    data = real_data(reference_classifier, equal)
    assert data.frechet_baseline(reference_classifier).subsets == 1


@pytest.mark.slow
def test_cached_predictions_change_no_value(
    reference_classifier: ReferenceClassifier, against: EvaluationData, tmp_path: Path
) -> None:
    for _ in range(2):
        kept, fresh = (
            each.frechet_baseline(reference_classifier)
            for each in (real_data(reference_classifier, PARTS, folder=tmp_path), against)
        )
        assert kept == fresh
    assert len(list(tmp_path.iterdir())) == 2


def test_a_classifier_of_other_images_is_refused(reference_classifier: ReferenceClassifier) -> None:
    other = dataclasses.replace(PARTS, train=halves(300, 9))
    with pytest.raises(DataError, match="fitted to other images"):
        real_data(reference_classifier, other)


def test_samples_of_another_size_or_none_are_refused(against: EvaluationData) -> None:
    with pytest.raises(DataError, match="takes images of 9×8×1"):
        quality(against, np.zeros((6, 3, 9, 8), np.uint8), np.zeros(6, np.int64))
    with pytest.raises(DataError, match="no samples"):
        quality(against, SAMPLES.images[:0], SAMPLES.labels[:0])
    with pytest.raises(ValueError, match="one label per sample"):
        quality(against, SAMPLES.images, SAMPLES.labels[:4])
