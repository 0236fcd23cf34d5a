"""`acgan evaluate` on real digits: faults planted into samples are named in the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from acgan.classifiers import cache as cache_module
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    reference_classifier_config,
)
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, LabeledImages
from acgan.data.load import load_data
from acgan.evaluation import prepare as prepare_module

PER_CLASS = 40


@pytest.fixture(scope="module")
def digits() -> DatasetSplits:
    return load_data(DataConfig(source="digits"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here, so that the reference classifier is fitted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def stub(
    digits: DatasetSplits, gaussian_classifier: Callable[[LabeledImages], Any]
) -> ReferenceClassifier:
    classifier = gaussian_classifier(digits.train)
    classifier.record.seed = 0
    classifier.record.accuracies = {
        each.content_hash: classifier.accuracy(each) for each in (digits.validation, digits.test)
    }
    made: ReferenceClassifier = classifier
    return made


@pytest.fixture(params=["stub", pytest.param("fitted", marks=pytest.mark.full)], autouse=True)
def reference_classifier(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
    stub: ReferenceClassifier,
) -> None:
    """A stub, or a network fitted with a third of the default budget, enough for digits."""

    def config(train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        return reference_classifier_config(train, flip=flip, images=25_000)

    monkeypatch.setenv("ACGAN_CACHE", str(cache))
    monkeypatch.setattr(cache_module, "reference_classifier_config", config)
    if request.param == "stub":
        monkeypatch.setattr(prepare_module, "cached_reference_classifier", lambda *_, **__: stub)
        monkeypatch.setattr(prepare_module, "estimate_fit", lambda *_, **__: None)


def of_class(part: LabeledImages, label: int) -> Images:
    chosen: Images = part.images[part.labels == label]
    return chosen


def held_out(digits: DatasetSplits, label: int) -> Images:
    """Real images that are no training images: the samples of a perfect generator."""
    return np.concatenate([of_class(digits.validation, label), of_class(digits.test, label)])


def permuted(digits: DatasetSplits, label: int) -> Images:
    return held_out(digits, (label + 1) % 10)


def label_ignored(digits: DatasetSplits, label: int) -> Images:
    both = np.concatenate([digits.validation.images, digits.test.images])
    sampled: Images = both[np.random.default_rng(label).permutation(len(both))[:PER_CLASS]]
    return sampled


def one_image(digits: DatasetSplits, label: int) -> Images:
    same: Images = of_class(digits.test, label)[:1].repeat(PER_CLASS, axis=0)
    return same


def training_images(digits: DatasetSplits, label: int) -> Images:
    return of_class(digits.train, label)[:PER_CLASS]


def blurred_training_images(digits: DatasetSplits, label: int) -> Images:
    exact = training_images(digits, label).astype(np.float64)
    soft = gaussian_filter(exact, sigma=(0, 0, 1, 1))
    blurred: Images = np.clip(np.rint(soft), 0, 255).astype(np.uint8)
    return blurred


def write(folder: Path, digits: DatasetSplits, generator: Callable[..., Images]) -> Path:
    for label, name in enumerate(digits.classes):
        place = folder / name.folder
        place.mkdir(parents=True)
        for number, image in enumerate(generator(digits, label)[:PER_CLASS]):
            Image.fromarray(image[0]).save(place / f"{number}.png")
    return folder


def evaluated(acgan: Any, samples: Path, out: Path) -> Any:
    done = acgan(
        *("evaluate", samples, "--data", "digits", "--extractor", "none"),
        *("--samples", 10 * PER_CLASS, "--out", out),
    )
    assert done.code == 0, done.err
    return done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generator", "key", "words"),
    [
        (permuted, "classes-permuted", "permuted"),
        (label_ignored, "label-ignored", "ignores the label"),
        (one_image, "one-image-per-class", "One image per class"),
        (training_images, "copies-training-images", "opies of training images"),
        (blurred_training_images, "blurred-training-images", "lurred"),
    ],
)
def test_a_planted_fault_is_named(
    acgan: Any,
    digits: DatasetSplits,
    tmp_path: Path,
    generator: Callable[..., Images],
    key: str,
    words: str,
) -> None:
    done = evaluated(acgan, write(tmp_path / "made", digits, generator), tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    faults = [each for each in report["findings"] if each["level"] == "fault"]
    assert key in [each["key"] for each in faults]
    assert report["verdict"]["level"] == "fault"
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert words in page
    assert words in " ".join(done.out.split())


@pytest.mark.slow
def test_real_images_have_no_fault(acgan: Any, digits: DatasetSplits, tmp_path: Path) -> None:
    evaluated(acgan, write(tmp_path / "made", digits, held_out), tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [each["key"] for each in report["findings"] if each["level"] == "fault"] == []
    metrics = {f["key"]: f for section in report["sections"] for f in section["metrics"]}
    assert metrics["gan_test_accuracy[reference-classifier]"]["value"] > 0.9
    assert report["reference_classifier"]["accuracy_on_test"] > 0.9


@pytest.mark.slow
def test_wrong_arguments_get_a_message_and_an_exit_code(acgan: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for arguments, code, sentence in [
        (("nowhere",), 2, "there is no model at nowhere"),
        ((tmp_path / "empty",), 2, "--data DATA"),
        ((tmp_path / "empty", "--data", "digits"), 3, "there are no files"),
        ((tmp_path / "empty", "--data", "digits", "--out", tmp_path / "file"), 2, "is a file"),
        (
            (
                tmp_path / "empty",
                "--data",
                "digits",
                "--extractor",
                "none",
                "--extractor",
                "reference-classifier",
            ),
            2,
            "cannot be combined with another --extractor",
        ),
        ((tmp_path / "empty", "--samples", "0"), 2, "--samples"),
    ]:
        done = acgan("evaluate", *arguments)
        assert (done.code, sentence in done.err) == (code, True), done.err
        assert "Traceback" not in done.err
