"""Alarms: every planted fault is named, and a healthy run gives none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import DatasetSplits, LabeledImages
from acgan.metrics.arrays import Float64Array
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Generator
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.classification import cross_entropy_of_labeled, double_softmax_of_labeled
from acgan.objectives.projection import ProjectionConfig
from acgan.objectives.reacgan import ReACGANConfig
from acgan.objectives.tac import TACConfig
from acgan.runs.config import RunConfig
from acgan.training import alarms as alarms_module
from acgan.training.alarms import (
    GRACE_IMAGES,
    AlarmEvidence,
    AlarmTracker,
    class_accuracies,
    coarse_variance_ratio,
    find_alarms,
    overfitting,
)
from acgan.training.batches import LabelSource

from .helpers import make_monitor

NAMES = ("bar", "cross", "ring")
TinyConfig = Callable[..., RunConfig]
FAIR = {"real": 0.8, "fake": 0.7}


class Drawer(Generator):
    """Draws real training images of the class asked for, faults aside; latents choose which."""

    latent_size = 4
    classes = 3
    conditional = True

    def __init__(
        self, splits: DatasetSplits, *, ignored: int | None = None, alike: int | None = None
    ) -> None:
        super().__init__()
        self._weight = nn.Parameter(torch.zeros(1))
        self._ignored, self._alike = ignored, alike
        train = splits.train
        pixels = torch.from_numpy(train.images).float() / 127.5 - 1
        self._of_class = [pixels[torch.from_numpy(train.labels == k)] for k in range(3)]

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        drawn = []
        for latent, label in zip(latents, labels.tolist(), strict=True):
            images = self._of_class[0 if label == self._ignored else label]
            index = 0 if label == self._alike else int(latent.abs().sum() * 1e4) % len(images)
            drawn.append(images[index])
        return torch.stack(drawn)

    def conditioning_parameters(self) -> Any:
        yield self._weight

    def normalized(self) -> Any:
        return iter(())


class LabelClassifier(Discriminator):
    """Names the class of the nearest class mean."""

    def __init__(self, splits: DatasetSplits) -> None:
        super().__init__()
        train = splits.train
        pixels = torch.from_numpy(train.images).float() / 127.5 - 1
        self._means = torch.stack([pixels[train.labels == k].mean(0).flatten() for k in range(3)])

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        flat = images.flatten(1)
        return DiscriminatorOutput(flat[:, 0], -torch.cdist(flat, self._means), flat)

    def head_parameters(self) -> Any:
        yield from ()


Find = Callable[..., dict[str, str]]


@pytest.fixture
def found(tiny_config: TinyConfig, tiny_splits: DatasetSplits) -> Find:
    """``found(source_accuracy, ignored=…, alike=…)``: the alarms of such a generator."""

    def find(source: dict[str, float] = FAIR, **faults: int) -> dict[str, str]:
        networks = Drawer(tiny_splits, **faults), LabelClassifier(tiny_splits)
        monitor = make_monitor(tiny_config(), tiny_splits, *networks, source_accuracy=source)
        return find_alarms(monitor.evidence(networks[0]))

    return find


def evidence(**known: Any) -> AlarmEvidence:
    """Evidence of three classes, or as many as there are names, of which only so much is known."""
    unknown = np.full(len(known.get("class_names") or NAMES), np.nan)
    fields = ("fake_class_accuracy", "held_out_class_accuracy", "variance_ratio", "source_logits")
    values: dict[str, Any] = {
        "class_names": NAMES,
        "source_accuracy": {},
        "real_shares": unknown,
        "fake_shares": unknown,
        **dict.fromkeys(fields, unknown),
    }
    return AlarmEvidence(**values | known)


def test_a_healthy_generator_gives_no_alarm(found: Find) -> None:
    assert found() == {}


def test_a_class_that_is_ignored_is_named(found: Find) -> None:
    alarms = found(ignored=2)
    assert alarms.keys() == {"ignored/ring"}
    assert "ignores the class ring" in alarms["ignored/ring"]
    assert "0%" in alarms["ignored/ring"]


@pytest.mark.parametrize(
    ("fakes", "held_out", "ignored"),
    [
        ([0.3, 0.4, 0.3], 0.9, True),  # a third by chance
        ([1.0, 0.0, 0.0], 0.9, True),  # every sample of the first class, whichever is asked for
        ([0.9, 0.9, 0.1], 0.9, False),
        ([0.3, 0.4, 0.3], 0.4, False),  # a head that cannot read says nothing
    ],
)
def test_one_alarm_where_the_class_asked_for_makes_no_difference(
    fakes: list[float], held_out: float, ignored: bool
) -> None:
    alarms = find_alarms(
        evidence(
            source_accuracy=FAIR,
            fake_class_accuracy=np.array(fakes),
            held_out_class_accuracy=np.full(3, held_out),
        )
    )
    assert ("ignored" in alarms) == ignored
    if ignored:
        assert alarms.keys() == {"ignored"}
        assert "33% of samples" in alarms["ignored"]
        assert "33% is chance" in alarms["ignored"]


def test_a_class_whose_samples_are_all_alike_is_named(found: Find) -> None:
    alarms = found(alike=1)
    assert alarms.keys() == {"collapsed/cross"}
    assert "samples of cross have collapsed" in alarms["collapsed/cross"]


@pytest.mark.parametrize(
    ("real", "fake", "won"), [(1.0, 0.995, True), (1.0, 0.98, False), (0.5, 1.0, False)]
)
def test_a_discriminator_that_wins_is_named(
    real: float, fake: float, won: bool, found: Find
) -> None:
    alarms = found({"real": real, "fake": fake})
    assert ("source" in alarms) == won
    if won:
        assert "the discriminator wins" in alarms["source"]
        assert "99.5%" in alarms["source"]


class Rememberer(LabelClassifier):
    """Takes for real what it learned from, to the pixel, and nothing else."""

    def __init__(self, splits: DatasetSplits) -> None:
        super().__init__(splits)
        self._known = (torch.from_numpy(splits.train.images).float() / 127.5 - 1).flatten(1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        answer = super().forward(images, labels)
        known = torch.cdist(answer.features, self._known).min(dim=1).values < 0.01
        return replace(answer, source_logits=torch.where(known, 2.0, -2.0))


class Blurrer(Drawer):
    """Draws what is nearly a training image."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return super().forward(latents, labels) * 0.9


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("held_out", [True, False])
def test_a_discriminator_that_knows_the_images_by_heart_is_named(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits, conditional: bool, held_out: bool
) -> None:
    train, validation = tiny_splits.train, tiny_splits.validation
    unseen = (validation.images[:, None] != train.images[None]).any(axis=(2, 3, 4)).all(axis=1)
    validation = LabeledImages(
        validation.images[unseen], validation.labels[unseen], validation.classes
    )
    none = LabeledImages(train.images[:0], train.labels[:0], train.classes)
    splits = DatasetSplits("some", train, validation if held_out else none, tiny_splits.test)
    generator = Blurrer(splits)
    generator.conditional = conditional
    monitor = make_monitor(
        tiny_config(), splits, generator, Rememberer(splits), source_accuracy=FAIR
    )
    measured = monitor.evidence(generator)
    alarms = find_alarms(measured)
    assert alarms.keys() == ({"overfitting"} if held_out else set())
    if held_out:
        assert measured.overfitting == 1
        assert "memorized" in alarms["overfitting"]
        assert "100%" in alarms["overfitting"]


