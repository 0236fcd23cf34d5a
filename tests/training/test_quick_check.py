"""The closing figures of a run: real images pass, each fault of samples is called by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from acgan.classifiers.quick_classifier import fit_quick_classifier
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, Labels
from acgan.data.load import load_data
from acgan.training.quick_check import QuickCheck, SampleFigures, few_images, measure_samples

FIGURES = SampleFigures(accuracy=0.96, held_out_accuracy=0.97, chance=0.1, diversity=0.9)
GOOD = QuickCheck(
    images_seen=300_000,
    train_images=4_000,
    recipe_images=300_000,
    figures=FIGURES,
    few_images={},
    more_images="add images",
    open_alarms=(),
)
WEAK = replace(GOOD, figures=replace(FIGURES, accuracy=0.5))
LONG = "x" * 300


def test_good_figures_show_no_problem() -> None:
    training, verdict = GOOD.findings()
    assert training.startswith(
        "training: 300,000 images, 75 passes over 4,000 training images, 100"
    )
    assert verdict.startswith("these figures show no problem")
    assert (GOOD.longer_budget, GOOD.changes) == (None, {})


def test_every_finding_has_its_figure_and_fits_a_line() -> None:
    few = {f"{LONG}{index}": 12 + index for index in range(9)}
    bad = replace(WEAK, images_seen=20_000, few_images=few)
    short, images, weak = bad.findings()
    assert short.startswith("too little training: 20,000 images, 5 passes over 4,000 training")
    assert short.endswith("6.7 % of the recipe's 300,000")
    assert images.startswith("too few images: 12 to 20 per class")
    assert "7 more); add images" in images
    assert weak == "weak samples: often do not show their class"
    assert bad.changes == {"images": 300_000}
    assert max(map(len, (f"quick check: {bad.figures}", short, images))) <= 118
    # an open alarm is named, and a memorizing D is not trained longer
    alarmed = replace(bad, open_alarms=("overfitting",), few_images={})
    assert alarmed.changes == {}
    assert sum("alarms that have not ended: overfitting" in s for s in alarmed.findings()) == 1


def test_few_images_without_classes_are_named() -> None:
    splits = load_data(DataConfig(source="digits", per_class=3))
    assert few_images(splits, conditional=True) == {each.name: 3 for each in splits.classes}
    few = few_images(splits, conditional=False)
    assert few == {"images": 30}
    check = replace(GOOD, few_images=few, train_images=30, conditional=False)
    assert "too few images: 30; add images" in check.findings()
    enough = load_data(DataConfig(source="digits", per_class=10))
    assert few_images(enough, conditional=False) == {}


def test_what_is_missing_decides_what_to_change() -> None:
    assert replace(GOOD, images_seen=20_000).changes == {}, "good figures need no more training"
    assert replace(GOOD, images_seen=3_999).changes == {"images": 300_000}, "less than a pass"
    assert replace(WEAK, images_seen=150_000).changes == {"images": 300_000}
    beyond = replace(WEAK, images_seen=150_001)
    assert beyond.changes == {"images": 300_002}
    assert not any("too little" in each for each in beyond.findings())
    assert any("more training may help, or another recipe" in each for each in beyond.findings())
    assert replace(beyond, few_images={"a": 9}).changes == {}
    mismatch = "small-color is meant for color images; these are gray"
    unfit = replace(WEAK, recipe_mismatch=mismatch, better_recipe="small-gray")
    assert unfit.changes == {"recipe": "small-gray"}
    assert f"another recipe: {mismatch}" in unfit.findings()
    assert replace(unfit, figures=FIGURES).changes == {}, "a recipe that works is no fault"


@pytest.fixture(scope="module")
def digits() -> Iterator[DatasetSplits]:
    """The embedded digits; their classifier is fitted once."""
    splits = load_data(DataConfig())
    classifier = fit_quick_classifier(splits.labeled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("acgan.training.quick_check.fit_quick_classifier", lambda _: classifier)
        yield splits


def real(splits: DatasetSplits) -> tuple[Images, Labels]:
    """500 real images that the classifier has not seen, in random order."""
    return np.asarray(splits.test.images), splits.test.labels


def repeated(images: Images, labels: Labels) -> Images:
    """The first image of each class in place of all."""
    return images[[int(np.flatnonzero(labels == label)[0]) for label in labels]]


Plant = Callable[[Images, Labels], Images]
NOISE = np.random.default_rng(0)
FAULTS: dict[str, tuple[Plant, str]] = {
    "one image per class": (repeated, "are too alike within a class"),
    "noise": (
        lambda images, _: NOISE.integers(0, 256, images.shape, np.uint8),
        "are unlike real images",
    ),
    "one class": (
        lambda images, labels: np.resize(images[labels == 3], images.shape),
        "do not show their class",
    ),
    "half of the labels wrong": (
        lambda images, _: np.concatenate([images[:250], images[260:], images[250:260]]),
        "often do not show their class",
    ),
    "black": (lambda images, _: np.zeros_like(images), "100% are blank"),
    "gray": (lambda images, _: np.full_like(images, 130), "100% are blank"),
    "some black": (
        lambda images, labels: np.where((labels < 3)[:, None, None, None], np.uint8(0), images),
        "30% are blank",
    ),
    "negatives": (lambda images, _: 255 - images, "are unlike real images"),
}


@pytest.mark.slow
def test_real_images_in_place_of_samples_raise_no_complaint(digits: DatasetSplits) -> None:
    images, labels = real(digits)
    for few in (slice(0, 500), slice(0, 60), slice(250, 310)):
        figures = measure_samples(images[few], labels[few], digits)
        assert figures.faults == ()
    figures = measure_samples(images, labels, digits)
    assert figures.accuracy == pytest.approx(figures.held_out_accuracy, abs=0.03)
    assert (figures.held_out_accuracy or 0) > 0.95
    assert figures.chance == pytest.approx(0.1)
    assert figures.diversity == pytest.approx(1, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_samples_is_called_by_its_name(fault: str, digits: DatasetSplits) -> None:
    plant, name = FAULTS[fault]
    images, labels = real(digits)
    figures = measure_samples(plant(images, labels), labels, digits)
    assert name in figures.faults, figures


def test_samples_without_classes_are_measured_together(digits: DatasetSplits) -> None:
    images, labels = real(digits)
    figures = measure_samples(images, None, digits)
    assert (figures.faults, figures.accuracy) == ((), None)
    assert "accuracy" not in str(figures)
    alike = measure_samples(repeated(images[:1], labels[:1]).repeat(500, 0), None, digits)
    assert alike.faults == ("are too alike within a class",)
