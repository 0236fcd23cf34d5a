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

SourceHead = Literal["plain", "projection", "joined"]
ClassHead = Literal["none", "plain", "paired", "twin", "k-plus-one", "proxies"]


@final
@dataclass(frozen=True)
class Heads:
    """What an objective asks of a discriminator besides its trunk; `acgan.networks.heads` has them.

    Attributes:
        source: how real is told from fake. ``plain``: from the image alone; ``projection``: for
            the label that the discriminator is given; ``joined``: the same, the label entering the
            trunk beside the image (to the heads, which sit on the trunk, this is ``plain``).
        classes: ``plain``: K class logits per image; ``paired``: 2K, "real and of class y" beside
            "fake and of class y"; ``twin``: K and another K, one head for real images and one for
            fakes; ``k-plus-one``: K + 1, the last for fake images, which give the source logit too;
            ``proxies``: an embedding on the unit sphere, and a point there for every class;
            ``none``.
        embedding_size: E, the length of an embedding; of ``proxies`` only.

    Raises:
        ValueError: a K + 1 class head with a source head that receives labels.
    """

    source: SourceHead = "plain"
    classes: ClassHead = "plain"
    embedding_size: int = 512

    def __post_init__(self) -> None:
        if self.classes == "k-plus-one" and self.source != "plain":
            raise ValueError("a K + 1 class head is also the source head and receives no label")

    @property
    def given_labels(self) -> bool:
        """Whether a discriminator with these heads must be told the class of what it judges."""
        return self.source != "plain"

    @property
    def description(self) -> str:
        """The heads as a noun phrase, for a model card."""
        if self.classes == "k-plus-one":
            return "one class head for the classes and fake images"
        source = {
            "plain": "a source head",
            "projection": "a source head that receives the label (projection)",
            "joined": "a source head that receives the label (beside the image)",
        }[self.source]
        match self.classes:
            case "none":
                return source
            case "plain":
                return f"{source} and a class head"
            case "paired":
                return f"{source} and a class head that also separates real from fake"
            case "twin":
                return f"{source} and two class heads, for real and for fake images"
            case "proxies":
                return f"{source} and an embedding with a proxy for each class"


@final
@dataclass(frozen=True)
class DiscriminatorOutput:
    """What a discriminator says of N images; logits are unnormalized, never a probability.

    Attributes:
        source_logits: (N,), positive means real.
        class_logits: (N, K), whose softmax is P(y | x), whatever kind of class head made them,
            but for proxies: there they are cosines, in [-1, 1], the largest at the likeliest
            class; None without a class head.
        features: (N, F), the input of the heads.
        paired_logits: (N, 2K), column 2y "real and of class y", column 2y + 1 "fake and of class
            y"; None unless the class head is a paired one.
        twin_logits: (N, K), of the second of two class heads; None unless they are twins.
        embeddings: (N, E) of unit norm; None unless the class head has proxies.
        proxies: (K, E) of unit norm, the same whatever the images; None unless the class head has
            them.
    """

    source_logits: Tensor
    class_logits: Tensor | None
    features: Tensor
    paired_logits: Tensor | None = None
    twin_logits: Tensor | None = None
    embeddings: Tensor | None = None
    proxies: Tensor | None = None


class Generator(nn.Module, ABC):
    """Draws images from latents, of given classes if it is conditional.

    Attributes:
        latent_size: length Z of a latent.
        classes: number K of classes of its data, whether it can be asked for them or not.
        conditional: whether labels reach it; without, it ignores them.
    """

    latent_size: int
    classes: int
    conditional: bool

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images, of the asked classes where the generator is conditional.

        Args:
            latents: (N, latent_size), standard normal.
            labels: int64 (N,), each in [0, K); ignored, and None at will, unless ``conditional``.

        Returns:
            (N, C, H, W) in [-1, 1].

        Raises:
            ValueError: the generator is conditional and there are no labels.
        """

    @abstractmethod
    def conditioning_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters through which the label enters; they get a learning rate of their own."""

    @abstractmethod
    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Each convolution that a norm follows at once, with that norm, so that both can join."""


class Discriminator(nn.Module, ABC):
    """Tells real from fake and, with a class head, names the class."""

    @abstractmethod
    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images.

        Args:
            images: (N, C, H, W) in [-1, 1].
            labels: int64 (N,), for a source head that is given them (`Heads.given_labels`); other
                heads ignore it.

        Raises:
            ValueError: the source head is given labels, and there are none.
        """

    @abstractmethod
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the heads; the rest is the trunk."""
