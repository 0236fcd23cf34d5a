"""One iteration of training: D's steps, then G's step. Only this file touches an optimizer.

Contracts, all tested: D's step leaves G's weights, buffers and moments bitwise unchanged, and the
reverse. A step with a non-finite loss, gradient or statistic changes nothing. No value is read from
the device before the whole iteration has been queued there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.classification import UNLABELED
from acgan.objectives.feature_matching import feature_matching
from acgan.objectives.interface import DiscriminatorStep, Terms
from acgan.training.guard import FiniteCheck, Guard
from acgan.training.learner import Learner
from acgan.training.randomness import Stream, Streams
from acgan.training.state import Meters, RunContext


def source_of_unlabeled(real: DiscriminatorOutput, labels: Tensor) -> DiscriminatorOutput:
    """Return D's output with the source logits of the unlabeled images only, if there are any.

    With few labels, a batch holds labeled images more often than the data does. Used as real
    examples they would distort G's distribution, and D would memorize them.

    Args:
        real: D's output for N real images.
        labels: int64 (N,) on the CPU, so that nothing is read from the device.
    """
    rows = unlabeled_rows(labels)
    if not len(rows):
        return real
    logits = real.source_logits
    return replace(real, source_logits=logits[rows.to(logits.device)])


def unlabeled_rows(labels: Tensor) -> Tensor:
    """Return the rows of a batch (on the CPU) without a label."""
    return torch.from_numpy(np.flatnonzero(labels.numpy() == UNLABELED))


@torch.no_grad()
def count_correct(
    real: DiscriminatorOutput,
    real_labels: Tensor,
    fake: DiscriminatorOutput,
    fake_labels: Tensor | None,
) -> dict[str, Tensor]:
    """Count D's correct predictions in training mode, separately for real images and fakes.

    Args:
        real: D's output for real images.
        real_labels: their labels, `UNLABELED` where there is none.
        fake: D's output for fakes.
        fake_labels: their target labels; None if G is unconditional.

    Returns:
        Twice the class plus one if the prediction is correct, int64 (N,) on the device, by metric
        name; negative without a label. Source predictions are of class 0.
    """
    correct = {
        "source_accuracy.real": (real.source_logits > 0).long(),
        "source_accuracy.fake": (fake.source_logits <= 0).long(),
    }
    if real.class_logits is not None:
        right = real.class_logits.argmax(dim=1) == real_labels
        correct["class_accuracy.real_train"] = 2 * real_labels + right
    if fake.class_logits is not None and fake_labels is not None:
        right = fake.class_logits.argmax(dim=1) == fake_labels
        correct["class_accuracy.fake"] = 2 * fake_labels + right
    return correct


@final
@dataclass(frozen=True)
class Update:
    """Results of one update, on the device until the end of the iteration.

    Attributes:
        network: ``discriminator`` or ``generator``.
        terms: names of the loss terms; their values come first in ``check.sizes``.
        check: the guard's result.
        correct: see `count_correct`.
    """

    network: str
    terms: tuple[str, ...]
    check: FiniteCheck
    correct: Mapping[str, Tensor]


def read_out(updates: Sequence[Update], meters: Meters) -> list[str]:
    """Add applied updates to the meters; return the problems of skipped ones.

    This is the only place where an iteration reads values from the device.
    """
    on_device: list[Tensor] = []
    for update in updates:
        on_device += [update.check.sizes, *update.correct.values()]
    values = iter(torch.cat(on_device).tolist())
    skipped = []
    for update in updates:
        sizes = list(islice(values, len(update.check.names)))
        codes = {name: list(islice(values, len(each))) for name, each in update.correct.items()}
        problem = update.check.problem(sizes)
        if problem:
            skipped.append(f"{update.network}: {problem}")
            continue
        for term, value in zip(update.terms, sizes, strict=False):
            meters.add(f"{update.network}.{term}", value)
        for name, each in codes.items():
            known = np.asarray([code for code in each if code >= 0], np.int64)
            counts, totals = np.bincount(known // 2), np.bincount(known // 2, known % 2)
            for label in np.flatnonzero(counts):
                meters.add(f"{name}#{label}", float(totals[label]), int(counts[label]))
    return skipped


class FakeBatch(NamedTuple):
    """Images of G, (N, C, H, W) in [-1, 1], and their target labels, int64 (N,)."""

    images: Tensor
    labels: Tensor


@final
class Stepper:
    """Runs the iterations of a learner."""

    def __init__(self, context: RunContext, learner: Learner) -> None:
        self._learner, self._config = learner, context.config.training
        self._execution, self._fake_labels = context.execution, context.fake_labels
        self._generator_guard = Guard(learner.generator)
        self._discriminator_guard = Guard(learner.discriminator, learner.extra_state)

    def iterate(
        self,
        batches: Sequence[tuple[Tensor, Tensor]],
        streams: Streams,
        meters: Meters,
        *,
        images_seen: int,
        step: int,
    ) -> list[str]:
        """Run one D step on each of ``batches``, then one G step.

        Args:
            batches: on the CPU, real images uint8 (B, C, H, W) and labels int64 (B,), `UNLABELED`
                where there is none.
            streams: source of latents, labels of fakes, augmentation and dropout.
            meters: metrics of the applied updates are added here.
            images_seen: real images used before; the counter of every stream.
            step: iterations before this one.

        Returns:
            The non-finite quantity of each update that was skipped.
        """
        updates: list[Update] = []
        streams.seed_global(Stream.DROPOUT, images_seen)
        fakes: FakeBatch | None = None
        real_labels = batches[-1][1]
        for index, (images, labels) in enumerate(batches):
            purpose = f"discriminator-{index}"
            if self._config.generator_batch == "shared" and index == len(batches) - 1:
                self._generator_guard.save_buffers()
                fakes = used = self._generate(streams, purpose, images_seen, labels)
            else:
                with torch.no_grad(), frozen_statistics(self._learner.generator):
                    used = self._generate(streams, purpose, images_seen, labels)
            count, start = step * len(batches) + index, images_seen + index * len(images)
            updates.append(self._discriminator_step(images, labels, used, streams, count, start))
        if fakes is None:
            self._generator_guard.save_buffers()
            fakes = self._generate(streams, "generator", images_seen, real_labels)
        images = self._augment(fakes.images, "generator", streams, images_seen)
        real = None
        if self._learner.matches_features:
            real = self._output_to_match(*batches[-1], streams, images_seen)
        updates.append(self._generator_step(images, fakes.labels, real))
        return read_out(updates, meters)

    def _generate(
        self, streams: Streams, purpose: str, images_seen: int, real_labels: Tensor
    ) -> FakeBatch:
        size, device = self._config.batch_size, self._execution.device
        random = streams.generator(Stream.LATENTS, images_seen, purpose=purpose)
        latents = torch.randn(size, self._learner.generator.latent_size, generator=random)
        random = streams.generator(Stream.LABELS, images_seen, purpose=purpose)
        labels = self._fake_labels.sample(size, random, real_labels).to(device)
        with self._execution.autocast():
            return FakeBatch(self._learner.generate(latents.to(device), labels), labels)

    def _augment(self, images: Tensor, purpose: str, streams: Streams, images_seen: int) -> Tensor:
        """Augment D's input; the same augmentation applies to real images and fakes."""
        if self._learner.augmentation is None:
            return images
        random = streams.generator(Stream.AUGMENTATION, images_seen, purpose=purpose)
        augmented: Tensor = self._learner.augmentation(images, random)
        return augmented

    def _discriminator_step(
        self,
        images: Tensor,
        labels: Tensor,
        fakes: FakeBatch,
        streams: Streams,
        step: int,
        images_seen: int,
    ) -> Update:
        learner = self._learner
        self._discriminator_guard.save_buffers()
        real_images = self._augment(self._execution.pixels(images), "real", streams, images_seen)
        fake_images = self._augment(fakes.images.detach(), "fake", streams, images_seen)
        real_labels = labels.to(self._execution.device)
        with self._execution.autocast():
            # Two forward passes, so that batch statistics of real images and fakes never mix.
            real = learner.discriminate(real_images, real_labels)
            fake = learner.discriminate(fake_images, fakes.labels)
        counted = source_of_unlabeled(real, labels)
        terms = learner.objective.discriminator(counted, fake, real_labels, fakes.labels)
        now = DiscriminatorStep(
            learner.discriminator,
            *(real_images, real_labels, real),
            *(fake_images, fakes.labels, fake),
            step=step,
            images_seen=images_seen,
            random=streams.generator(Stream.REGULARIZERS, images_seen),
        )
        with self._execution.autocast():
            for regularizer in learner.regularizers:
                terms |= regularizer.discriminator(now)
        if learner.augmentation is not None:
            learner.augmentation.update(counted.source_logits, step)
        check = _update(terms, self._discriminator_guard, learner.discriminator_optimizer)
        fake_labels = fakes.labels if learner.generator.conditional else None
        correct = count_correct(counted, real_labels, fake, fake_labels)
        return Update("discriminator", tuple(terms), check, correct)

    @torch.no_grad()
    def _output_to_match(
        self, images: Tensor, labels: Tensor, streams: Streams, images_seen: int
    ) -> DiscriminatorOutput:
        """Return the updated D's output for real images, whose features G's step matches.

        Unlabeled images only, if there are any. No gradient; running statistics stay unchanged.
        """
        rows = unlabeled_rows(labels)
        if len(rows):
            images, labels = images[rows], labels[rows]
        pixels = self._augment(self._execution.pixels(images), "matched", streams, images_seen)
        with self._execution.autocast(), frozen_statistics(self._learner.discriminator):
            return self._learner.discriminate(pixels, labels.to(self._execution.device))

    def _generator_step(
        self, images: Tensor, labels: Tensor, real: DiscriminatorOutput | None
    ) -> Update:
        learner = self._learner
        learner.discriminator.requires_grad_(False)
        with self._execution.autocast(), frozen_statistics(learner.discriminator):
            output = learner.discriminate(images, labels)
        terms = learner.objective.generator(output, labels)
        if real is not None:
            terms |= feature_matching(real, output)
        check = _update(terms, self._generator_guard, learner.generator_optimizer)
        learner.discriminator.requires_grad_(True)
        return Update("generator", tuple(terms), check, {})


def _update(terms: Terms, guard: Guard, optimizer: torch.optim.Optimizer) -> FiniteCheck:
    """Run backward and the optimizer step; a failed check leaves everything unchanged.

    Fused Adam reads ``found_inf`` on the device and then skips the step, as with torch's gradient
    scaler.
    """
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    check = guard.check(terms)
    optimizer.found_inf = check.failed.float()  # type: ignore[attr-defined]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    guard.restore_buffers(check.failed)
    return check
