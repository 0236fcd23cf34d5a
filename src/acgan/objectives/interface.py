"""Interfaces of objectives and regularizers, the seam between losses and the training loop.

Both return named, weighted terms. The loop minimizes their sum and logs each of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from acgan.config import Config
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Heads

Terms = dict[str, Tensor]


class Objective(ABC):
    """Hyper-parameters and the two losses."""

    @property
    @abstractmethod
    def heads(self) -> Heads:
        """The heads that the discriminator needs."""

    @abstractmethod
    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """Return the discriminator's terms, scalars to be minimized.

        Args:
            real: output for N real images. If only some are labeled, the source logits are those
                of the unlabeled ones.
            fake: output for M fake images, which are detached from the generator.
            real_labels: int64 (N,), the true classes, or
                `acgan.objectives.classification.UNLABELED` if the objective accepts it.
            fake_labels: int64 (M,), the target classes.
        """

    @abstractmethod
    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """Return the generator's terms, scalars to be minimized.

        Args:
            fake: output for M fake images, with the generator's graph.
            fake_labels: int64 (M,), the target classes.
        """


@final
@dataclass(frozen=True)
class DiscriminatorStep:
    """Inputs of one discriminator step, before its update.

    Attributes:
        discriminator: in training mode. A regularizer that calls it again must leave its buffers
            unchanged (`acgan.networks.statistics.frozen_statistics`).
        real_images: float32 (N, C, H, W), real images after augmentation; in [-1, 1] without it.
        real_labels: int64 (N,), the true classes or `UNLABELED`.
        real: output for ``real_images``, with its graph.
        fake_images: (M, C, H, W), fake images after augmentation, detached from the generator.
        fake_labels: int64 (M,), the target classes.
        fake: output for ``fake_images``, with its graph.
        step: number of discriminator steps before this one.
        images_seen: number of real images used before this step.
        random: generator on the CPU, seeded by the run's seed and ``images_seen``; the only source
            of randomness in the step.
    """

    discriminator: Discriminator
    real_images: Tensor
    real_labels: Tensor
    real: DiscriminatorOutput
    fake_images: Tensor
    fake_labels: Tensor
    fake: DiscriminatorOutput
    step: int
    images_seen: int
    random: torch.Generator


class Regularizer(nn.Module, ABC):
    """Additional discriminator terms that need the images or the discriminator itself.

    A regularizer has no parameters. Its state is in its buffers, which checkpoints store as
    ``extra_state`` and which the guard restores when it skips an update. Therefore buffers are
    changed in place, and no value is copied from the device to the host.
    """

    @abstractmethod
    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """Return the terms of this step, empty where the regularizer does not act; update buffers.

        The loop calls it once a step, under the run's autocast.
        """


class BaseRegularizerConfig(Config, ABC):
    """Base of the configurations of regularizers.

    Attributes:
        name: of the regularizer.
    """

    name: str

    @abstractmethod
    def build(self, *, flip_keeps_class: bool) -> Regularizer:
        """Return the regularizer.

        Args:
            flip_keeps_class: whether a horizontal flip keeps the class of the training images
                (`acgan.data.batches`).
        """
