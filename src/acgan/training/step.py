"""Which of D's answers count in a step: for whose source it is asked, and which were right.

What updates leave on the device, and the one place where it is read out.

One iteration of training: D's steps, then G's. Only this file touches an optimizer.

Contracts, all tested: D's step leaves G's weights, buffers and moments bitwise unchanged and the
reverse; a step with a loss, gradient or statistic that is not finite changes nothing at all.
Nothing is read out from the device before the whole iteration has been handed to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import final

import numpy as np
import torch
from torch import Tensor

from acgan.execution.execution import Execution
from acgan.networks.interface import DiscriminatorOutput
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.classification import UNLABELED
from acgan.objectives.interface import DiscriminatorStep, Terms
from acgan.runs.config import TrainingConfig
from acgan.training.batches import LabelSource
from acgan.training.guard import Guard, NonFinite
from acgan.training.learner import Learner
from acgan.training.randomness import Streams
from acgan.training.run_logger import Meters


def as_they_come(real: DiscriminatorOutput, labels: Tensor) -> DiscriminatorOutput:
    """D's answer, with the source logits of the unlabeled alone, where there are some.

    Where labels are few, a batch holds the labeled more often than they come, for their classes'
    sake; as examples of what is real they would have G draw them and D know them by heart.

    Args:
        real: D's answer to N real images.
        labels: int64 (N,), on the CPU: nothing is read out from the device.
    """
    unlabeled = unlabeled_rows(labels)
    if unlabeled is None:
        return real
    chosen = unlabeled.to(real.source_logits.device)
    return replace(real, source_logits=real.source_logits[chosen])


def unlabeled_rows(labels: Tensor) -> Tensor | None:
    """Where in a batch, on the CPU, the images without a label are; None where all have one."""
    found = np.flatnonzero(labels.numpy() == UNLABELED)
    return torch.from_numpy(found) if len(found) else None


@torch.no_grad()
def right_answers(
    real: DiscriminatorOutput,
    real_labels: Tensor,
    labeled: int,
    fake: DiscriminatorOutput,
    asked: Tensor | None,
) -> dict[str, tuple[Tensor, int]]:
    """How often D was right in training mode, real and fake apart.

    Of the class it is asked where there is a right answer: for the ``labeled`` of the reals, whose
    label is not `UNLABELED`, and for fakes whose classes G was ``asked`` for.
    """
    right = {
        "source_accuracy.real": (real.source_logits > 0, len(real.source_logits)),
        "source_accuracy.fake": (fake.source_logits <= 0, len(fake.source_logits)),
    }
    if real.class_logits is not None and labeled:
        predictions = real.class_logits.argmax(dim=1) == real_labels
        right["class_accuracy.real_train"] = (predictions, labeled)
    if fake.class_logits is not None and asked is not None:
        predictions = fake.class_logits.argmax(dim=1) == asked
        right["class_accuracy.fake"] = (predictions, len(asked))
    return {name: (predictions.sum(), count) for name, (predictions, count) in right.items()}


@final
@dataclass(frozen=True)
class Update:
    """What one update leaves on the device, to be read out at the end of the iteration.

    Attributes:
        network: ``discriminator`` or ``generator``.
        terms: names of the loss terms; their values come first in ``finding``.
        finding: what the guard saw.
        counts: right answers by what they are answers to, each with the number of questions.
    """

    network: str
    terms: tuple[str, ...]
    finding: NonFinite
    counts: Mapping[str, tuple[Tensor, int]]


def read_out(updates: Sequence[Update], meters: Meters) -> list[str]:
    """Count the updates that were made, and name what spoiled the others; the one read-out."""
    figures = [
        torch.cat([u.finding.sizes, *(total.view(1) for total, _ in u.counts.values())])
        for u in updates
    ]
    values = iter(torch.cat(figures).tolist())
    skipped = []
    for update in updates:
        sizes = list(islice(values, len(update.finding.names)))
        totals = list(islice(values, len(update.counts)))
        problem = update.finding.problem(sizes)
        if problem:
            skipped.append(f"{update.network}: {problem}")
            continue
        for term, value in zip(update.terms, sizes, strict=False):
            meters.add(f"{update.network}.{term}", value)
        for (name, (_, count)), total in zip(update.counts.items(), totals, strict=True):
            meters.add(name, total, count)
    return skipped


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
        execution: device and precision.
        labels: draws the classes of fakes.
    """

    def __init__(
        self, learner: Learner, config: TrainingConfig, execution: Execution, labels: LabelSource
    ) -> None:
        self._learner = learner
        self._config = config
        self._execution = execution
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
            batches: real images uint8 (B, C, H, W) and labels int64 (B,), `UNLABELED` where there
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
        ).to(self._execution.device)
        labels = self._labels.draw(
            size, streams.generator(f"labels-{purpose}", images_seen), real_labels
        ).to(self._execution.device)
        with self._execution.autocast():
            return Fakes(self._learner.generate(latents, labels), labels)

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
        real_images = self._shown(self._execution.pixels(images), "real", streams, images_seen)
        fake_images = self._shown(fakes.images.detach(), "fake", streams, images_seen)
        real_labels = labels.to(self._execution.device)
        with self._execution.autocast():
            # Two passes, so that batch statistics of reals and fakes never mix.
            real = learner.discriminate(real_images, real_labels)
            fake = learner.discriminate(fake_images, fakes.labels)
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
        with self._execution.autocast():
            for regularizer in learner.regularizers:
                terms |= regularizer.discriminator(now)
        if learner.augmentation is not None:
            learner.augmentation.observe(counted.source_logits, step)
        finding = _update(terms, self._discriminator_guard, learner.discriminator_optimizer)
        asked = fakes.labels if learner.generator.conditional else None
        labeled = int((labels != UNLABELED).sum())  # counted on the CPU, where it costs no wait
        counts = right_answers(counted, real_labels, labeled, fake, asked)
        return Update("discriminator", tuple(terms), finding, counts)

    @torch.no_grad()
    def _asked_again(
        self, images: Tensor, labels: Tensor, streams: Streams, images_seen: int
    ) -> DiscriminatorOutput:
        """D as it is now, on real images as they come, for G's step: no gradient, no statistics."""
        rows = unlabeled_rows(labels)
        if rows is not None:
            images, labels = images[rows], labels[rows]
        shown = self._shown(self._execution.pixels(images), "matched", streams, images_seen)
        with self._execution.autocast(), frozen_statistics(self._learner.discriminator):
            return self._learner.discriminate(shown, labels.to(self._execution.device))

    def _generator_step(self, fakes: Fakes, real: DiscriminatorOutput | None) -> Update:
        learner = self._learner
        learner.discriminator.requires_grad_(False)
        with self._execution.autocast(), frozen_statistics(learner.discriminator):
            answer = learner.discriminate(fakes.images, fakes.labels)
        terms = learner.objective.generator(answer, fakes.labels)
        if learner.matching is not None and real is not None:
            terms |= learner.matching.generator(real, answer)
        finding = _update(terms, self._generator_guard, learner.generator_optimizer)
        learner.discriminator.requires_grad_(True)
        return Update("generator", tuple(terms), finding, {})


def _update(terms: Terms, guard: Guard, optimizer: torch.optim.Optimizer) -> NonFinite:
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
