"""The seam between what is optimised and the loop: objectives and regularisers.

Both return named terms, already weighted. Their plain sum is optimised, and each is logged, so what
is logged is what is optimised. The loop never asks which objective it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

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
        """D's terms: scalars, to be minimised by D. ``fake`` comes from detached images.

        Args:
            real: D's answer to N real images.
            fake: D's answer to M fake images.
            real_labels: int64 (N,), the true classes.
            fake_labels: int64 (M,), the classes that G was asked for.
        """

    @abstractmethod
    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """G's terms: scalars, to be minimised by G."""


class Regulariser(ABC):
    """Additional terms for D that need the images or D itself."""

    @abstractmethod
    def discriminator(
        self, discriminator: Discriminator, real_images: Tensor, real_labels: Tensor, step: int
    ) -> Terms:
        """D's additional terms at this step; empty where it does not act at this step.

        Args:
            discriminator: D in training mode; its buffers must be left unchanged.
            real_images: float32 (N, C, H, W) in [-1, 1].
            real_labels: int64 (N,).
            step: number of D steps taken so far.
        """