def test_overfitting_by_hand() -> None:
    spread = np.array([-1.0, 1.0] * 50)
    assert overfitting(3 + spread, 2 + spread, -1 + spread) == 0.25
    assert overfitting(3 + spread, 3 + spread, -1 + spread) == 0
    assert np.isnan(overfitting(3 + spread, 1 + spread, 2.9 + spread)), "D hardly tells them apart"
    assert np.isnan(overfitting(-3 + spread, 1 + spread, 3 + spread)), "D has it the wrong way"


def test_what_is_unknown_gives_no_alarm() -> None:
    """No class head, no interval yet, a class without held-out images."""
    assert find_alarms(evidence()) == {}
    assert find_alarms(evidence(class_names=None, variance_ratio=np.array([np.nan]))) == {}


@pytest.mark.parametrize(("probability", "ended"), [(None, False), (0.99, False), (1.0, True)])
def test_an_augmentation_at_its_limit_is_named(probability: float | None, ended: bool) -> None:
    alarms = find_alarms(evidence(augmentation_probability=probability))
    assert alarms.keys() == ({"augmentation"} if ended else set())


def test_noise_does_not_pass_for_variety() -> None:
    random = np.random.default_rng(0)
    labels = np.zeros(200, np.int64)
    level = random.integers(50, 200, (200, 1, 1, 1))
    real = np.broadcast_to(level, (200, 1, 32, 32)).astype(np.uint8)
    noisy = (125 + random.normal(0, 40, (200, 1, 32, 32))).clip(0, 255).astype(np.uint8)
    (ratio,) = coarse_variance_ratio(noisy, labels, real, labels, 1)
    full = noisy.var(axis=0, ddof=1).sum() / real.var(axis=0, ddof=1).sum()
    assert full > 0.5, "pixel by pixel it would"
    assert ratio < 0.1


