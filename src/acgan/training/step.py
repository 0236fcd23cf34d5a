"""One iteration of training: D's steps, then G's. Only this file touches an optimizer.

Contracts, all tested: D's step leaves G's weights, buffers and moments bitwise unchanged and the
reverse; a step with a loss, gradient or statistic that is not finite changes nothing at all.
Nothing is read out from the device before the whole iteration has been handed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.classification import UNLABELLED
from acgan.objectives.interface import DiscriminatorStep, Terms
from acgan.run_config import TrainingConfig
from acgan.training.answers import as_they_come, right_answers, unlabelled_rows
from acgan.training.device import Choices
from acgan.training.guard import Finding, Guard
from acgan.training.labels import LabelSource
from acgan.training.learner import Learner
from acgan.training.meters import Meters
from acgan.training.randomness import Streams
from acgan.training.updates import Update, read_out


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
        self._generator_guard = Guard(learner.generator)
        self._discriminator_guard = Guard(learner.discriminator, learner.memory)

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
            batches: real images uint8 (B, C, H, W) and labels int64 (B,), `UNLABELLED` where there
                is none, on the CPU.
            streams: where latents, fake labels, augmentation and dropout come from.
            meters: take the figures of the updates that were applied.
            images_seen: real images that D had seen before; the counter of every stream.
            step: iterations done before.

        Returns:
            What was not finite, for each update that was skipped because of it.
        """
        updates: list[Update] = []
        streams.seed_global("dropout", images_seen)
        shared = self._config.generator_batch == "shared"
        fakes: Fakes | None = None
        real_labels = batches[-1][1]
        for index, (images, labels) in enumerate(batches):
            drawn = f"discriminator-{index}"
            last = index == len(batches) - 1
            if shared and last:
                self._generator_guard.keep()
                fakes = used = self._draw(streams, drawn, images_seen, labels)
            else:
                with torch.no_grad(), frozen_statistics(self._learner.generator):
                    used = self._draw(streams, drawn, images_seen, labels)
            count, start = step * len(batches) + index, images_seen + index * len(images)
            updates.append(self._discriminator_step(images, labels, used, streams, count, start))
        if fakes is None:
            self._generator_guard.keep()
            fakes = self._draw(streams, "generator", images_seen, real_labels)
        images = self._shown(fakes.images, "generator", streams, images_seen)
        real = None
        if self._learner.matching is not None:
            real = self._asked_again(*batches[-1], streams, images_seen)
        updates.append(self._generator_step(Fakes(images, fakes.labels), real))
        return read_out(updates, meters)

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
            return Fakes(self._learner.draw(latents, labels), labels)

    def _shown(self, images: Tensor, purpose: str, streams: Streams, images_seen: int) -> Tensor:
        """What D is shown of images: one kind of changes for reals and fakes, in both steps."""
        augmentation = self._learner.augmentation
        if augmentation is None:
            return images
        random = streams.generator(f"augmentation-{purpose}", images_seen)
        shown: Tensor = augmentation(images, random)
        return shown

    def _discriminator_step(
        self,
        images: Tensor,
        labels: Tensor,
        fakes: Fakes,
        streams: Streams,
        step: int,
        images_seen: int,
    ) -> Update:
        learner = self._learner
        self._discriminator_guard.keep()
        real_images = self._shown(self._choices.pixels(images), "real", streams, images_seen)
        fake_images = self._shown(fakes.images.detach(), "fake", streams, images_seen)
        real_labels = labels.to(self._choices.device)
        with self._choices.autocast():
            # Two passes, so that batch statistics of reals and fakes never mix.
            real = learner.judge(real_images, real_labels)
            fake = learner.judge(fake_images, fakes.labels)
        counted = as_they_come(real, labels)
        terms = learner.objective.discriminator(counted, fake, real_labels, fakes.labels)
        now = DiscriminatorStep(
            learner.discriminator,
            real_images,
            real_labels,
            real,
            fake_images,
            fakes.labels,
            fake,
            step=step,
            images_seen=images_seen,
            random=streams.generator("regularisers", images_seen),
        )
        with self._choices.autocast():
            for regulariser in learner.regularisers:
                terms |= regulariser.discriminator(now)
        if learner.augmentation is not None:
            learner.augmentation.observe(counted.source_logits, step)
        finding = _update(terms, self._discriminator_guard, learner.discriminator_optimizer)
        asked = fakes.labels if learner.generator.conditional else None
        labelled = int((labels != UNLABELLED).sum())  # counted on the CPU, where it costs no wait
        counts = right_answers(counted, real_labels, labelled, fake, asked)
        return Update("discriminator", tuple(terms), finding, counts)

    @torch.no_grad()
    def _asked_again(
        self, images: Tensor, labels: Tensor, streams: Streams, images_seen: int
    ) -> DiscriminatorOutput:
        """D as it is now, on real images as they come, for G's step: no gradient, no statistics."""
        rows = unlabelled_rows(labels)
        if rows is not None:
            images, labels = images[rows], labels[rows]
        shown = self._shown(self._choices.pixels(images), "matched", streams, images_seen)
        with self._choices.autocast(), frozen_statistics(self._learner.discriminator):
            return self._learner.judge(shown, labels.to(self._choices.device))

    def _generator_step(self, fakes: Fakes, real: DiscriminatorOutput | None) -> Update:
        learner = self._learner
        learner.discriminator.requires_grad_(False)
        with self._choices.autocast(), frozen_statistics(learner.discriminator):
            answer = learner.judge(fakes.images, fakes.labels)
        terms = learner.objective.generator(answer, fakes.labels)
        if learner.matching is not None and real is not None:
            terms |= learner.matching.generator(real, answer)
        finding = _update(terms, self._generator_guard, learner.generator_optimizer)
        learner.discriminator.requires_grad_(True)
        return Update("generator", tuple(terms), finding, {})


def _update(terms: Terms, guard: Guard, optimizer: torch.optim.Optimizer) -> Finding:
    """Backward and step; where something is not finite, nothing is changed.

    Fused Adam reads ``found_inf`` on the device and then does nothing, as torch's gradient scaler
    has it do.
    """
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    finding = guard.look(terms)
    optimizer.found_inf = finding.spoiled.float()  # type: ignore[attr-defined]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    guard.undo(finding.spoiled)
    return finding
