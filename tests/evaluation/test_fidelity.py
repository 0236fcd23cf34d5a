"""The chapter on fidelity, in the features of a network that reads them off the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast, final

import numpy as np
import pytest

from acgan.classifiers.extractor import Predictions
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import (
    DatasetSplits,
    Images,
    ImageShape,
    LabeledImages,
    Labels,
    make_classes,
)
from acgan.evaluation.evaluation_data import EvaluationData, FeatureSets, SampleSet
from acgan.evaluation.fidelity import REPLICATES, _trusted, fidelity_section
from acgan.execution.progress import Progress
from acgan.metrics.frechet import equal_count_distance, frechet_distance
from acgan.metrics.inception_score import classifier_score
from acgan.metrics.kid import kernel_distance
from acgan.metrics.prdc import manifold
from acgan.report.section import ImageBlock, Metric, Section, Table
from acgan.runs.config import RunConfig

CLASSES = make_classes(["low", "middle", "high"])
WIDTH = 12
MEASURES = (
    "frechet_distance",
    "kernel_inception_distance",
    "inception_score",
    "precision",
    "recall",
    "density",
    "coverage",
)


@final
@dataclass(frozen=True)
class Pixels:
    """Its features are the pixels, repeated ``times`` times with other signs."""

    name: str = "pixels"
    times: int = 1

    @property
    def resize_rule(self) -> str:
        return "none"

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        pixels = images.reshape(len(images), -1).astype(np.float32) / 32
        centers = np.array([2, 4, 6], np.float32)
        logits = -3 * np.square(pixels.mean(1, keepdims=True) - centers)
        signs = np.random.default_rng(0).choice([-1, 1], (self.times, pixels.shape[1]))
        signs[0] = 1
        features = np.concatenate([pixels * sign for sign in signs], axis=1)
        return Predictions(logits.astype(np.float32), features.astype(np.float32))

    def weights_hash(self) -> str:
        return f"{self.name} {self.times}"


def clouds(per_class: int, seed: int, spread: float = 12.0) -> LabeledImages:
    """Gray 3×4 images around a brightness of the class's own."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class).astype(np.int64)
    images = random.normal(size=(len(labels), 1, 3, 4)) * spread
    images += 64 * (labels[:, None, None, None] + 1)
    return LabeledImages(images.clip(0, 255).round().astype(np.uint8), labels, CLASSES)


PARTS = DatasetSplits("clouds", clouds(10, 0), clouds(260, 1), clouds(500, 2))
SAMPLES = clouds(400, 3)  # a perfect model: the very process that the data come from


def data(
    images: Images = SAMPLES.images,
    target_labels: Labels = SAMPLES.labels,
    splits: DatasetSplits = PARTS,
) -> EvaluationData:
    sample_set = SampleSet("samples", images, target_labels, CLASSES)
    return EvaluationData(
        sample_set, splits, cast(ReferenceClassifier, None), held_out=True, seed=4
    )


def section(
    images: Images = SAMPLES.images,
    target_labels: Labels = SAMPLES.labels,
    splits: DatasetSplits = PARTS,
) -> Section:
    return fidelity_section(data(images, target_labels, splits), [Pixels()])


def metrics(of: Section) -> dict[str, Metric]:
    return {each.key.split("[")[0]: each for each in of.metrics}


def findings(of: Section) -> dict[str, str]:
    return {each.key: each.level for each in of.findings}


@pytest.fixture(scope="module")
def perfect() -> Section:
    return section()


@pytest.mark.slow
def test_a_perfect_model_is_at_the_baseline(perfect: Section) -> None:
    assert findings(perfect) == {"near-real": "good"}
    found = metrics(perfect)
    assert tuple(found) == MEASURES
    for name, metric in found.items():
        assert metric.key == f"{name}[pixels]"
        assert "pixels" in metric.name
        assert metric.note == "" or name == "inception_score"
        assert metric.value is not None
        assert metric.baseline is not None
        assert len(metric.per_class) == len(metric.per_class_baseline) == 3
        assert None not in metric.per_class + metric.per_class_baseline
    assert found["frechet_distance"].value < 2 * found["frechet_distance"].baseline  # type: ignore[operator]
    for name in ("precision", "recall", "density", "coverage", "inception_score"):
        assert found[name].value == pytest.approx(found[name].baseline, abs=0.06)
        assert found[name].per_class == pytest.approx(found[name].per_class_baseline, abs=0.13)
    low, high = found["kernel_inception_distance"].interval or (np.nan, np.nan)
    assert low < 0 < high


