"""Models without classes, evaluated from end to end: what is measured, what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers import cache as cache_module
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.data.load import load_data
from acgan.evaluation.diversity import diversity_section
from acgan.evaluation.evaluate import evaluate, report_of
from acgan.evaluation.prepare import EvaluationRequest, PreparedEvaluation, prepare_evaluation
from acgan.execution.progress import Stopwatch
from acgan.model.model import Model
from acgan.report.files import read_report, write_report
from acgan.report.section import Section

Untrained = Callable[..., Model]


@pytest.fixture(autouse=True)
def small_reference_classifiers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reference classifiers are fitted quickly and cached in the folder of the test."""
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))

    def config(_train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        return ReferenceClassifierConfig(
            network=ReferenceNetworkConfig(stem=4, stages=(8, 8)),
            fit=FitConfig(flip=flip, images=640, batch_size=32, precision="fp32"),
        )

    monkeypatch.setattr(cache_module, "reference_classifier_config", config)


def image_folder(folder: Path, count: int, *, classes: bool) -> DataConfig:
    for index in range(count):
        random = np.random.default_rng(index)
        low = 0 if index % 2 else 120
        pixels = random.integers(low, low + 120, (8, 8), np.uint8)
        place = folder / ("dark" if index % 2 else "light") if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index}.png")
    return DataConfig(source=str(folder), validation_share=0.4, test_share=0.4)


def silent() -> Stopwatch:
    return Stopwatch(lambda *_told: None, lambda *_told: None)


def examined(model: Model, **options: Any) -> PreparedEvaluation:
    path = model.record.folder.parent
    return prepare_evaluation(
        EvaluationRequest(path=path, samples=240, extractors=(), **options), silent()
    )


@pytest.fixture
def without(untrained: Untrained) -> Callable[[DataConfig], tuple[Model, DatasetSplits]]:
    def make(data: DataConfig) -> tuple[Model, DatasetSplits]:
        splits = load_data(data)
        changes = {"objective": {"name": "gan"}, "conditioning": {"mode": "none"}}
        return untrained(splits, data, **changes), splits

    return make


def by_key(sections: tuple[Section, ...]) -> dict[str, Section]:
    return {each.key: each for each in sections}


@pytest.mark.slow
def test_a_report_without_classes_is_whole(without: Any, tmp_path: Path) -> None:
    model, splits = without(image_folder(tmp_path / "data", 300, classes=True))
    prepared = examined(model)
    assert not prepared.data.sample_set.conditional
    np.testing.assert_array_equal(prepared.data.sample_set.samples, model.sample(count=240))
    sections = evaluate(prepared, silent())
    found = by_key(sections)
    assert found.keys() == {"fidelity", "labels", "diversity", "memorization", "latent"}
    metrics = {each.key: each for section in sections for each in section.metrics}
    assert not any(metric.per_class or metric.per_class_baseline for metric in metrics.values())
    assert "gan_test_accuracy[reference-classifier]" not in metrics
    assert "variance_ratio[reference-classifier]" not in metrics, (
        "within a class and overall are two figures"
    )
    assert "ms_ssim_below_real_maximum[pixels]" not in metrics
    for key in (
        "class_total_variation[reference-classifier]",
        "variance_ratio_all_samples[reference-classifier]",
        "ms_ssim_all_samples[pixels]",
        "near_copies[pixels]",
        "precision[reference-classifier]",
    ):
        assert metrics[key].value is not None, key
    for section in ("labels", "diversity", "latent", "fidelity"):
        notes = " ".join(found[section].notes)
        assert "no target labels" in notes or "no class labels" in notes, section
    report = report_of(prepared, sections, {})
    assert report.classes == ("dark", "light")
    _, record = write_report(report, tmp_path / "report")
    again = read_report(record)
    assert again.classes == report.classes
    assert json.loads(record.read_text())["reference_classifier"]["train_images"] == len(
        splits.train
    )


@pytest.mark.slow
def test_diversity_of_all_samples_is_a_separate_measure(without: Any, tmp_path: Path) -> None:
    """Real images as samples have a ratio of about 1, one image again and again has 0."""
    model, splits = without(image_folder(tmp_path / "data", 300, classes=True))
    evidence = examined(model).data

    def looked_at(samples: Any) -> Section:
        target_labels = np.zeros(len(samples), np.int64)
        sample_set = replace(evidence.sample_set, samples=samples, target_labels=target_labels)
        return diversity_section(
            replace(evidence, sample_set=sample_set, _of_samples={}, _of_splits={}, folder=None)
        )

    real = looked_at(splits.validation.images)
    ratio = next(each for each in real.metrics if "variance" in each.key)
    assert ratio.value == pytest.approx(1, abs=0.2)
    assert [each.key for each in real.findings] == ["good"]
    assert "class" not in real.findings[0].sentence
    collapsed = looked_at(np.repeat(splits.validation.images[:1], 120, axis=0))
    assert collapsed.findings[0].key == "one-image"
    assert collapsed.findings[0].level == "fault"
    dark = looked_at(splits.validation.images[splits.validation.labels == 0])
    narrow = next(each for each in dark.metrics if "variance" in each.key)
    assert narrow.value is not None
    assert narrow.value < 0.7, "one of two classes varies less than both together"


@pytest.mark.slow
def test_data_without_classes_are_looked_at_by_another_network(
    without: Any, tmp_path: Path
) -> None:
    model, _ = without(image_folder(tmp_path / "data", 120, classes=False))
    prepared = examined(model)
    assert prepared.data.reference_classifier is None
    (extractor,) = prepared.extractors
    assert extractor.name.startswith("efficientnet-lite0")
    assert any("has no classes" in note for note in prepared.notes)
    sections = evaluate(prepared, silent())
    metrics = {each.key: each for section in sections for each in section.metrics}
    assert metrics[f"variance_ratio_all_samples[{extractor.name}]"].value is not None
    assert metrics[f"near_copies[{extractor.name}]"].value is not None
    assert not any(key.endswith("reference-classifier") for key in metrics)
    report = report_of(prepared, sections, {})
    assert report.reference_classifier == {}
    page, record = write_report(report, tmp_path / "report")
    assert read_report(record).classes == ("image",)
    assert "240 samples" in page.read_text()


def test_images_without_folders_are_samples_without_classes(tmp_path: Path) -> None:
    data = image_folder(tmp_path / "data", 60, classes=True)
    folder = tmp_path / "generated"
    image_folder(folder, 30, classes=False)
    request = EvaluationRequest(path=folder, data=data.source, samples=20, extractors=())
    sample_set = prepare_evaluation(request, silent()).data.sample_set
    assert not sample_set.conditional
    assert len(sample_set.samples) == 20
    assert sample_set.model is None