def test_the_variance_ratio_by_hand() -> None:
    def gray(*levels: int) -> Any:
        return np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, 1, 5, 9), np.uint8)

    ratios = coarse_variance_ratio(
        gray(10, 14, 50), np.array([0, 0, 1]), gray(10, 18, 1, 2), np.array([0, 0, 1, 1]), 3
    )
    assert ratios[0] == pytest.approx(8 / 32)
    assert np.isnan(ratios[1:]).all(), "one image has no variance, none even less"


def test_class_accuracies_by_hand() -> None:
    shares = class_accuracies(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), 3)
    assert shares[:2].tolist() == [0.5, 0.5]
    assert np.isnan(shares[2])


def test_the_bell_waits_for_two_sheets_and_says_when_it_is_over() -> None:
    alarm_tracker, alarm = AlarmTracker(), {"source": "it wins"}
    assert alarm_tracker.update(alarm, GRACE_IMAGES - 1) == []
    assert alarm_tracker.update(alarm, GRACE_IMAGES) == []
    (event,) = alarm_tracker.update(alarm, GRACE_IMAGES + 100)
    assert (event["event"], event["about"], event["message"]) == ("alarm", "source", "it wins")
    assert alarm_tracker.update(alarm, GRACE_IMAGES + 200) == [], "said once"
    (over,) = alarm_tracker.update({}, GRACE_IMAGES + 300)
    assert (over["event"], over["about"]) == ("alarm over", "source")
    assert alarm_tracker.update(alarm, GRACE_IMAGES + 400) == [], "and it starts anew"
    assert alarm_tracker.update({}, GRACE_IMAGES + 500) == [], (
        "a single bad sheet is never mentioned"
    )