def test_every_figure_is_the_pure_measure_of_the_features(perfect: Section) -> None:
    found, pixels = metrics(perfect), Pixels()
    fake, real, unseen = (
        pixels.predict(each)
        for each in (SAMPLES.images, PARTS.test.images, PARTS.validation.images)
    )
    whole = FeatureSets(fake.features, real.features, unseen.features)
    assert found["frechet_distance"].value == frechet_distance(fake.features, real.features)
    baseline = equal_count_distance(unseen.features, real.features, subsets=5, seed=4)
    assert found["frechet_distance"].baseline == baseline
    estimate = kernel_distance(fake.features, real.features, replicates=REPLICATES, seed=4)
    assert (
        found["kernel_inception_distance"].value,
        found["kernel_inception_distance"].interval,
    ) == (estimate.value, estimate.interval)
    equal = whole.equal(100, seed=(4, 0))
    assert equal is not None
    assert equal.counts == (780, 780, 780)
    samples, real_ones = (
        manifold(each, equal.test, k=5) for each in (equal.samples, equal.validation)
    )
    for name in ("precision", "recall", "density", "coverage"):
        assert found[name].value == getattr(samples, name)
        assert found[name].baseline == getattr(real_ones, name)
    scored = classifier_score(fake.logits, SAMPLES.labels, 3)
    assert found["inception_score"].value == pytest.approx(scored.overall)
    assert found["inception_score"].per_class == pytest.approx(tuple(scored.per_class))
    for index in range(3):
        of_class = (
            fake.features[SAMPLES.labels == index],
            real.features[PARTS.test.labels == index],
            unseen.features[PARTS.validation.labels == index],
        )
        assert (
            found["kernel_inception_distance"].per_class[index]
            == kernel_distance(*of_class[:2]).value
        )
        values = []
        for subset in range(5):
            some = FeatureSets(*of_class).equal(256, seed=(4, index, subset))
            assert some is not None
            assert some.counts == (260, 260, 260)
            values.append(frechet_distance(some.samples, some.test))
        assert found["frechet_distance"].per_class[index] == pytest.approx(np.mean(values))


def test_the_protocol_says_what_stands_behind_the_figures(perfect: Section) -> None:
    assert {each.protocol for each in perfect.metrics} == set(perfect.protocols)
    frechet = perfect.protocols["frechet_distance[pixels]"]
    assert frechet["samples_per_class"] == [400, 400, 400]
    assert frechet["reference_images"] == 1_500
    assert (frechet["baseline_images_per_side"], frechet["baseline_subsets"]) == (780, 5)
    assert frechet["images_per_side_per_class"] == [260, 260, 260]
    assert frechet["extractor_weights_hash"] == "pixels 1"
    assert frechet["validation_hash"] == PARTS.validation.content_hash
    assert perfect.protocols["prdc[pixels]"]["images_per_side"] == 780
    assert perfect.protocols["prdc[pixels]"]["k"] == 5
    assert perfect.protocols["inception_score[pixels]"]["images"] == 1_200


def test_classes_are_plotted_and_listed_beside_their_baselines(perfect: Section) -> None:
    chart, table = perfect.blocks
    assert isinstance(chart, ImageBlock)
    assert chart.png.startswith(b"\x89PNG")
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["all", "low", "middle", "high"]
    for _, value, baseline, frechet_ratio, _ in table.rows:
        assert frechet_ratio == pytest.approx(float(value or 0) / float(baseline or 0))


@pytest.mark.slow
def test_noise_is_far_from_real() -> None:
    noise = np.random.default_rng(0).integers(0, 256, SAMPLES.images.shape, np.uint8)
    found = section(noise)
    assert findings(found)["far-from-real"] == "fault"
    assert findings(found)["samples-unlike-real"] == "warning"
    assert "near-real" not in findings(found)
    assert found.findings[0].level == "fault"
    assert "times the real-vs-real baseline" in found.findings[0].sentence
    assert "farthest class is" in found.findings[0].sentence


@pytest.mark.slow
def test_only_the_first_extractor_calls_a_distance_a_fault() -> None:
    noise = np.random.default_rng(0).integers(0, 256, SAMPLES.images.shape, np.uint8)
    both = fidelity_section(data(noise), [Pixels(), Pixels("other")])
    levels = [each.level for each in both.findings if each.key == "far-from-real"]
    assert levels == ["fault", "warning"]


def test_permuted_classes_look_real_together_and_far_off_one_by_one() -> None:
    found = section(target_labels=(SAMPLES.labels + 1) % 3)
    assert findings(found) == {"classes-far-from-real": "fault"}
    assert "3 of 3 classes" in found.findings[0].sentence
    distance = metrics(found)["frechet_distance"]
    assert distance.value < 2 * distance.baseline  # type: ignore[operator]
    assert min(each or 0 for each in distance.per_class) > 100 * (distance.baseline or 0)


def test_samples_near_the_mean_are_typical_but_not_diverse() -> None:
    found = section(clouds(400, 3, spread=7.0).images)
    assert findings(found)["typical-not-diverse"] == "warning"
    measures = metrics(found)
    assert measures["precision"].value >= measures["precision"].baseline  # type: ignore[operator]
    assert measures["density"].value > measures["density"].baseline  # type: ignore[operator]
    assert measures["recall"].value < 0.8 * measures["recall"].baseline  # type: ignore[operator]


