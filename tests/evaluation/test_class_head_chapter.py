"""What the chapter on labels says of D's own class head: its accuracy, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_reference_classifier,
)
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.evaluation.class_head import with_class_head
from acgan.evaluation.evaluate import evaluate, report_of
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.evaluation.prepare import PreparedEvaluation
from acgan.execution.progress import Stopwatch
from acgan.model.model import Model
from acgan.networks.interface import Discriminator, DiscriminatorOutput
from acgan.report.files import report_json
from acgan.report.html import report_html
from acgan.report.report import report_text
from acgan.report.section import Section

Untrained = Callable[..., Model]
NAMES = ("dark", "mid", "light")
CHAPTER = Section(
    "labels", "Labels", ("What it is.",), protocols={"accuracy": {}}, notes=("First.",)
)
WITHOUT_CLASSES = {"mode": "none"}


@final
class Planted(Discriminator):
    """Reads the class off an image's brightness, and takes every ``light`` one for ``mid``."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        level = ((images.mean(dim=(1, 2, 3)) + 1) * 127.5 / 60).round().long().clamp(0, 2)
        predicted = level.clamp(max=1)
        logits = nn.functional.one_hot(predicted, 3).float()
        return DiscriminatorOutput(logits[:, 0], logits, images.flatten(1))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from ()


def part(per_class: int, seed: int, names: tuple[str, ...] = NAMES) -> LabeledImages:
    labels = np.arange(per_class * len(names)) % len(names)
    noise = np.random.default_rng(seed).integers(0, 9, (len(labels), 1, 8, 8))
    images = 60 * labels[:, None, None, None] + noise
    return LabeledImages(images.astype(np.uint8), labels, make_classes(list(names)))


@pytest.fixture(scope="module")
def splits() -> DatasetSplits:
    return DatasetSplits("gray", part(40, 0), part(20, 1), part(20, 2))


@pytest.fixture(scope="module")
def reference_classifier(splits: DatasetSplits) -> ReferenceClassifier:
    network = ReferenceNetworkConfig(stem=4, stages=(8, 8))
    fit = FitConfig(flip=False, images=640, batch_size=32, precision="fp32")
    reference_classifier = fit_reference_classifier(
        splits.train, config=ReferenceClassifierConfig(network=network, fit=fit)
    )
    return reference_classifier.measured_on(splits.validation, splits.test)


@pytest.fixture
def data(
    untrained: Untrained, splits: DatasetSplits, reference_classifier: ReferenceClassifier
) -> Callable[..., EvaluationData]:
    """Of an untrained model of some objective, with the planted discriminator in its place."""

    def make(of: DatasetSplits = splits, **changes: Any) -> EvaluationData:
        model = untrained(of, DataConfig(source="gray"), **changes)
        model.__dict__["discriminator"] = Planted()
        samples = model.sample(count=20)
        target_labels = np.repeat(np.arange(3), 20) if model.conditional else np.zeros(20, np.int64)
        sample_set = SampleSet(
            "run", samples, target_labels, of.classes, model, conditional=model.conditional
        )
        return EvaluationData(sample_set, splits, reference_classifier, True)

    return make


def test_its_accuracy_stands_beside_the_reference_classifiers(
    data: Callable[..., EvaluationData],
    reference_classifier: ReferenceClassifier,
    splits: DatasetSplits,
) -> None:
    given = data()
    section = with_class_head(CHAPTER, given)
    own, reference = section.metrics
    assert own.key == "test_accuracy[class-head]"
    assert own.value == pytest.approx(2 / 3)
    assert list(own.per_class) == [1, 1, 0]
    assert own.interval is not None
    assert own.interval[0] < 2 / 3 < own.interval[1]
    assert own.aim == reference.aim == "high"
    assert reference.value == reference_classifier.accuracy(splits.test)
    assert len(reference.per_class) == 3
    assert own.note == (
        "Trained with the labels of all 120 training images; "
        "the accuracy of the reference classifier is "
        f"{reference_classifier.accuracy(splits.test):.1%}"
    )
    assert section.protocols.keys() == {
        "accuracy",
        "test_accuracy[class-head]",
        "test_accuracy[reference-classifier]",
    }
    for metric in section.metrics:
        protocol = section.protocols[metric.protocol]
        assert protocol["reference_hash"] == splits.test.content_hash
        assert protocol["reference_images"] == 60
    assert section.notes == CHAPTER.notes
    assert len(section.explanation) == 2


