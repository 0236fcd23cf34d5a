"""Every recipe trains: an iteration of its networks, objective and rates, on noise of its shape."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from acgan.data.images import ImageShape
from acgan.execution.execution import choose_execution
from acgan.recipes import load_recipe, recipe_names
from acgan.runs.config import RunConfig
from acgan.training.batches import LabelSource
from acgan.training.learner import Learner
from acgan.training.randomness import Streams
from acgan.training.run_logger import Meters
from acgan.training.step import Stepper

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
        pytest.param(name, marks=() if any(kind in name for kind in QUICK) else pytest.mark.slow)
        for name in recipe_names()
    ],
)
def test_a_recipe_trains(name: str) -> None:
    config, shape = started(name)
    execution = choose_execution(config.execution)
    learner = Learner(config, shape, CLASSES, execution)
    learner.set_rates(1.0)
    before = {
        name: parameter.detach().clone()
        for network in (learner.generator, learner.discriminator)
        for name, parameter in network.named_parameters(prefix=type(network).__name__)
        if parameter.requires_grad
    }
    labels = torch.arange(BATCH) % CLASSES
    stream = torch.Generator().manual_seed(0)
    batches = [
        (torch.randint(0, 256, (BATCH, *shape), dtype=torch.uint8, generator=stream), labels)
        for _ in range(config.training.discriminator_steps)
    ]
    counts = torch.bincount(labels).numpy()
    stepper = Stepper(
        learner, config.training, execution, LabelSource(config.training.fake_labels, counts)
    )
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
