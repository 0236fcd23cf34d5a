"""The collapse alarm: every planted fault is named, and a healthy generator gives none."""

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
from acgan.execution.execution import Execution
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Generator
from acgan.runs.config import RunConfig
from acgan.training import alarms as alarms_module
from acgan.training.alarms import (
    GRACE_IMAGES,
    AlarmTracker,
    class_shares,
    coarse_variance_ratio,
    find_alarms,
    overfitting,
)
from acgan.training.monitor import Observer
from acgan.training.run_logger import Meters

NAMES = ("bar", "cross", "ring")
CHOICES = Execution("cpu", "fp32", 1, channels_last=False)
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


def found(splits: DatasetSplits, source: dict[str, float] = FAIR, **faults: int) -> dict[str, str]:
    observer = Observer(splits, 2, CHOICES, conditional=True)
    evidence = observer.evidence(Drawer(splits, **faults), LabelClassifier(splits), source)
    return find_alarms(evidence, NAMES)


def test_a_healthy_generator_gives_no_alarm(tiny_splits: DatasetSplits) -> None:
    assert found(tiny_splits) == {}


def test_a_class_that_is_ignored_is_named(tiny_splits: DatasetSplits) -> None:
    alarms = found(tiny_splits, ignored=2)
    assert alarms.keys() == {"ignored/ring"}
    assert "the class ring is ignored" in alarms["ignored/ring"]
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
    unknown, read = np.full(3, np.nan), np.full(3, held_out)
    evidence = alarms_module.AlarmEvidence(
        FAIR, np.array(fakes), read, unknown, unknown, overfitting=np.nan
    )
    alarms = find_alarms(evidence, NAMES)
    assert ("ignored" in alarms) == ignored
    if ignored:
        assert alarms.keys() == {"ignored"}
        assert "33% of samples" in alarms["ignored"]
        assert "by chance it would be 33%" in alarms["ignored"]


def test_a_class_whose_samples_are_all_alike_is_named(tiny_splits: DatasetSplits) -> None:
    alarms = found(tiny_splits, alike=1)
    assert alarms.keys() == {"alike/cross"}
    assert "samples of class cross are nearly all alike" in alarms["alike/cross"]


@pytest.mark.parametrize(
    ("real", "fake", "won"), [(1.0, 0.995, True), (1.0, 0.98, False), (0.5, 1.0, False)]
)
def test_a_discriminator_that_wins_is_named(
    real: float, fake: float, won: bool, tiny_splits: DatasetSplits
) -> None:
    alarms = found(tiny_splits, {"real": real, "fake": fake})
    assert ("source" in alarms) == won
    if won:
        assert "wins outright" in alarms["source"]
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
    tiny_splits: DatasetSplits, conditional: bool, held_out: bool
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
    observer = Observer(splits, 2, CHOICES, conditional=conditional)
    evidence = observer.evidence(generator, Rememberer(splits), FAIR)
    alarms = find_alarms(evidence, NAMES if conditional else None)
    assert alarms.keys() == ({"overfitting"} if held_out else set())
    if held_out:
        assert evidence.overfitting == 1
        assert "by heart" in alarms["overfitting"]
        assert "100%" in alarms["overfitting"]


def test_overfitting_by_hand() -> None:
    spread = np.array([-1.0, 1.0] * 50)
    assert overfitting(3 + spread, 2 + spread, -1 + spread) == 0.25
    assert overfitting(3 + spread, 3 + spread, -1 + spread) == 0
    assert np.isnan(overfitting(3 + spread, 1 + spread, 2.9 + spread)), "D hardly tells them apart"
    assert np.isnan(overfitting(-3 + spread, 1 + spread, 3 + spread)), "D has it the wrong way"


def test_what_is_unknown_gives_no_alarm(tiny_splits: DatasetSplits) -> None:
    """No class head, no interval yet, a class without held-out images."""
    unknown = np.full(3, np.nan)
    evidence = alarms_module.AlarmEvidence(
        {}, unknown, unknown, unknown, unknown, overfitting=np.nan
    )
    assert find_alarms(evidence, NAMES) == {}


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


def test_class_shares_by_hand() -> None:
    shares = class_shares(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), 3)
    assert shares[:2].tolist() == [0.5, 0.5]
    assert np.isnan(shares[2])


def test_the_bell_waits_for_two_sheets_and_says_when_it_is_over() -> None:
    alarm_tracker, alarm = AlarmTracker(), {"source": "it wins"}
    assert alarm_tracker.ring(alarm, GRACE_IMAGES - 1) == []
    assert alarm_tracker.ring(alarm, GRACE_IMAGES) == []
    (event,) = alarm_tracker.ring(alarm, GRACE_IMAGES + 100)
    assert (event["event"], event["about"], event["message"]) == ("alarm", "source", "it wins")
    assert alarm_tracker.ring(alarm, GRACE_IMAGES + 200) == [], "said once"
    (over,) = alarm_tracker.ring({}, GRACE_IMAGES + 300)
    assert (over["event"], over["about"]) == ("alarm over", "source")
    assert alarm_tracker.ring(alarm, GRACE_IMAGES + 400) == [], "and it starts anew"
    assert alarm_tracker.ring({}, GRACE_IMAGES + 500) == [], "a single bad sheet is never mentioned"


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
    monkeypatch.setattr(alarms_module, "SOURCE_WON", 0.9)
    config = tiny_config(
        optimizer={"generator_lr": 1e-9, "discriminator_lr": 0.01},
        training={"total_images": 320},
    )
    display = recording()
    train_tiny(tmp_path / "run", config, display)
    events = logged(tmp_path / "run").events
    about = {event["about"] for event in events}
    assert {"source", "alike/ring"} <= about
    assert all(event["images"] < 320 for event in events)
    assert display.says("the discriminator wins outright")


def test_the_observer_leaves_the_networks_as_they_were(tiny_splits: DatasetSplits) -> None:
    observer = Observer(tiny_splits, 2, CHOICES, conditional=True)
    reader = LabelClassifier(tiny_splits).train()
    row = observer.row(Meters(), reader, 640, 10)
    assert reader.training
    assert (row["images"], row["step"]) == (640, 10)
    assert row["class_accuracy"]["real_held_out"] > 0.6
