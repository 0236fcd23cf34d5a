"""The average of the generator, and the snapshots that a person gets."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from acgan.data.images import DatasetSplits
from acgan.networks.interface import Generator
from acgan.runs.config import RunConfig
from acgan.training.batches import LabelSource
from acgan.training.learner import Learner, MovingAverage
from acgan.training.randomness import Stream, Streams

from .helpers import make_context

TinyConfig = Callable[..., RunConfig]


@pytest.fixture(params=[False, True], ids=["fp32", "everything"])
def built(
    request: pytest.FixtureRequest, tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> Learner:
    return Learner(make_context(tiny_config(everything=request.param), tiny_splits))


def move(generator: nn.Module, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random) * 0.1)


@pytest.mark.parametrize("ramp", [None, 0.1, 5.0])
def test_the_average_is_that_of_a_naive_line(built: Learner, ramp: float | None) -> None:
    generator = built.generator
    average = MovingAverage(generator, half_life_images=100, ramp=ramp)
    naive = [p.detach().double().clone() for p in generator.parameters()]
    for step in range(1, 6):
        move(generator, step)
        average.update(generator, images_seen=16 * step, batch=16)
        half_life = 100.0 if ramp is None else min(100.0, ramp * 16 * step)
        beta = 0.5 ** (16 / half_life)
        for value, parameter in zip(naive, generator.parameters(), strict=True):
            value.copy_(beta * value + (1 - beta) * parameter.detach().double())
    for value, parameter in zip(naive, average.generator.parameters(), strict=True):
        torch.testing.assert_close(parameter.double(), value, rtol=1e-5, atol=1e-6)


def test_a_half_life_halves_by_hand(built: Learner) -> None:
    average = MovingAverage(built.generator, half_life_images=32, ramp=None)
    assert average.decay(1000, 32) == 0.5
    assert average.decay(1000, 64) == 0.25
    ramped = MovingAverage(built.generator, half_life_images=32, ramp=0.1)
    assert ramped.decay(160, 16) == 0.5, "the half-life is a tenth of what was seen"
    assert ramped.decay(10_000, 32) == 0.5, "and at most the one asked for"


def test_half_life_zero_follows_bit_for_bit(built: Learner) -> None:
    generator = built.generator
    average = MovingAverage(generator, half_life_images=0, ramp=0.1)
    move(generator, 1)
    average.update(generator, images_seen=16, batch=16)
    for ours, theirs in zip(average.generator.parameters(), generator.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_buffers_are_not_averaged_and_gradients_not_needed(built: Learner) -> None:
    generator = built.generator
    average = MovingAverage(generator, half_life_images=10, ramp=None)
    before = {name: buffer.clone() for name, buffer in average.generator.named_buffers()}
    generator(torch.randn(8, generator.latent_size), torch.zeros(8, dtype=torch.int64))
    average.update(generator, images_seen=16, batch=16)
    for name, buffer in average.generator.named_buffers():
        assert torch.equal(buffer, before[name])
    assert not any(parameter.requires_grad for parameter in average.generator.parameters())


def naive_statistics(generator: Generator, streams: Streams, count: int) -> list[torch.Tensor]:
    """Mean and variance that each batch norm sees, averaged over the batches, one by one."""
    clone = copy.deepcopy(generator)
    norms = [m for m in clone.modules() if isinstance(m, nn.BatchNorm2d)]
    seen: list[list[torch.Tensor]] = [[] for _ in norms]
    for into, norm in zip(seen, norms, strict=True):

        def look(
            _m: nn.Module, inputs: tuple[torch.Tensor], into: list[torch.Tensor] = into
        ) -> None:
            maps = inputs[0].double()
            stats = (maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3)))
            into.append(torch.stack(stats))

        norm.register_forward_pre_hook(look)
        norm.train()
    labels = LabelSource("frequency", torch.tensor([32, 32, 32]).numpy())
    for index in range(count):

        def generator_of(purpose: str, index: int = index) -> torch.Generator:
            return streams.generator(Stream.STATISTICS, index, purpose=purpose)

        latents = torch.randn(128, clone.latent_size, generator=generator_of("latents"))
        wanted = labels.sample(128, generator_of("labels"), torch.zeros(128))
        clone(latents, wanted)
    return [torch.stack(each).mean(dim=0) for each in seen]


def test_a_snapshots_statistics_are_those_of_the_averaged_weights(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    config = tiny_config()
    learner = Learner(make_context(config, tiny_splits))
    move(learner.generator, 1)
    learner.update_average(images_seen=160, batch=16)
    move(learner.generator, 2)  # far from the average
    snapshot = learner.snapshot()
    assert snapshot is learner.average.generator
    assert not snapshot.training
    expected = naive_statistics(snapshot, Streams(config.seed), 8)
    norms = [m for m in snapshot.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    for norm, (mean, variance) in zip(norms, expected, strict=True):
        found = dict(norm.named_buffers())
        torch.testing.assert_close(found["running_mean"].double(), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found["running_var"].double(), variance, rtol=1e-4, atol=1e-5)


def test_taking_snapshots_changes_nothing_that_is_trained(built: Learner) -> None:
    learner = built
    random_state = torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    modes = [module.training for module in learner.generator.modules()]
    learner.snapshot()
    measured = {f"average.{name}" for name, _ in learner.generator.named_buffers()}
    for name, tensor in learner.tensors().items():
        assert name in measured or torch.equal(tensor, before[name]), name
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [module.training for module in learner.generator.modules()] == modes


def test_a_snapshot_depends_on_the_weights_alone(built: Learner) -> None:
    learner = built
    learner.generator(
        torch.randn(4, learner.generator.latent_size), torch.zeros(4, dtype=torch.int64)
    )
    first = {k: v.clone() for k, v in learner.snapshot().state_dict().items()}
    learner.generator(
        torch.randn(4, learner.generator.latent_size), torch.zeros(4, dtype=torch.int64)
    )
    learner.average.decay = lambda *_: 1.0  # type: ignore[method-assign]
    learner.update_average(images_seen=32, batch=16)
    again = learner.snapshot().state_dict()
    for name, value in first.items():
        if "num_batches_tracked" not in name:
            assert torch.equal(value, again[name]), name


def test_statistics_are_measured_once_per_state(
    built: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    monkeypatch.setattr(
        "acgan.training.learner.reestimate_statistics", lambda *_: measured.append(1)
    )
    for _ in range(2):
        built.snapshot()
    assert len(measured) == 1
    built.update_average(images_seen=16, batch=16)
    built.snapshot()
    assert len(measured) == 2
    built.restore({name: value.clone() for name, value in built.tensors().items()})
    built.snapshot()
    assert len(measured) == 3
