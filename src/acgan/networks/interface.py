"""The seam between networks and everything else: what a generator and a discriminator are.

Networks are pure `forward`: they own no optimizer and no loss, and read no global state but the
random generator of torch (dropout, activation noise), which the training loop seeds every step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Heads:
    """What an objective asks of a discriminator besides its trunk.

    Attributes:
        source: one logit per image, real against fake.
        classes: K class logits per image.
    """

    source: bool = True
    classes: bool = True


@final
@dataclass(frozen=True)
class DiscriminatorOutput:
    """What a discriminator says of N images; logits are unnormalised, never a probability.

    Attributes:
        source_logits: (N,), positive means real.
        class_logits: (N, K), or None without a class head.
        features: (N, F), the input of the heads.
    """

    source_logits: Tensor
    class_logits: Tensor | None
    features: Tensor


class Generator(nn.Module, ABC):
    """Draws images of given classes from latents."""

    latent_size: int
    classes: int

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Images of the asked classes.

        Args:
            latents: (N, latent_size), standard normal.
            labels: int64 (N,), each in [0, K).

        Returns:
            (N, C, H, W) in [-1, 1].
        """

    @abstractmethod
    def conditioning_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters through which the label enters; they get a learning rate of their own."""


class Discriminator(nn.Module, ABC):
    """Tells real from fake and, with a class head, names the class."""

    @abstractmethod
    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images.

        Args:
            images: (N, C, H, W) in [-1, 1].
            labels: int64 (N,), for discriminators that are given the label; others ignore it.
        """

    @abstractmethod
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the heads; the rest is the trunk."""
