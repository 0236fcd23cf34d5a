"""Diversity and memorization name the faults that are planted among real digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels
from acgan.data.load import load_data
from acgan.evaluation.diversity import diversity_section
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.evaluation.memorization import memorization_section
from acgan.report.section import ImageBlock, Section

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits() -> DatasetSplits:
    """Real digits; every third training image, since the search among them takes most time."""
    splits = load_data(DataConfig(source="digits"))
    return replace(splits, train=splits.train.subset(np.arange(0, len(splits.train), 3)))


@pytest.fixture(scope="module")
def digits_classifier(
    digits: DatasetSplits, gaussian_classifier: Callable[[LabeledImages], ReferenceClassifier]
) -> ReferenceClassifier:
    return gaussian_classifier(digits.train)


@pytest.fixture(scope="module")
def real(digits: DatasetSplits, digits_classifier: ReferenceClassifier) -> EvaluationData:
    """Real digits without samples; all tests share the predictions for them."""
    none = SampleSet("planted", digits.test.images[:0], np.zeros(0, np.int64), digits.classes)
    return EvaluationData(none, digits, digits_classifier, held_out=True)


def some_training(digits: DatasetSplits) -> npt.NDArray[np.int64]:
    return RANDOM.permutation(len(digits.train))[:500]


def blur(images: Images, sigma: float) -> Images:
    smooth = gaussian_filter(images.astype(np.float64), (0, 0, sigma, sigma))
    return np.asarray(smooth.round().astype(np.uint8))


def keys(section: Section) -> list[str]:
    return [each.key for each in section.findings]


def value(section: Section, key: str) -> float:
    (metric,) = [each for each in section.metrics if each.key == key]
    assert metric.value is not None
    return metric.value


@pytest.mark.slow
def test_held_out_images_have_no_fault(real: EvaluationData, digits: DatasetSplits) -> None:
    data = real.with_samples(digits.validation.images, digits.validation.labels)
    diversity, memory = diversity_section(data), memorization_section(data)
    assert keys(diversity) == ["good"]
    assert keys(memory) == ["good"]
    assert value(diversity, "variance_ratio[reference-classifier]") == pytest.approx(1, abs=0.2)
    assert value(diversity, "sharpness_ratio[pixels]") == pytest.approx(1, abs=0.1)
    assert value(memory, "nearest_distance_ratio[pixels]") == pytest.approx(1, abs=0.1)
    assert abs(value(memory, "data_copying_test[pixels]")) < 1.5
    for section in (diversity, memory):
        assert {each.protocol for each in section.metrics} <= set(section.protocols)
        for metric in section.metrics:
            assert metric.baseline is not None
            assert len(metric.per_class) in {0, 10}
        for block in section.blocks:
            assert isinstance(block, ImageBlock)
            assert block.png.startswith(b"\x89PNG")


@pytest.mark.slow
def test_one_image_a_class(real: EvaluationData, digits: DatasetSplits) -> None:
    target_labels = np.repeat(np.arange(10), 30)
    first = [int(np.flatnonzero(digits.validation.labels == index)[0]) for index in range(10)]
    samples = digits.validation.images[np.repeat(first, 30)].astype(np.int64)
    samples = np.clip(samples + RANDOM.integers(-2, 3, samples.shape), 0, 255).astype(np.uint8)
    section = diversity_section(real.with_samples(samples, target_labels))
    assert section.findings[0].key == "one-image-per-class"
    assert section.findings[0].level == "fault"
    assert "every class" in section.findings[0].sentence
    assert value(section, "ms_ssim[pixels]") > 0.9
    assert value(section, "near_identical_share[pixels]") == 1
    assert value(section, "ms_ssim_below_real_maximum[pixels]") == 0


@pytest.mark.slow
def test_one_collapsed_class_is_named(real: EvaluationData, digits: DatasetSplits) -> None:
    images, target_labels = digits.validation.images.copy(), digits.validation.labels
    threes = np.flatnonzero(target_labels == 3)
    images[threes] = images[threes[0]]
    finding = diversity_section(real.with_samples(images, target_labels)).findings[0]
    assert (finding.key, finding.level) == ("one-image-per-class", "fault")
    assert "samples of three are nearly identical" in finding.sentence


@pytest.mark.slow
def test_a_few_images_again_and_again(real: EvaluationData, digits: DatasetSplits) -> None:
    chosen = np.concatenate(
        [
            RANDOM.choice(np.flatnonzero(digits.validation.labels == index)[:8], 40)
            for index in range(10)
        ]
    )
    data = real.with_samples(
        digits.validation.images[chosen],
        digits.validation.labels[chosen],
    )
    assert "duplicate-samples" in keys(diversity_section(data))


@pytest.mark.slow
def test_training_images_returned(real: EvaluationData, digits: DatasetSplits) -> None:
    chosen = some_training(digits)
    data = real.with_samples(digits.train.images[chosen], digits.train.labels[chosen])
    section = memorization_section(data)
    assert keys(section) == ["copies-training-images"]
    assert section.findings[0].level == "fault"
    assert section.findings[0].sentence.startswith("Copied training images: 100.0%")
    assert value(section, "near_copies[pixels]") == 1
    assert value(section, "authenticity[pixels]") == 0
    assert value(section, "data_copying_test[reference-classifier]") < -5
    assert value(section, "nearest_distance_ratio[pixels]") == 0
    assert keys(diversity_section(data)) == ["good"]  # as varied as the data, of course


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_blurred_training_images_returned(
    real: EvaluationData, digits: DatasetSplits, sigma: float
) -> None:
    chosen = some_training(digits)
    images = blur(digits.train.images[chosen], sigma)
    section = memorization_section(real.with_samples(images, digits.train.labels[chosen]))
    assert keys(section) == ["blurred-training-images"]
    assert section.findings[0].level == "fault"


@pytest.mark.slow
def test_a_blurry_model_that_copies_nothing_is_called_blurry(
    real: EvaluationData, digits: DatasetSplits
) -> None:
    data = real.with_samples(blur(digits.validation.images, 1.0), digits.validation.labels)
    assert not {"copies-training-images", "blurred-training-images"} & set(
        keys(memorization_section(data))
    )
    assert "blurry" in keys(diversity_section(data))


@pytest.mark.slow
def test_copies_under_noise_or_shifted_by_a_pixel(
    real: EvaluationData, digits: DatasetSplits
) -> None:
    chosen = some_training(digits)
    images, labels = digits.train.images[chosen], digits.train.labels[chosen]
    noisy = np.clip(images + RANDOM.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
    for changed in (noisy, np.roll(images, 1, axis=3)):
        section = memorization_section(real.with_samples(changed, labels))
        assert keys(section) == ["copies-training-images"]


@pytest.mark.slow
def test_a_tenth_of_copies_among_new_images(real: EvaluationData, digits: DatasetSplits) -> None:
    images, labels = digits.validation.images.copy(), digits.validation.labels.copy()
    images[::10], labels[::10] = digits.train.images[:50], digits.train.labels[:50]
    (finding,) = memorization_section(real.with_samples(images, labels)).findings
    assert (finding.key, finding.level) == ("copies-training-images", "fault")


@pytest.mark.slow
def test_noise(real: EvaluationData, digits: DatasetSplits) -> None:
    images, labels = digits.validation.images, digits.validation.labels
    noisy = np.clip(images + RANDOM.normal(0, 90, images.shape), 0, 255).astype(np.uint8)
    section = diversity_section(real.with_samples(noisy, labels))
    assert section.findings[0].key == "noise"
    assert section.findings[0].level == "fault"


@pytest.mark.slow
def test_an_ignored_label_is_no_noise(real: EvaluationData, digits: DatasetSplits) -> None:
    target_labels = RANDOM.permutation(digits.validation.labels)
    found = keys(diversity_section(real.with_samples(digits.validation.images, target_labels)))
    assert found == ["mixed-classes"]


@pytest.mark.slow
def test_the_same_data_gives_the_same_sections(real: EvaluationData, digits: DatasetSplits) -> None:
    data = real.with_samples(digits.validation.images, digits.validation.labels)
    again = replace(data, _of_samples={}, _of_splits={})
    for make in (diversity_section, memorization_section):
        first, second = make(data), make(again)
        assert first.metrics == second.metrics
        assert first.blocks == second.blocks


@pytest.mark.slow
def test_too_few_images_give_a_note_instead_of_values(
    real: EvaluationData, digits: DatasetSplits
) -> None:
    few = np.arange(9)
    data = real.with_samples(digits.validation.images[few], digits.validation.labels[few])
    for section, words in (
        (diversity_section(data), "10 samples"),
        (memorization_section(data), "20 samples"),
    ):
        assert all(metric.value is None for metric in section.metrics)
        assert all(words in metric.note for metric in section.metrics)
        assert not section.blocks
        assert not section.findings


@pytest.mark.slow
def test_only_a_class_with_too_few_samples_has_no_value(
    real: EvaluationData, digits: DatasetSplits
) -> None:
    images, labels = digits.validation.images, digits.validation.labels
    keep = (labels != 4) | (np.cumsum(labels == 4) <= 5)
    data = real.with_samples(images[keep], labels[keep])
    diversity, memory = diversity_section(data), memorization_section(data)
    assert any("four" in note for note in diversity.notes)
    for metric in (*diversity.metrics, *memory.metrics):
        if metric.per_class:
            assert [value is None for value in metric.per_class] == [i == 4 for i in range(10)]


@pytest.mark.slow
def test_unknown_training_data_is_noted(real: EvaluationData, digits: DatasetSplits) -> None:
    data = real.with_samples(digits.validation.images, digits.validation.labels)
    assert not memorization_section(data).notes
    (note,) = memorization_section(replace(data, held_out=None)).notes
    assert note.startswith("It is unknown")


@pytest.mark.slow
def test_one_color_scheme_per_class_is_found(
    real: EvaluationData,
    digits: DatasetSplits,
    gaussian_classifier: Callable[[LabeledImages], ReferenceClassifier],
) -> None:
    tinted = replace(
        digits,
        train=replace(digits.train, images=tint(digits.train.images, None)),
        validation=replace(digits.validation, images=tint(digits.validation.images, None)),
        test=replace(digits.test, images=tint(digits.test.images, None)),
    )
    real = replace(
        real, splits=tinted, reference_classifier=gaussian_classifier(tinted.train), _of_splits={}
    )
    labels = digits.validation.labels
    of_all = real.with_samples(tinted.validation.images, labels)
    varied = diversity_section(of_all)
    assert value(varied, "color_variance_ratio[pixels]") == pytest.approx(1, abs=0.2)
    of_one = real.with_samples(tint(digits.validation.images, labels), labels)
    section = diversity_section(of_one)
    assert value(section, "color_variance_ratio[pixels]") < 0.1
    assert "few-colors" in keys(section)
    assert "few-colors" not in keys(varied)


def tint(images: Images, labels: Labels | None) -> Images:
    """Return gray images in three channels, each in a random color, or in that of its label."""
    colors = np.random.default_rng(1).uniform(0.2, 1, (len(images), 3))
    chosen = colors if labels is None else colors[labels]
    return np.asarray((images * chosen[:, :, None, None]).round().astype(np.uint8))
