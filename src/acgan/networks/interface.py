"""The seam between networks and everything else: what a generator and a discriminator are.

Networks are pure `forward`: they own no optimizer and no loss, and read no global state but the
random generator of torch (dropout, activation noise), which the training loop seeds every step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

from torch import Tensor, nn

SourceHead = Literal["plain", "projection"]
ClassHead = Literal["none", "plain", "paired"]


@final
@dataclass(frozen=True)
class Heads:
    """What an objective asks of a discriminator besides its trunk; `acgan.networks.heads` has them.

    Attributes:
        source: how real is told from fake. ``plain``: from the image alone; ``projection``: for
            the label that the discriminator is given.
        classes: ``plain``: K class logits per image; ``paired``: 2K, "real and of class y" beside
            "fake and of class y"; ``none``.
    """

    source: SourceHead = "plain"
    classes: ClassHead = "plain"


@final
@dataclass(frozen=True)
class DiscriminatorOutput:
    """What a discriminator says of N images; logits are unnormalised, never a probability.

    Attributes:
        source_logits: (N,), positive means real.
        class_logits: (N, K), whose softmax is P(y | x), whatever kind of class head made them;
            None without one.
        features: (N, F), the input of the heads.
        paired_logits: (N, 2K), column 2y "real and of class y", column 2y + 1 "fake and of class
            y"; None unless the class head is a paired one.
    """

    source_logits: Tensor
    class_logits: Tensor | None
    features: Tensor
    paired_logits: Tensor | None = None


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

    @abstractmethod
    def normalised(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Each convolution that a norm follows at once, with that norm, so that both can join."""


class Discriminator(nn.Module, ABC):
    """Tells real from fake and, with a class head, names the class."""

    @abstractmethod
    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images.

        Args:
            images: (N, C, H, W) in [-1, 1].
            labels: int64 (N,), for a projection as source head; other heads ignore it.

        Raises:
            ValueError: the source head is a projection and there are no labels.
        """

    @abstractmethod
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the heads; the rest is the trunk."""
