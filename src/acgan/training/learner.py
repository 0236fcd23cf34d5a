"""Exponential moving average of the generator's weights, with a ramp for short runs.

The learner: both networks, their optimizers and the average, as one state that can be saved.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from acgan.augmentation.augmentation import Augmentation
from acgan.data.batches import flip_keeps_class
from acgan.data.images import ImageShape
from acgan.execution.execution import Execution
from acgan.networks.build import build_discriminator, build_generator
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Generator
from acgan.objectives.build import build_matching, build_objective, build_regularizer
from acgan.objectives.interface import Regularizer
from acgan.runs.config import OptimizerConfig, RunConfig
from acgan.runs.state import load_module, load_optimizer, module_tensors, optimizer_tensors
from acgan.training.randomness import Streams


@final
class MovingAverage:
    """The averaged generator (Yazıcı et al. 2019), its half-life counted in images.

    Buffers are not averaged: batch-norm statistics belong to the weights that they were measured
    with, so each snapshot measures its own (`acgan.training.checkpoint_manager`).

    Args:
        generator: the generator to follow; the average starts at its weights.
        half_life_images: images after which an old weight counts half; 0 follows without delay.
        ramp: the half-life is at most this share of the images seen (Karras et al. 2022, app. F).
    """

    def __init__(
        self, generator: Generator, *, half_life_images: float, ramp: float | None
    ) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False).eval()
        self._half_life = half_life_images
        self._ramp = ramp

    def decay(self, images_seen: int, batch: int) -> float:
        """β of this step: ½^(batch / half-life), in [0, 1)."""
        half_life = self._half_life
        if self._ramp is not None:
            half_life = min(half_life, self._ramp * images_seen)
        return 0.5 ** (batch / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, generator: Generator, *, images_seen: int, batch: int) -> None:
        """Move towards ``generator``'s weights: average ← β·average + (1 − β)·weights."""
        weight = 1.0 - self.decay(images_seen, batch)
        torch._foreach_lerp_(
            list(self.generator.parameters()), [p.detach() for p in generator.parameters()], weight
        )


Tensors = dict[str, Tensor]


@final
class Learner:
    """Everything with weights or moments.

    Args:
        config: the run.
        shape: of one image.
        classes: number of classes K.
        execution: device, precision, layout, compilation.

    Attributes:
        draw: the generator, compiled where ``choices`` say so.
        reference_classifier: the discriminator, likewise.
        matching: what G's step asks D about real images; None where it asks nothing.
        augmentation: what D is shown of an image; None where it is the image.
        memory: what has state beside the networks, by name; D's steps move it.
    """

    def __init__(
        self, config: RunConfig, shape: ImageShape, classes: int, execution: Execution
    ) -> None:
        self.objective = build_objective(config.objective)
        self.matching = build_matching(config.objective)
        horizontal_flip = flip_keeps_class(config.data.source, shape)
        regularizers: dict[str, Regularizer] = {
            each.name: build_regularizer(each, flip_keeps_class=horizontal_flip)
            for each in config.regularizers
        }
        self.regularizers = list(regularizers.values())
        augmentation = config.augmentation
        self.augmentation = Augmentation(augmentation) if augmentation.active else None
        self.memory = nn.ModuleDict({"regularizers": nn.ModuleDict(regularizers)})
        if self.augmentation is not None:
            self.memory["augmentation"] = self.augmentation
        self.memory.to(execution.device)
        Streams(config.seed).seed_global("initial-weights")
        # Built on the CPU, so that every device starts from the same weights.
        self.generator: Generator = build_generator(config.generator, shape, classes)
        self.discriminator: Discriminator = build_discriminator(
            config.discriminator, shape, classes, self.objective.heads
        )
        for network in (self.generator, self.discriminator):
            network.to(execution.device)
            if execution.channels_last:
                network.to(memory_format=torch.channels_last)
            network.train()
        # What steps call; whatever else looks at a network, once in a while, calls it itself.
        self.generate: Callable[[Tensor, Tensor], Tensor] = execution.compiled(self.generator)
        self.discriminate: Callable[[Tensor, Tensor], DiscriminatorOutput] = execution.compiled(
            self.discriminator
        )
        training, optimizer = config.training, config.optimizer
        self.average = MovingAverage(
            self.generator, half_life_images=training.ema_half_life_images, ramp=training.ema_ramp
        )
        self.generator_optimizer = _adam(
            optimizer,
            optimizer.generator_lr,
            self.generator,
            list(self.generator.conditioning_parameters()),
            optimizer.conditioning_multiplier,
        )
        self.discriminator_optimizer = _adam(
            optimizer,
            optimizer.discriminator_lr,
            self.discriminator,
            list(self.discriminator.head_parameters()),
            optimizer.heads_multiplier,
        )

    def set_rates(self, factor: float) -> None:
        """Set every learning rate to ``factor`` times its base."""
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = group["base_rate"] * factor

    def augmentation_figures(self) -> dict[str, float]:
        """How an adaptive augmentation stands, read out from the device; empty without one."""
        return {} if self.augmentation is None else self.augmentation.figures()

    def tensors(self) -> Tensors:
        """All weights, buffers, moments and memories by name."""
        return {
            **module_tensors("generator", self.generator),
            **module_tensors("discriminator", self.discriminator),
            **module_tensors("average", self.average.generator),
            **module_tensors("memory", self.memory),
            **optimizer_tensors("optimizer.generator", self.generator, self.generator_optimizer),
            **optimizer_tensors(
                "optimizer.discriminator", self.discriminator, self.discriminator_optimizer
            ),
        }

    def restore(self, tensors: Tensors) -> None:
        """Take over what `tensors` gave, each into memory of the layout it is used in."""
        load_module("generator", self.generator, tensors)
        load_module("discriminator", self.discriminator, tensors)
        load_module("average", self.average.generator, tensors)
        load_module("memory", self.memory, tensors)
        load_optimizer("optimizer.generator", self.generator, self.generator_optimizer, tensors)
        load_optimizer(
            "optimizer.discriminator", self.discriminator, self.discriminator_optimizer, tensors
        )

    def start_from(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Take over the weights of a finished model (G, its average, and D)."""
        for ours, theirs in (
            (self.generator, generator),
            (self.average.generator, generator),
            (self.discriminator, discriminator),
        ):
            load_module("", ours, module_tensors("", theirs))

    def start_feature_network(self, trained: Tensors) -> None:
        """Take over the state of a trained trunk, by names within it, into D's own."""
        feature_network = self.discriminator.get_submodule("trunk")
        load_module("", feature_network, {f".{name}": value for name, value in trained.items()})


def schedule_factor(config: OptimizerConfig, images_seen: int, total_images: int) -> float:
    """The schedule's factor on every rate: 1, or falling linearly to 0 at ``total_images``.

    A ``total_images`` of 0 is one that is still to be measured; the factor is 1 meanwhile.
    """
    if config.schedule == "constant" or not total_images:
        return 1.0
    start = config.decay_from * total_images
    return min(1.0, max(0.0, (total_images - images_seen) / (total_images - start)))


def _adam(
    config: OptimizerConfig,
    rate: float,
    network: nn.Module,
    special: list[nn.Parameter],
    multiplier: float,
) -> torch.optim.Adam:
    """Fused Adam with the rest of the network and the special parameters as two groups."""
    ids = {id(p) for p in special}
    groups = [
        ([p for p in network.parameters() if id(p) not in ids], rate),
        (special, rate * multiplier),
    ]
    return torch.optim.Adam(
        [{"params": ps, "lr": r, "base_rate": r} for ps, r in groups if ps],
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        fused=True,
    )
