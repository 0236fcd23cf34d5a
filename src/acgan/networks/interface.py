"""The seam between networks and everything else: what a generator and a discriminator are.

Networks are pure `forward`: they have no optimizer and no loss, and their only global state is
torch's random generator (dropout, activation noise), which the training loop seeds at every step.
A new network is one file with a config class and a network class, and one entry in
`acgan.networks.families`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

from torch import Tensor, nn

from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.errors import UsageError

SourceHead = Literal["plain", "projection", "joined"]
ClassHead = Literal["none", "plain", "paired", "twin", "k-plus-one", "proxies"]


@final
@dataclass(frozen=True)
class Heads:
    """The heads that an objective needs; `acgan.networks.heads` implements them.

    Attributes:
        source: how real and fake are told apart. ``plain``: by the image alone; ``projection``: by
            the image and a projection of its label; ``joined``: by the image with its label as
            additional input channels (the head itself is then the same as ``plain``).
        classes: ``plain``: K class logits per image; ``paired``: 2K, "real and of class y" beside
            "fake and of class y"; ``twin``: two heads of K logits, one for real images and one for
            fakes; ``k-plus-one``: K + 1, the last of them "fake", which also give the source logit;
            ``proxies``: an embedding on the unit sphere, and one point there per class; ``none``.
        embedding_size: E, the length of an embedding; of ``proxies`` only.

    Raises:
        ValueError: a K + 1 class head beside a source head that uses labels.
    """

    source: SourceHead = "plain"
    classes: ClassHead = "plain"
    embedding_size: int = 512

    def __post_init__(self) -> None:
        if self.classes == "k-plus-one" and self.source != "plain":
            raise ValueError("a K + 1 class head is also the source head and receives no label")

    @property
    def uses_labels(self) -> bool:
        """Whether a discriminator with these heads needs the labels of its images."""
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
    """Discriminator outputs for N images; logits are unnormalized.

    Attributes:
        source_logits: (N,), positive means real.
        class_logits: (N, K), whose softmax is P(y | x), for every kind of class head except
            proxies: those give cosines in [-1, 1], the largest at the most likely class; None
            without a class head.
        features: (N, F), the input of the heads.
        paired_logits: (N, 2K), column 2y "real and of class y", column 2y + 1 "fake and of class
            y"; None unless the class head is paired.
        twin_logits: (N, K), of the second of two class heads; None unless they are twins.
        embeddings: (N, E) of unit norm; None unless the class head has proxies.
        proxies: (K, E) of unit norm, independent of the images; None unless the class head has
            proxies.
    """

    source_logits: Tensor
    class_logits: Tensor | None
    features: Tensor
    paired_logits: Tensor | None = None
    twin_logits: Tensor | None = None
    embeddings: Tensor | None = None
    proxies: Tensor | None = None


class Generator(nn.Module, ABC):
    """A map from latents, and from labels if it is conditional, to images.

    Attributes:
        latent_size: length Z of a latent.
        classes: number K of classes of its training data, also if it is unconditional.
        conditional: whether it uses labels.
    """

    latent_size: int
    classes: int
    conditional: bool

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generate images.

        Args:
            latents: (N, latent_size), standard normal.
            labels: int64 (N,), each in [0, K); ignored unless ``conditional``.

        Returns:
            (N, C, H, W) in [-1, 1]; in autocast's dtype where autocast is on.

        Raises:
            ValueError: the generator is conditional and ``labels`` is None.
        """

    @abstractmethod
    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield each convolution that is directly followed by a norm, with that norm.

        Sampling folds such pairs into one layer.
        """

    def conditioning_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the label embeddings, which have their own learning rate, in module order."""
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                yield from module.parameters()


class Discriminator(nn.Module, ABC):
    """A map from images to a source logit and, with a class head, class logits."""

    @abstractmethod
    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Return the outputs for a batch of images, in float32 (or float64).

        Args:
            images: (N, C, H, W) in [-1, 1].
            labels: int64 (N,); ignored unless the source head uses labels (`Heads.uses_labels`).

        Raises:
            ValueError: the source head uses labels and ``labels`` is None.
        """

    @abstractmethod
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the heads; all others belong to the feature layers."""


class GeneratorConfig(Config, ABC):
    """Settings of one generator architecture, which check an image size and build the network."""

    @abstractmethod
    def check_shape(self, shape: ImageShape) -> None:
        """Check, before any weights are made, that a network for images of ``shape`` exists.

        Raises:
            UsageError: none does; the message names the nearest sizes that work.
        """

    @abstractmethod
    def _network(self, shape: ImageShape, classes: int) -> Generator:
        """Return a new network; both arguments are checked."""

    @final
    def build(self, shape: ImageShape, classes: int) -> Generator:
        """Return a new generator of images of ``shape``, on the CPU in float32.

        The initial weights come from torch's global random generator, which the caller seeds.

        Raises:
            UsageError: this architecture cannot build the size, or ``classes`` is 0.
        """
        _require_classes(classes)
        self.check_shape(shape)
        return self._network(shape, classes)


class DiscriminatorConfig(Config, ABC):
    """Settings of one discriminator architecture; see `GeneratorConfig`."""

    @abstractmethod
    def check_shape(self, shape: ImageShape) -> None:
        """Check, before any weights are made, that images of ``shape`` fit the network.

        Raises:
            UsageError: they do not; the message names the nearest sizes that work.
        """

    @abstractmethod
    def _network(self, shape: ImageShape, classes: int, heads: Heads) -> Discriminator:
        """Return a new network; shape and classes are checked."""

    @final
    def build(self, shape: ImageShape, classes: int, heads: Heads) -> Discriminator:
        """Return a new discriminator with the given heads; see `GeneratorConfig.build`.

        Raises:
            UsageError: the images do not fit, or ``classes`` is 0.
        """
        _require_classes(classes)
        self.check_shape(shape)
        return self._network(shape, classes, heads)


def _require_classes(classes: int) -> None:
    if classes < 1:
        raise UsageError("there is no class; networks need at least one")