@pytest.mark.parametrize(
    "objective",
    [
        {"name": "acgan"},
        {"name": "acgan", "source_head": "projection"},
        {"name": "sgan"},
        {"name": "sgan", "class_head": "separate"},
        {"name": "tac"},
        {"name": "adc"},
        {"name": "reacgan"},
    ],
    ids=str,
)
def test_every_objective_whose_d_has_class_logits_has_the_figure(
    objective: dict[str, Any], data: Callable[..., EvaluationData], untrained: Untrained
) -> None:
    """The accuracy is that of the predictions of the model's discriminator."""
    conditioning = WITHOUT_CLASSES if objective["name"] == "sgan" else None
    given = data(objective=objective, conditioning=conditioning)
    model = given.sample_set.model
    assert model is not None
    del model.__dict__["discriminator"]
    test = given.splits.test
    said = model.discriminator(
        torch.from_numpy(test.images / 127.5 - 1).float(), torch.zeros(60, dtype=torch.int64)
    ).class_logits
    assert said is not None
    own = with_class_head(CHAPTER, given).metrics[0]
    assert own.value == float((said.argmax(1).numpy() == test.labels).mean())


@pytest.mark.parametrize(
    ("objective", "conditioning"),
    [("gan", WITHOUT_CLASSES), ("cgan", None), ("projection", None)],
)
def test_a_discriminator_without_class_head_has_a_sentence(
    objective: str, conditioning: Any, data: Callable[..., EvaluationData]
) -> None:
    given = data(objective={"name": objective}, conditioning=conditioning)
    section = with_class_head(CHAPTER, given)
    assert section.metrics == ()
    assert section.explanation == CHAPTER.explanation
    assert section.notes[0] == "First."
    assert f"objective {objective} has no class head" in section.notes[1]


def test_what_else_cannot_be_asked(
    data: Callable[..., EvaluationData],
    splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
) -> None:
    """A set of models, other classes, one class: a note each; images: nothing."""
    given = data()
    model = given.sample_set.model
    assert model is not None
    whole = replace(model, record=replace(model.record, members=(model.record,)))
    of_set = replace(given, sample_set=replace(given.sample_set, model=whole))
    assert "set" in with_class_head(CHAPTER, of_set).notes[1]
    renamed = part(20, 2, ("a", "b", "c"))
    others = replace(given, splits=DatasetSplits("letters", renamed, renamed, renamed))
    assert "are not those of letters" in with_class_head(CHAPTER, others).notes[1]
    assert (
        "only one class"
        in with_class_head(CHAPTER, replace(given, reference_classifier=None)).notes[1]
    )
    images = replace(given, sample_set=replace(given.sample_set, model=None))
    assert with_class_head(CHAPTER, images) is CHAPTER


def test_of_few_test_images_it_says_what_it_takes(
    data: Callable[..., EvaluationData], splits: DatasetSplits
) -> None:
    few = replace(splits, test=splits.test.subset(np.array([0, 1, 2, 3])))
    own, reference = with_class_head(CHAPTER, replace(data(), splits=few)).metrics
    assert own.value is None
    assert reference.value is None
    assert "at least 10 test images" in own.note
    fifteen = replace(splits, test=splits.test.subset(np.arange(15)))
    own, _ = with_class_head(CHAPTER, replace(data(), splits=fifteen)).metrics
    assert own.value == pytest.approx(2 / 3)
    assert own.per_class == (None, None, None)
    assert "A class requires at least 10" in own.note


def test_a_report_of_a_model_with_few_labels_tells_their_number(
    data: Callable[..., EvaluationData], splits: DatasetSplits, tmp_path: Path
) -> None:
    """In text, JSON and HTML, of an SGAN, which is asked for no class."""
    partly = replace(splits, labeled_rows=np.arange(6))
    given = data(partly, objective={"name": "sgan"}, conditioning=WITHOUT_CLASSES)
    prepared = PreparedEvaluation(given, (given.extractor,), None, False, False, ())
    sections = evaluate(prepared, Stopwatch(lambda *_told: None, lambda *_told: None))
    report = report_of(prepared, sections, {})
    labels = next(each for each in report_json(report)["sections"] if each["key"] == "labels")
    metrics = {each["key"]: each for each in labels["metrics"]}
    own = metrics["test_accuracy[class-head]"]
    assert own["value"] == pytest.approx(2 / 3)
    assert own["per_class"] == [1, 1, 0], "real images have classes, samples have not"
    assert metrics["test_accuracy[reference-classifier]"][
        "value"
    ] == given.required_reference_classifier.accuracy(splits.test)
    assert metrics["class_total_variation[reference-classifier]"]["per_class"] == []
    protocol = labels["protocols"][own["protocol"]]
    assert protocol["model_labels"] == 6
    assert protocol["model_training_images"] == 120
    sentence = "Trained with the labels of 6 of 120 training images"
    text = " ".join(report_text(report).split())
    assert f"Accuracy on real test images: 0.667 (class-head; {sentence}" in text
    assert "worst class light: 0" in text
    page = report_html(report)
    assert sentence in page
    assert "Accuracy on real test images (reference-classifier)" in page
