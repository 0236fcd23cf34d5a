"""The chapter on labels, on real digits with planted faults and on made-up photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast, final

import numpy as np
import pytest

from acgan.classifiers.extractor import Predictions
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels, make_classes
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.evaluation.labels import labels_section
from acgan.execution.progress import Progress
from acgan.report.section import Metric, Section, Table


def of(
    splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
    samples: Images,
    target_labels: Labels,
) -> EvaluationData:
    return EvaluationData(
        SampleSet("samples", samples, target_labels, splits.classes),
        splits,
        reference_classifier,
        None,
    )


def metrics(section: Section) -> dict[str, Metric]:
    return {each.key: each for each in section.metrics}


@pytest.mark.slow
def test_real_images_as_samples_are_called_good(
    digits: DatasetSplits, digits_classifier: ReferenceClassifier
) -> None:
    val = digits.validation
    section = labels_section(of(digits, digits_classifier, val.images, val.labels), None)
    (finding,) = section.findings
    assert finding.level == "good"
    found = metrics(section)
    accuracy = found["gan_test_accuracy[reference-classifier]"]
    assert accuracy.value == pytest.approx(digits_classifier.accuracy(val))
    assert accuracy.interval is not None
    assert accuracy.value is not None
    assert accuracy.interval[0] < accuracy.value < accuracy.interval[1]
    assert accuracy.baseline == pytest.approx(digits_classifier.accuracy(digits.test), abs=0.01)
    assert len(accuracy.per_class) == len(accuracy.per_class_baseline) == 10
    half = found["gan_test_accuracy_half_side[reference-classifier]"]
    assert half.value == pytest.approx(half.baseline, abs=0.06)
    assert all(each.protocol in section.protocols for each in section.metrics)
    assert any("ImageNet" in note for note in section.notes)


@pytest.mark.slow
def test_a_generator_that_permutes_classes_is_named(
    digits: DatasetSplits, digits_classifier: ReferenceClassifier
) -> None:
    val = digits.validation
    exchanged = np.array([0, 1, 2, 5, 4, 3, 6, 7, 8, 9])  # the label five gives a three
    section = labels_section(of(digits, digits_classifier, val.images, exchanged[val.labels]), None)
    first = section.findings[0]
    assert (first.key, first.level) == ("classes-permuted", "fault")
    assert "'five' shows three" in first.sentence
    assert "'three' shows five" in first.sentence
    table = section.blocks[0]
    assert isinstance(table, Table)
    assert table.heat
    assert table.rows[3][0] == "three"
    assert table.rows[3].index(max(map(int, table.rows[3][1:]))) == 1 + 5  # type: ignore[arg-type]


def test_a_generator_that_ignores_the_label_is_named(
    digits: DatasetSplits, digits_classifier: ReferenceClassifier
) -> None:
    val = digits.validation
    target_labels = np.random.default_rng(0).permutation(val.labels)
    (finding,) = labels_section(
        of(digits, digits_classifier, val.images, target_labels), None
    ).findings
    assert (finding.key, finding.level) == ("label-ignored", "fault")
    assert "ignores the label" in finding.sentence


def test_of_few_samples_it_says_what_it_takes(
    digits: DatasetSplits, digits_classifier: ReferenceClassifier
) -> None:
    val = digits.validation
    section = labels_section(of(digits, digits_classifier, val.images[:6], val.labels[:6]), None)
    assert all(each.value is None and "at least 10" in each.note for each in section.metrics)
    assert section.findings == ()
    predicted = {digits.classes[k].name for k in val.labels[:6]}
    absent = next(name.name for name in digits.classes if name.name not in predicted)
    assert any(absent in note and "no samples" in note for note in section.notes)


@final
class Photographer:
    """Sees the class in an image's mean brightness, and nothing in images without contrast.

    Args:
        indices: which of its ``known`` classes it names, from dark to bright.
    """

    resize_rule = "none"

    def __init__(self, indices: Sequence[int], known: int = 1000, name: str = "fake") -> None:
        self.name = name
        self.record = SimpleNamespace(train_hash="none")
        self._indices, self._known = np.array(indices), known
        self.blind_below = 0.0
        self.looked_at = 0

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        self.looked_at += len(images)
        brightness = images.mean(axis=(1, 2, 3))
        predicted = np.clip(np.round(brightness / 8).astype(int) - 1, 0, len(self._indices) - 1)
        logits = np.zeros((len(images), self._known), np.float32)
        logits[np.arange(len(images)), self._indices[predicted]] = 9
        blind = images.std(axis=(1, 2, 3)) < self.blind_below
        logits[blind] = 0
        logits[blind, self._indices[0]] = 1
        return Predictions(logits, np.stack([brightness, brightness**2], 1).astype(np.float32))

    def weights_hash(self) -> str:
        return "fake"


def flat(names: Sequence[str], count: int, seed: int) -> LabeledImages:
    """Color images of a class's brightness, 8 (k + 1), with fine noise on top."""
    labels = (np.arange(count) % len(names)).astype(np.int64)
    noise = np.random.default_rng(seed).normal(0, 3, (count, 3, 8, 8))
    images = 8.0 * (labels + 1)[:, None, None, None] + noise - noise.mean((1, 2, 3), keepdims=True)
    return LabeledImages(
        images.round().clip(0, 255).astype(np.uint8), labels, make_classes(list(names))
    )