@pytest.mark.slow
def test_some_way_off_is_a_warning() -> None:
    found = section((SAMPLES.images + 16).astype(np.uint8))
    assert findings(found)["some-way-from-real"] == "warning"


def test_too_few_images_are_said_instead_of_measured() -> None:
    few = section(SAMPLES.images[::20], SAMPLES.labels[::20])  # 60
    for metric in few.metrics:
        assert metric.value is None
        assert metric.interval is None
        assert metric.per_class == metric.per_class_baseline == ()
        assert "Requires at least" in metric.note
    assert few.findings == ()
    assert few.blocks == ()
    assert "256 samples" in metrics(few)["frechet_distance"].note


def test_each_class_takes_enough_images_of_its_own() -> None:
    some = section(SAMPLES.images[::3], SAMPLES.labels[::3])  # 400, 133 a class
    frechet, precision = metrics(some)["frechet_distance"], metrics(some)["precision"]
    assert frechet.value is not None
    assert frechet.per_class == ()
    assert "A class requires at least 256 samples" in frechet.note
    assert None not in precision.per_class
    assert any("No Fréchet distance per class (pixels)" in note for note in some.notes)


def test_too_little_validation_removes_the_baseline_only() -> None:
    small = DatasetSplits("clouds", PARTS.train, clouds(20, 1), PARTS.test)
    found = section(splits=small)
    for name, metric in metrics(found).items():
        assert metric.value is not None
        if name != "inception_score":
            assert metric.baseline is None
            assert "The baseline requires at least" in metric.note
    assert found.findings == ()


@pytest.mark.slow
def test_many_features_take_many_images() -> None:
    wide = fidelity_section(data(), [Pixels("wide", 70)])  # 840 features: 1 680 images
    frechet = metrics(wide)["frechet_distance"]
    assert frechet.value is None
    assert "1,680 samples" in frechet.note
    assert metrics(wide)["kernel_inception_distance"].value is not None


@pytest.mark.slow
def test_two_extractors_give_two_of_everything() -> None:
    both = fidelity_section(data(), [Pixels(), Pixels("inception-like", 2)])
    keys = [each.key for each in both.metrics]
    assert len(keys) == len(set(keys)) == 14
    assert {each.protocol for each in both.metrics} == set(both.protocols)
    names = [each.name for each in both.metrics if "frechet" in each.key]
    assert names == ["Fréchet distance (pixels)", "FID (inception-like)"]


@pytest.mark.slow
def test_other_shares_of_classes_are_said() -> None:
    kept = np.flatnonzero((SAMPLES.labels != 1) | (np.arange(1_200) % 4 == 0))
    skewed = section(SAMPLES.images[kept], SAMPLES.labels[kept])
    assert any("class shares" in note for note in skewed.notes)
    assert not any("class shares" in note for note in section().notes)


def test_the_same_evidence_gives_the_same_figures(perfect: Section) -> None:
    again = section()
    assert again.metrics == perfect.metrics
    assert again.findings == perfect.findings


GRAY, SMALL_COLOR, LARGE_COLOR = ImageShape(1, 28, 28), ImageShape(3, 32, 32), ImageShape(3, 96, 96)


@pytest.mark.parametrize("shape", [GRAY, SMALL_COLOR, LARGE_COLOR])
@pytest.mark.parametrize("features_of", [None, "reference-classifier", "efficientnet-lite0"])
@pytest.mark.parametrize("classifier", [True, False])
def test_the_trusted_network_knows_the_classes_and_did_not_train_the_model(
    tiny_config: Callable[..., RunConfig],
    shape: ImageShape,
    features_of: str | None,
    classifier: bool,
) -> None:
    model: Any = None
    if features_of is not None:
        layers = [{"width": 4, "kernel": 1}]
        network: dict[str, Any] = {"family": "pretrained", "layers": layers}
        network["feature_network"] = {"network": features_of}
        model = SimpleNamespace(config=tiny_config(discriminator=network))
    own, other = "reference-classifier", "efficientnet-lite0"
    data: Any = SimpleNamespace(
        sample_set=SimpleNamespace(model=model),
        reference_classifier=SimpleNamespace(name=own) if classifier else None,
        splits=SimpleNamespace(shape=shape),
    )
    trusted, reason = _trusted(data, [own, other] if classifier else [other])
    if not classifier:
        assert (trusted, "neither was trained on this data" in reason) == (other, True)
    elif features_of == own:
        assert (trusted, "trained to match features" in reason) == (other, True)
    else:
        assert (trusted, "trained on the classes of this data" in reason) == (own, True)
        assert ("large color photographs" in reason) == (shape != LARGE_COLOR)
        assert ("in gray images" in reason) == (shape == GRAY)
    assert _trusted(data, [own])[0] == own
