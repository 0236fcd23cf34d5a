"""The seam between what is optimized and the loop: objectives and regularizers.

Both return named terms, already weighted. Their plain sum is optimized, and each is logged, so what
is logged is what is optimized. The loop never asks which objective it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from acgan.networks.interface import Discriminator, DiscriminatorOutput, Heads

Terms = dict[str, Tensor]


class Objective(ABC):
    """Hyper-parameters plus the two losses."""

    @property
    @abstractmethod
    def heads(self) -> Heads:
        """The heads that the discriminator must have."""

    @abstractmethod
    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """D's terms: scalars, to be minimized by D. ``fake`` comes from detached images.

        Args:
            real: D's answer to N real images; where some are labeled and others not, its source
                logits are those of the unlabeled alone.
            fake: D's answer to M fake images.
            real_labels: int64 (N,), the true classes, or
                `acgan.objectives.classification.UNLABELED` where the objective takes that.
            fake_labels: int64 (M,), the classes that G was asked for.
        """

    @abstractmethod
    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """G's terms: scalars, to be minimized by G."""


@final
@dataclass(frozen=True)
class DiscriminatorStep:
    """All that there is in one of D's steps, before its update.

    Attributes:
        discriminator: D in training mode. A regularizer that asks it again leaves its buffers
            unchanged (`acgan.networks.statistics.frozen_statistics`).
        real_images: float32 (N, C, H, W), the real images as D was shown them: in [-1, 1], but
            for what an augmentation adds.
        real_labels: int64 (N,), the true classes or `UNLABELED`, as an objective gets them.
        real: D's answer to them, with its graph.
        fake_images: (M, C, H, W), fakes as D was shown them, cut off from G.
        fake_labels: int64 (M,), the classes that G was asked for.
        fake: D's answer to them, with its graph.
        step: D steps taken before.
        images_seen: real images that D had seen before.
        random: on the CPU, seeded by the run's seed and ``images_seen``; whatever is drawn in this
            step is drawn from here.
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
    """Additional terms for D that need the images, D itself or what it said before.

    It has no parameters. What it remembers are its buffers: they are in every checkpoint by their
    names, on the run's device, and the guard puts them back where an update is skipped. So they are
    changed in place, and nothing is read out from the device for it.
    """

    @abstractmethod
    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """D's additional terms at this step; empty where it does not act at this step.

        Called once a step, under the run's autocast; memory may move, too.
        """