def bright(
    names: Sequence[str], samples: Images, target_labels: Labels, folder: Path | None = None
) -> EvaluationData:
    """Evaluation data of such images, with a classifier of brightness."""
    train, validation, test = (flat(names, 8 * len(names), seed) for seed in range(3))
    splits = DatasetSplits("bright", train, validation, test)
    reference_classifier = cast(
        ReferenceClassifier, Photographer(range(len(names)), len(names), "reference-classifier")
    )
    sample_set = SampleSet("samples", samples, target_labels, splits.classes)
    return EvaluationData(sample_set, splits, reference_classifier, None, folder=folder)


PETS = ("cat", "dog", "deer", "frog")


def test_imagenet_classifies_the_classes_that_it_knows() -> None:
    samples = flat(PETS, 200, 9)
    target_labels = samples.labels.copy()
    target_labels[target_labels == 1] = 3  # of what was asked for as a frog, half is a dog
    section = labels_section(
        bright(PETS, samples.images, target_labels), Photographer((281, 251, 354, 30))
    )
    metric = metrics(section)["discriminability[fake]"]
    assert metric.value == pytest.approx(100 / 150)
    assert metric.per_class == (1.0, None, None, 0.5)
    assert metric.note.endswith("Without deer: not among the classifier's classes")
    assert section.protocols[metric.protocol]["imagenet_indices"]["frog"] == [30, 31, 32]
    assert "linear_probe_accuracy[fake]" not in metrics(section)
    assert "independent-classifier-disagrees" in {each.key for each in section.findings}


def test_what_imagenet_does_not_know_a_probe_learns(tmp_path: Path) -> None:
    names = ("zip", "zap", "zop")
    samples = flat(names, 90, 5)
    outsider = Photographer((1, 2, 3))
    section = labels_section(bright(names, samples.images, samples.labels, tmp_path), outsider)
    metric = metrics(section)["linear_probe_accuracy[fake]"]
    assert metric.value is not None
    assert metric.value > 0.95
    assert metric.baseline is not None
    assert metric.baseline > 0.95
    assert section.protocols[metric.protocol]["probe_images_per_class"] == [8, 8, 8]
    assert not any("ImageNet" in note for note in section.notes)
    before = outsider.looked_at
    again = labels_section(bright(names, samples.images, samples.labels, tmp_path), outsider)
    assert again.metrics == section.metrics
    assert outsider.looked_at - before == 90 * 3  # samples alone: in full, at half, at a quarter


def test_detail_that_real_images_need_and_samples_do_not_is_seen() -> None:
    """The reader is lost without the fine noise of real images; the samples' noise is coarse."""
    samples = flat(PETS, 80, 4)
    coarse = np.zeros(samples.images.shape, np.int64)
    coarse += 8 * (samples.labels[:, None, None, None] + 1)
    coarse[:, :, :4] -= 4
    coarse[:, :, 4:] += 4
    data = bright(PETS, coarse.astype(np.uint8), samples.labels)
    cast(Photographer, data.reference_classifier).blind_below = 2.0
    section = labels_section(data, None)
    half = metrics(section)["gan_test_accuracy_half_side[reference-classifier]"]
    assert (half.value, half.baseline) == (1.0, 0.25)
    assert "decides nothing" in half.note
    assert "resolution-unused" in {each.key for each in section.findings}


def test_of_many_classes_the_worst_pairs_are_listed() -> None:
    names = [f"c{k}" for k in range(25)]
    samples = flat(names, 500, 7)
    target_labels = samples.labels.copy()
    target_labels[target_labels == 3] = 7
    section = labels_section(bright(names, samples.images, target_labels), None)
    table = section.blocks[0]
    assert isinstance(table, Table)
    assert table.rows == (("c7", "c3", 20, 40, 0),)
