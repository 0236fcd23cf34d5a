"""Feature matching in a step: which images D is asked about, when, and what it costs the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acgan.data.images import DatasetSplits
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.classification import UNLABELED
from acgan.objectives.interface import Terms
from acgan.runs.config import RunConfig
from acgan.training import step
from acgan.training.randomness import Streams

from .helpers import Bench

TinyConfig = Callable[..., RunConfig]
WITHOUT_CLASSES = {"generator": {"conditioning": {"mode": "none"}}}
MATCHING = {"objective": {"name": "sgan", "generator_loss": "feature-matching"}, **WITHOUT_CLASSES}
PLAIN = {"objective": {"name": "sgan"}, **WITHOUT_CLASSES}
SIZE = 16


class Asked:
    """One iteration; what D was asked about in it, in order, and with which gradients."""

    def __init__(
        self, config: RunConfig, splits: DatasetSplits, labels: Tensor | None = None
    ) -> None:
        bench = Bench(config, splits)
        self.learner, self.meters = bench.learner, bench.meters
        self.images: list[Tensor] = []
        self.predictions: list[DiscriminatorOutput] = []
        reference_classifier = self.learner.discriminate

        def watched(images: Tensor, given: Tensor) -> DiscriminatorOutput:
            self.images.append(images.detach().clone())
            self.predictions.append(reference_classifier(images, given))
            return self.predictions[-1]

        self.learner.discriminate = watched
        real = torch.from_numpy(splits.train.images[:SIZE])
        known = torch.from_numpy(splits.train.labels[:SIZE])
        bench.stepper.iterate(
            [(real, known if labels is None else labels)],
            Streams(config.seed),
            self.meters,
            images_seen=0,
            step=0,
        )


def test_g_s_step_asks_about_the_real_images_once_more(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    seen = Asked(tiny_config(**MATCHING), tiny_splits)
    real, fake, again, drawn = seen.images
    assert torch.equal(again, real)
    assert not torch.equal(drawn, fake)
    answer = seen.predictions[2]
    assert not answer.features.requires_grad
    assert not torch.equal(answer.features, seen.predictions[0].features), "D has learned meanwhile"
    means = [seen.predictions[index].features.detach().mean(0) for index in (2, 3)]
    expected = float((means[0] - means[1]).square().sum())
    terms = seen.meters.means()["generator"]
    assert terms.keys() == {"features"}
    assert terms["features"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("others", [PLAIN, {}], ids=["sgan", "acgan"])
def test_nobody_else_asks_a_fourth_time(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits, others: dict[str, Any]
) -> None:
    seen = Asked(tiny_config(**others), tiny_splits)
    assert len(seen.images) == 3
    assert "features" not in seen.meters.means()["generator"]


def test_of_few_labeled_images_only_those_that_come_as_they_do_are_matched(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    labels = torch.from_numpy(tiny_splits.train.labels[:SIZE]).clone()
    labels[6:] = UNLABELED
    seen = Asked(tiny_config(**MATCHING), tiny_splits, labels)
    assert torch.equal(seen.images[2], seen.images[0][6:])


def test_reals_are_augmented_as_fakes_are(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    """Or G would learn to draw what no augmentation did."""
    shifting = {"augmentation": {"policy": ["translation"], "noise": 0.5}}
    seen = Asked(tiny_config(**MATCHING, **shifting), tiny_splits)
    clean = tiny_splits.train.images[:SIZE].astype(np.float32) / 127.5 - 1
    again = seen.images[2].numpy()
    assert np.abs(again - clean).mean() > 0.2
    assert not torch.equal(seen.images[2], seen.images[0]), "changes of its own"


def test_a_wrong_way_round_is_seen(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real and fake exchanged G would hear nothing."""

    def exchanged(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        return {"features": (real.features.mean(0) - fake.features.detach().mean(0)).square().sum()}

    monkeypatch.setattr(step, "feature_matching", exchanged)
    with pytest.raises(RuntimeError, match="does not require grad"):
        Asked(tiny_config(**MATCHING), tiny_splits)
