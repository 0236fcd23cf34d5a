"""Every recipe trains: an iteration of its networks, objective and rates, on noise of its shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from acgan.data.images import DatasetSplits, ImageShape, LabeledImages, make_classes
from acgan.recipes.recipe import load_recipe, recipe_names
from acgan.runs.config import RunConfig
from acgan.training.learner import Learner
from acgan.training.randomness import Streams
from acgan.training.state import Meters
from acgan.training.step import Stepper

from .helpers import make_context

BATCH, CLASSES = 8, 3
QUICK = ("gray", "mnist", "broken")


def started(name: str) -> tuple[RunConfig, ImageShape]:
    """The recipe with a batch of eight, and the shape of image that it is for."""
    recipe = load_recipe(name)
    values: dict[str, Any] = {"recipe": name, **recipe.values}
    values["training"] = {**values["training"], "batch_size": BATCH}
    config = RunConfig.model_validate(values)
    return config, ImageShape(recipe.channels[0], *(config.data.image_size or (32, 32)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if any(kind in name for kind in QUICK) else pytest.mark.full)
        for name in recipe_names()
    ],
)
def test_a_recipe_trains(name: str) -> None:
    config, shape = started(name)
    labels = np.arange(BATCH) % CLASSES
    images = np.random.default_rng(0).integers(0, 256, (BATCH, *shape), np.uint8)
    train_split = LabeledImages(images, labels, make_classes("abc"))
    context = make_context(config, DatasetSplits("noise", train_split, train_split, train_split))
    learner = Learner(context)
    learner.set_rates(1.0)
    before = {
        name: parameter.detach().clone()
        for network in (learner.generator, learner.discriminator)
        for name, parameter in network.named_parameters(prefix=type(network).__name__)
        if parameter.requires_grad
    }
    batches = [
        (torch.from_numpy(images), torch.from_numpy(labels))
        for _ in range(config.training.discriminator_steps)
    ]
    stepper = Stepper(context, learner)
    meters = Meters()
    skipped = stepper.iterate(batches, Streams(0), meters, images_seen=0, step=0)

    assert skipped == []
    after = {
        name: parameter
        for network in (learner.generator, learner.discriminator)
        for name, parameter in network.named_parameters(prefix=type(network).__name__)
    }
    still = {name for name in before if torch.equal(before[name], after[name])}
    # Behind a gain of 0 nothing learns before the gain does, and hinge's slopes of reals and fakes
    # cancel in the source head's bias.
    excused = (".attention.", "source_head.bias")
    assert not {name for name in still if not any(part in name for part in excused)}