@pytest.mark.slow
def test_alarms_come_while_the_run_goes_on(
    tmp_path: Path,
    tiny_config: Callable[..., RunConfig],
    train_tiny: Callable[..., Any],
    recording: Any,
    logged: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run whose G hardly learns while D learns fast: D wins, and all samples are alike."""
    monkeypatch.setattr(alarms_module, "GRACE_IMAGES", 0)
    monkeypatch.setattr(alarms_module, "DISCRIMINATOR_WINS", 0.9)
    config = tiny_config(
        optimizer={"generator_lr": 1e-9, "discriminator_lr": 0.01},
        training={"total_images": 320},
    )
    display = recording()
    train_tiny(tmp_path / "run", config, display)
    events = logged(tmp_path / "run").events
    about = {event["about"] for event in events}
    assert {"source", "collapsed/ring"} <= about
    assert all(event["images"] < 320 for event in events)
    assert display.says("the discriminator wins")


def test_the_monitor_leaves_the_networks_as_they_were(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    discriminator, rows = LabelClassifier(tiny_splits).train(), list[Any]()
    make_monitor(tiny_config(), tiny_splits, Drawer(tiny_splits), discriminator, rows=rows).row()
    assert discriminator.training
    (row,) = rows
    assert (row["images"], row["step"]) == (640, 10)
    assert row["class_accuracy"]["real_held_out"] > 0.6


def test_a_discriminator_that_always_says_the_majority_class_reads_chance_in_the_log(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    """Of skewed held-out images, 8 of 10 are of the majority class."""
    validation = tiny_splits.validation
    rows_of = [np.flatnonzero(validation.labels == k)[:n] for k, n in ((0, 8), (1, 1), (2, 1))]
    skewed = replace(tiny_splits, validation=validation.subset(np.concatenate(rows_of)))
    discriminator, rows = LabelClassifier(tiny_splits), list[Any]()
    majority = torch.tensor([1.0, 0, 0])

    def forward(images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        zeros = torch.zeros(len(images), 1)
        return DiscriminatorOutput(zeros[:, 0], majority.expand(len(images), 3), zeros)

    discriminator.forward = forward  # type: ignore[method-assign]
    make_monitor(tiny_config(), skewed, Drawer(tiny_splits), discriminator, rows=rows).row()
    assert rows[0]["class_accuracy"]["real_held_out"] == pytest.approx(1 / 3)


LETTERS = tuple("abcdefghij")
TEN = len(LETTERS)


def double_softmax(loss: float | None, accuracy: float | None, classes: int) -> dict[str, str]:
    """The alarms of such a class loss and accuracy."""
    names = LETTERS[:classes]
    return find_alarms(evidence(class_names=names, class_loss=loss, class_accuracy=accuracy))


def shares_alarms(logits: Float64Array, labels: LabelSource) -> dict[str, str]:
    """The alarms of mean source logits per class."""
    shares = {"real_shares": labels.real_shares, "fake_shares": labels.fake_shares}
    return find_alarms(evidence(class_names=LETTERS, source_logits=logits, **shares))


def read(confidence: float, *, mistakes: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Class logits of 100 images, ``mistakes`` of them wrong, labels, and the accuracy."""
    labels = torch.arange(100) % TEN
    predictions = torch.where(torch.arange(100) < mistakes, (labels + 1) % TEN, labels)
    logits = confidence * torch.eye(TEN)[predictions]
    return logits, labels, 1 - mistakes / 100


@pytest.mark.parametrize("mistakes", [0, 2, 5])
def test_softmax_twice_is_named_and_a_single_one_is_not(mistakes: int) -> None:
    logits, labels, accuracy = read(12.0, mistakes=mistakes)
    wrong = double_softmax_of_labeled(logits, labels).item()
    alarms = double_softmax(wrong, accuracy, TEN)
    assert alarms.keys() == {"double-softmax"}
    assert "1.46 is the minimum" in alarms["double-softmax"]
    right = cross_entropy_of_labeled(logits, labels).item()
    assert double_softmax(right, accuracy, TEN) == {}


@pytest.mark.parametrize(
    ("loss", "accuracy", "classes"),
    [
        (1.5, 0.5, TEN),  # a head that has not learned yet
        (1.3, 0.97, TEN),  # below what is possible for softmax twice
        (1.9, 0.97, TEN),  # right, and unsure
        (None, 0.97, TEN),
        (1.5, None, TEN),
        (0.0, 1.0, 1),
    ],
)
def test_what_is_not_softmax_twice(
    loss: float | None, accuracy: float | None, classes: int
) -> None:
    assert double_softmax(loss, accuracy, classes) == {}


def test_the_class_loss_is_without_its_weight_and_a_cross_entropy() -> None:
    terms = {"class_real": 3.0}
    assert ACGANConfig(class_weight_real=2.0).mean_cross_entropy(terms) == 1.5
    assert TACConfig(class_weight_real=2.0).mean_cross_entropy(terms) == 1.5
    assert ACGANConfig(class_weight_real=0.0).mean_cross_entropy(terms) is None
    assert ACGANConfig().mean_cross_entropy({}) is None
    for other in (ADCConfig(), ReACGANConfig(), ProjectionConfig()):
        assert other.mean_cross_entropy(terms) is None


COUNTS = np.round(400 * 20.0 ** (-np.arange(TEN) / 9)).astype(int)


def overrepresented(policy: Any, slope: float, noise: float = 0.3) -> dict[str, str]:
    """A D whose logit of samples follows ``slope`` times what the class gives away."""
    labels = LabelSource(policy, COUNTS)
    noisy = np.random.default_rng(0).normal(0, noise, TEN)
    rare = np.log(COUNTS / COUNTS.mean())
    return shares_alarms(slope * rare - 1 + noisy, labels)


def test_classes_that_are_asked_for_too_often_and_rejected_are_named() -> None:
    alarms = overrepresented("uniform", 1.0)
    assert alarms.keys() == {"overrepresented"}
    assert "rejects samples of h, i, j because of their class" in alarms["overrepresented"]
    assert "up to 7 times as frequent" in alarms["overrepresented"]


@pytest.mark.parametrize("policy", ["frequency", "batch"])
def test_rare_classes_that_are_asked_for_rarely_are_not(policy: Any) -> None:
    """Though D rejects them just so: there are few to learn from, and that is another matter."""
    assert overrepresented(policy, 1.0) == {}


def test_nor_where_the_discriminator_judges_by_something_else() -> None:
    assert overrepresented("uniform", 0.0) == {}
    assert overrepresented("uniform", -1.0) == {}
    assert overrepresented("uniform", 0.6, noise=3.0) == {}


def test_nor_on_balanced_data_nor_where_nothing_is_known() -> None:
    labels = LabelSource("uniform", np.full(TEN, 7))
    logits = np.arange(TEN, dtype=np.float64)
    assert shares_alarms(logits, labels) == {}
    skewed = LabelSource("uniform", COUNTS)
    unknown = np.full(TEN, np.nan)
    assert shares_alarms(unknown, skewed) == {}


def test_shares_of_the_label_source_by_hand() -> None:
    counts = np.array([6, 2, 0])
    for policy, asked in (
        ("frequency", [0.75, 0.25, 0.0]),
        ("batch", [0.75, 0.25, 0.0]),
        ("uniform", [0.5, 0.5, 0.0]),
    ):
        labels = LabelSource(policy, counts)  # type: ignore[arg-type]
        assert labels.real_shares.tolist() == [0.75, 0.25, 0.0]
        assert labels.fake_shares.tolist() == asked
