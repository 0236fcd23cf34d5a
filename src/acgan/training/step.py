"""One iteration of training: D's steps, then G's. Only this file touches an optimizer.

Contracts, all tested: D's step leaves G's weights, buffers and moments bitwise unchanged and the
reverse; a step with a loss, gradient or statistic that is not finite changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from acgan.networks.interface import DiscriminatorOutput
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.interface import Terms
from acgan.run_config import TrainingConfig
from acgan.training.device import Choices
from acgan.training.guard import BufferKeeper, first_non_finite, first_unusable
from acgan.training.labels import LabelSource
from acgan.training.learner import Learner
from acgan.training.meters import Meters
from acgan.training.randomness import Streams


@final
@dataclass(frozen=True)
class Fakes:
    """A batch from G.

    Attributes:
        images: (N, C, H, W) in [-1, 1].
        labels: int64 (N,), the classes asked for.
    """

    images: Tensor
    labels: Tensor


@final
class Stepper:
    """Runs iterations on a learner.

    Args:
        learner: networks and optimizers.
        config: batch size, steps and where fakes come from.
        choices: device and precision.
        labels: draws the classes of fakes.
    """

    def __init__(
        self, learner: Learner, config: TrainingConfig, choices: Choices, labels: LabelSource
    ) -> None:
        self._learner = learner
        self._config = config
        self._choices = choices
        self._labels = labels
        self._generator_buffers = BufferKeeper(learner.generator)
        self._discriminator_buffers = BufferKeeper(learner.discriminator)

    def iterate(
        self,
        batches: Sequence[tuple[Tensor, Tensor]],
        streams: Streams,
        meters: Meters,
        *,
        images_seen: int,
        step: int,
    ) -> list[str]:
        """One D step on each of ``batches``, then one G step.

        Args:
            batches: real images uint8 (B, C, H, W) and labels int64 (B,), on the CPU.
            streams: where latents, fake labels and dropout come from.
            meters: take the figures of the updates that were applied.
            images_seen: real images that D had seen before; the counter of every stream.
            step: iterations done before.

        Returns:
            What was not finite, for each update that was skipped because of it.
        """
        skipped: list[str] = []
        streams.seed_global("dropout", images_seen)
        shared = self._config.generator_batch == "shared"
        fakes: Fakes | None = None
        real_labels = batches[-1][1]
        for index, (images, labels) in enumerate(batches):
            drawn = f"discriminator-{index}"
            last = index == len(batches) - 1
            if shared and last:
                self._generator_buffers.keep()
                fakes = used = self._draw(streams, drawn, images_seen, labels)
            else:
                with torch.no_grad(), frozen_statistics(self._learner.generator):
                    used = self._draw(streams, drawn, images_seen, labels)
            count = step * len(batches) + index
            problem = self._discriminator_step(images, labels, used, meters, count)
            if problem:
                skipped.append(f"discriminator: {problem}")
        if fakes is None:
            self._generator_buffers.keep()
            fakes = self._draw(streams, "generator", images_seen, real_labels)
        problem = self._generator_step(fakes, meters)
        if problem:
            skipped.append(f"generator: {problem}")
        return skipped

    def _draw(self, streams: Streams, purpose: str, images_seen: int, real_labels: Tensor) -> Fakes:
        size = self._config.batch_size
        latents = torch.randn(
            size,
            self._learner.generator.latent_size,
            generator=streams.generator(f"latents-{purpose}", images_seen),
        ).to(self._choices.device)
        labels = self._labels.draw(
            size, streams.generator(f"labels-{purpose}", images_seen), real_labels
        ).to(self._choices.device)
        with self._choices.autocast():
            return Fakes(self._learner.generator(latents, labels), labels)

    def _discriminator_step(
        self, images: Tensor, labels: Tensor, fakes: Fakes, meters: Meters, step: int
    ) -> str | None:
        learner = self._learner
        self._discriminator_buffers.keep()
        real_images = self._choices.pixels(images)
        real_labels = labels.to(self._choices.device)
        with self._choices.autocast():
            # Two passes, so that batch statistics of reals and fakes never mix.
            real = learner.discriminator(real_images, real_labels)
            fake = learner.discriminator(fakes.images.detach(), fakes.labels)
        terms = learner.objective.discriminator(real, fake, real_labels, fakes.labels)
        for regulariser in learner.regularisers:
            terms |= regulariser.discriminator(
                learner.discriminator, real_images, real_labels, step
            )
        problem = _update(terms, learner.discriminator, learner.discriminator_optimizer)
        if problem:
            self._discriminator_buffers.undo()
        else:
            _count(meters, "discriminator", terms)
            _count_answers(meters, real, real_labels, fake, fakes.labels)
        return problem

    def _generator_step(self, fakes: Fakes, meters: Meters) -> str | None:
        learner = self._learner
        learner.discriminator.requires_grad_(False)
        with self._choices.autocast(), frozen_statistics(learner.discriminator):
            answer = learner.discriminator(fakes.images, fakes.labels)
        terms = learner.objective.generator(answer, fakes.labels)
        problem = _update(terms, learner.generator, learner.generator_optimizer)
        learner.discriminator.requires_grad_(True)
        if problem:
            self._generator_buffers.undo()
        else:
            _count(meters, "generator", terms)
        return problem


def _update(terms: Terms, network: nn.Module, optimizer: torch.optim.Optimizer) -> str | None:
    """Backward and step, unless something is not finite: then its name, and nothing is changed."""
    problem = first_non_finite(terms)
    if problem is None:
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        problem = first_unusable(network)
    if problem is None:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return problem


def _count(meters: Meters, network: str, terms: Terms) -> None:
    for name, value in terms.items():
        meters.add(f"{network}.{name}", value)


@torch.no_grad()
def _count_answers(
    meters: Meters,
    real: DiscriminatorOutput,
    real_labels: Tensor,
    fake: DiscriminatorOutput,
    fake_labels: Tensor,
) -> None:
    """Accuracies of D in training mode, real and fake apart."""
    meters.add("source_accuracy.real", (real.source_logits > 0).sum(), len(real_labels))
    meters.add("source_accuracy.fake", (fake.source_logits <= 0).sum(), len(fake_labels))
    for name, output, labels in (
        ("real_train", real, real_labels),
        ("fake", fake, fake_labels),
    ):
        if output.class_logits is not None:
            right = output.class_logits.argmax(dim=1) == labels
            meters.add(f"class_accuracy.{name}", right.sum(), len(labels))
