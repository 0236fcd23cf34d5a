"""Both networks, their optimizers and the averaged generator: all tensors of a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import final

import torch
from torch import Tensor, nn

from acgan.augmentation.augmentation import Augmentation
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Generator
from acgan.networks.statistics import reestimate_statistics
from acgan.objectives.interface import Regularizer
from acgan.runs.config import OptimizerConfig
from acgan.runs.state import load_module, load_optimizer, module_tensors, optimizer_tensors
from acgan.training.randomness import Stream, Streams
from acgan.training.state import RunContext

_STATISTICS_BATCHES, _STATISTICS_BATCH = 8, 128

Tensors = dict[str, Tensor]


@final
class MovingAverage:
    """Exponential moving average of G's weights (Yazıcı et al. 2019); half-life in images.

    Buffers are not averaged: batch-norm statistics belong to the weights they were measured with,
    so `Learner.snapshot` measures them anew.

    Args:
        generator: the generator to follow; the average starts at its weights.
        half_life_images: images after which an old weight counts half; 0 follows without delay.
        ramp: upper limit of the half-life as a share of the images seen (Karras et al. 2022, app.
            F), so that short runs forget their start.
    """

    def __init__(
        self, generator: Generator, *, half_life_images: float, ramp: float | None
    ) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False).eval()
        self._half_life, self._ramp = half_life_images, ramp

    def decay(self, images_seen: int, batch: int) -> float:
        """Return β of this step: ½^(batch / half-life), in [0, 1)."""
        half_life = self._half_life
        if self._ramp is not None:
            half_life = min(half_life, self._ramp * images_seen)
        return 0.5 ** (batch / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, generator: Generator, *, images_seen: int, batch: int) -> None:
        """Set the average to β·average + (1 − β)·weights."""
        weight = 1.0 - self.decay(images_seen, batch)
        torch._foreach_lerp_(
            list(self.generator.parameters()), [p.detach() for p in generator.parameters()], weight
        )


@final
class Learner:
    """Everything in a run with weights, moments or buffers.

    Attributes:
        generate: the generator, compiled if the execution says so.
        discriminate: the discriminator, likewise.
        matches_features: whether G's step needs features of real images.
        augmentation: augmentation of D's input, or None.
        extra_state: modules with buffers that D's steps change: regularizers and augmentation.
    """

    def __init__(self, context: RunContext) -> None:
        config, splits, execution = context.config, context.splits, context.execution
        self._context = context
        self._snapshot_is_current = False
        self.objective = config.objective.build()
        self.matches_features = config.objective.matches_features
        keeps_class = splits.flip_keeps_class
        regularizers: dict[str, Regularizer] = {
            each.name: each.build(flip_keeps_class=keeps_class) for each in config.regularizers
        }
        self.regularizers = list(regularizers.values())
        augmentation = config.augmentation
        self.augmentation = Augmentation(augmentation) if augmentation.active else None
        self.extra_state = nn.ModuleDict({"regularizers": nn.ModuleDict(regularizers)})
        if self.augmentation is not None:
            self.extra_state["augmentation"] = self.augmentation
        self.extra_state.to(execution.device)
        Streams(config.seed).seed_global(Stream.INITIAL_WEIGHTS)
        # Built on the CPU, so that every device starts from the same weights.
        self.generator: Generator = config.generator.build(splits.shape, len(splits.classes))
        self.discriminator: Discriminator = config.discriminator.build(
            splits.shape, len(splits.classes), self.objective.heads
        )
        for network in (self.generator, self.discriminator):
            network.to(execution.device)
            if execution.channels_last:
                network.to(memory_format=torch.channels_last)
            network.train()
        self.generate: Callable[[Tensor, Tensor], Tensor] = execution.compiled(self.generator)
        self.discriminate: Callable[[Tensor, Tensor], DiscriminatorOutput] = execution.compiled(
            self.discriminator
        )
        half_life, ramp = config.training.ema_half_life_images, config.training.ema_ramp
        self.average = MovingAverage(self.generator, half_life_images=half_life, ramp=ramp)
        optimizer = config.optimizer
        special, factor = (
            self.generator.conditioning_parameters(),
            optimizer.conditioning_multiplier,
        )
        self.generator_optimizer = _adam(
            optimizer, self.generator, optimizer.generator_lr, list(special), factor
        )
        special, factor = self.discriminator.head_parameters(), optimizer.heads_multiplier
        self.discriminator_optimizer = _adam(
            optimizer, self.discriminator, optimizer.discriminator_lr, list(special), factor
        )
        self._modules: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average.generator,
            "extra_state": self.extra_state,
        }
        self._optimizers = {
            "optimizer.generator": (self.generator, self.generator_optimizer),
            "optimizer.discriminator": (self.discriminator, self.discriminator_optimizer),
        }

    def set_rates(self, factor: float) -> None:
        """Set every learning rate to ``factor`` times its configured value."""
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = group["base_rate"] * factor

    def augmentation_metrics(self) -> dict[str, float]:
        """Return the metrics of an adaptive augmentation; empty without one."""
        return {} if self.augmentation is None else self.augmentation.statistics()

    def update_average(self, *, images_seen: int, batch: int) -> None:
        """Update the moving average after an iteration; see `MovingAverage.update`."""
        self.average.update(self.generator, images_seen=images_seen, batch=batch)
        self._snapshot_is_current = False

    def snapshot(self) -> Generator:
        """Return the averaged generator in evaluation mode, its batch-norm statistics measured.

        Latents and labels of the measurement are the same throughout a run. The statistics are not
        part of the training state, so snapshots never change the trajectory.
        """
        generator = self.average.generator
        if not self._snapshot_is_current:
            own = dict(generator.named_buffers())
            for name, buffer in self.generator.named_buffers():
                own[name].copy_(buffer)
            with self._context.execution.autocast():
                reestimate_statistics(generator, self._statistics_batches())
            generator.eval()
            self._snapshot_is_current = True
        return generator

    def _statistics_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        streams, size = Streams(self._context.config.seed), _STATISTICS_BATCH
        device = self._context.execution.device
        real_labels = torch.arange(size) % self.generator.classes
        for index in range(_STATISTICS_BATCHES):
            random = streams.generator(Stream.STATISTICS, index, purpose="latents")
            latents = torch.randn(size, self.generator.latent_size, generator=random)
            random = streams.generator(Stream.STATISTICS, index, purpose="labels")
            labels = self._context.fake_labels.sample(size, random, real_labels)
            yield latents.to(device), labels.to(device)

    def tensors(self) -> Tensors:
        """Return all weights, buffers and moments by name."""
        tensors: Tensors = {}
        for name, module in self._modules.items():
            tensors |= module_tensors(name, module)
        for name, (module, optimizer) in self._optimizers.items():
            tensors |= optimizer_tensors(name, module, optimizer)
        return tensors

    def restore(self, tensors: Tensors) -> None:
        """Copy the result of `tensors` into existing memory, whose layout stays unchanged."""
        self._snapshot_is_current = False
        for name, module in self._modules.items():
            load_module(name, module, tensors)
        for name, (module, optimizer) in self._optimizers.items():
            load_optimizer(name, module, optimizer, tensors)

    def load_model(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Copy the weights of a finished model into G, its average and D."""
        for ours in (self.generator, self.average.generator):
            load_module("", ours, module_tensors("", generator))
        load_module("", self.discriminator, module_tensors("", discriminator))

    def load_feature_network(self, trained: Tensors) -> None:
        """Copy the state of a trained feature network, by names within it, into D's."""
        feature_network = self.discriminator.get_submodule("feature_network")
        load_module("", feature_network, {f".{name}": value for name, value in trained.items()})


def schedule_factor(config: OptimizerConfig, images_seen: int, total_images: int) -> float:
    """Return the factor on every learning rate: 1, or falling linearly to 0 at ``total_images``.

    The factor is 1 while ``total_images`` is 0, that is not measured yet.
    """
    if config.schedule == "constant" or not total_images:
        return 1.0
    start = config.decay_from * total_images
    return min(1.0, max(0.0, (total_images - images_seen) / (total_images - start)))


def _adam(
    config: OptimizerConfig,
    network: nn.Module,
    rate: float,
    special: list[nn.Parameter],
    multiplier: float,
) -> torch.optim.Adam:
    """Build fused Adam; the ``special`` parameters have ``multiplier`` times the rate."""
    ids = {id(p) for p in special}
    rest = [p for p in network.parameters() if id(p) not in ids]
    groups = [(rest, rate), (special, rate * multiplier)]
    return torch.optim.Adam(
        [{"params": ps, "lr": r, "base_rate": r} for ps, r in groups if ps],
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        fused=True,
    )
