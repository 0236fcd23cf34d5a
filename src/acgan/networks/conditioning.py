"""How the label enters a generator: joined to or multiplied into the noise, by batch norms, or not.

By the norms the latent may enter too, beside or without the label.

An architecture asks for two things: what goes into its first linear layer
(`acgan.networks.conditioning`) and its normalization (`acgan.networks.conditioning`). It never asks
which of the five ways it is.

What goes into a generator's first linear layer: the latent, and maybe the label.

A generator's normalizations, by which label and latent may enter.

The label given to a discriminator's trunk together with the image (Mirza & Osindero 2014, §3.2).

A label becomes K numbers, one of them 1: K numbers beside a row of pixels, or K maps, each of one
number everywhere, beside the channels. Which heads ask for it: `Heads.source == "joined"`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, final

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.networks.interface import Heads
from acgan.networks.layers import BatchNormConfig, batch_norm, wants_channels_last


@final
class ConditioningConfig(Config):
    """How the label enters.

    Attributes:
        mode: ``batchnorm``: a gain and a bias per class in every batch norm (de Vries et al. 2017),
            the noise alone enters below, so fixed noise keeps the style while the class changes.
            ``concatenate``: a learned embedding is joined to the noise. ``one-hot``: the one-hot
            label is joined to the noise (Odena et al. 2017). ``multiply``: a learned embedding is
            multiplied into the noise, as the popular script does; the class then is only a scale of
            each noise dimension and fixed noise does not keep the style. ``none``: it does not
            enter; the generator draws from all of the data and cannot be asked for a class.
        layers: with ``batchnorm``: ``all`` batch norms, or the ``first`` alone; the others then
            have one gain and one bias per channel for all classes, which costs less time.
        latents_in_norms: the latent too adds to the gains and biases of every batch norm, by one
            linear layer each (Chen et al. 2019, arXiv 1810.01365; with labels Brock et al. 2019,
            arXiv 1809.11096, appendix B). What a whole image has in common, such as its colors,
            then depends on the latent by a short way; without it G tends to settle it by class.
        embedding_size: size of the joined embedding (``concatenate`` alone).
        embedding_std: embeddings start as N(0, embedding_std²); by default .3 with ``batchnorm``
            (gains that start all alike teach G to ignore the label) and 1 elsewhere.
    """

    mode: Annotated[
        Literal["batchnorm", "concatenate", "one-hot", "multiply", "none"],
        # an override `…mode=none` is read as no value at all, which is what it says
        BeforeValidator(lambda given: "none" if given is None else given),
    ] = "batchnorm"
    layers: Literal["all", "first"] = "all"
    latents_in_norms: bool = False
    embedding_size: int = Field(50, ge=1)
    embedding_std: float | None = Field(None, gt=0)

    @property
    def conditional(self) -> bool:
        """Whether labels reach the generator at all."""
        return self.mode != "none"

    @property
    def initial_std(self) -> float:
        """The standard deviation that embeddings start with."""
        if self.embedding_std is not None:
            return self.embedding_std
        return 0.3 if self.mode == "batchnorm" else 1.0


def required_labels(labels: Tensor | None) -> Tensor:
    """The labels; ValueError where there are none."""
    if labels is None:
        raise ValueError("this generator draws images of given classes; give it labels")
    return labels


def label_parameters(generator: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters through which the label enters: every embedding, in module order."""
    for module in generator.modules():
        if isinstance(module, nn.Embedding):
            yield from module.parameters()


class InputConditioning(nn.Module, ABC):
    """What a generator's first linear layer is given.

    Attributes:
        output_size: length of one row of the result.
    """

    output_size: int

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, output_size) from latents (N, Z) and labels int64 (N,).

        Raises:
            ValueError: it uses labels and there are none.
        """


@final
class Unconditional(InputConditioning):
    """The label enters elsewhere, or nowhere."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.output_size = latent_size

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:  # noqa: ARG002
        """The latents as they are."""
        return latents


@final
class MultipliedEmbedding(InputConditioning):
    """z ⊙ e(y) with a learned e(y) of z's size."""

    def __init__(self, latent_size: int, classes: int) -> None:
        super().__init__()
        self.output_size = latent_size
        self.embedding = nn.Embedding(classes, latent_size)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, Z)."""
        embedded: Tensor = self.embedding(required_labels(labels))
        return latents * embedded


@final
class JoinedEmbedding(InputConditioning):
    """[z, e(y)] with a learned e(y)."""

    def __init__(self, latent_size: int, classes: int, embedding_size: int) -> None:
        super().__init__()
        self.output_size = latent_size + embedding_size
        self.embedding = nn.Embedding(classes, embedding_size)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, Z + embedding_size)."""
        return torch.cat([latents, self.embedding(required_labels(labels))], dim=1)


@final
class JoinedOneHot(InputConditioning):
    """[z, one-hot(y)]."""

    def __init__(self, latent_size: int, classes: int) -> None:
        super().__init__()
        self.output_size = latent_size + classes
        self._classes = classes

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, Z + K)."""
        one_hot = F.one_hot(required_labels(labels), self._classes)
        return torch.cat([latents, one_hot.to(latents.dtype)], dim=1)


def input_conditioning(
    config: ConditioningConfig, latent_size: int, classes: int
) -> InputConditioning:
    """What goes into the first linear layer."""
    match config.mode:
        case "batchnorm" | "none":
            return Unconditional(latent_size)
        case "concatenate":
            return JoinedEmbedding(latent_size, classes, config.embedding_size)
        case "one-hot":
            return JoinedOneHot(latent_size, classes)
        case "multiply":
            return MultipliedEmbedding(latent_size, classes)


class ConditionalNorm(nn.Module, ABC):
    """A normalization that is told labels and latents, whether it uses them or not."""

    @abstractmethod
    def forward(self, activations: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """Normalized activations, in their dtype and memory format.

        Args:
            activations: (N, C, H, W).
            labels: int64 (N,), or None where there are none.
            latents: (N, Z).

        Raises:
            ValueError: it uses labels and there are none.
        """


@final
class PlainBatchNorm(ConditionalNorm):
    """Batch norm with one gain and one bias per channel; label and latent do not matter."""

    def __init__(self, channels: int, config: BatchNormConfig) -> None:
        super().__init__()
        self.batch_norm: nn.Module = batch_norm(channels, config)

    def forward(
        self,
        activations: Tensor,
        labels: Tensor | None,  # noqa: ARG002
        latents: Tensor,  # noqa: ARG002
    ) -> Tensor:
        """The normalized activations."""
        normal: Tensor = self.batch_norm(activations)
        return normal


@final
class ConditionalBatchNorm(ConditionalNorm):
    """Batch norm with a gain 1 + g and a bias b for each image and channel.

    (g, b) = E[y] + M z: an embedding of 2·C numbers a class (de Vries et al. 2017), a linear layer
    without bias of the latent (Chen et al. 2019), or the sum of both (Brock et al. 2019).

    Args:
        channels: C.
        config: settings of the batch norm.
        classes: K of the embedding; 0 for none, and labels do not matter.
        latent_size: Z of the linear layer; 0 for none, and latents do not matter.
    """

    def __init__(
        self, channels: int, config: BatchNormConfig, *, classes: int = 0, latent_size: int = 0
    ) -> None:
        super().__init__()
        self.batch_norm = batch_norm(channels, config, affine=False)
        self.embedding = nn.Embedding(classes, 2 * channels) if classes else None
        self.of_latent = nn.Linear(latent_size, 2 * channels, bias=False) if latent_size else None

    def forward(self, activations: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """The normalized activations."""
        gain, bias = self._gain_and_bias(labels, latents).chunk(2, dim=1)
        gain = 1 + gain
        norm, normal = self.batch_norm, activations
        if norm.training:
            normal = norm(activations)
        else:
            # Fixed statistics go into gain and bias: the activations are then read and written
            # once, and round-off in a low precision happens once.
            gain = gain * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
            bias = torch.addcmul(bias, norm.get_buffer("running_mean"), gain, value=-1)
        # These are float32 also under autocast; without the casts so would be the result.
        gain, bias = (each.to(normal.dtype)[:, :, None, None] for each in (gain, bias))
        return torch.addcmul(bias, normal, gain)

    def _gain_and_bias(self, labels: Tensor | None, latents: Tensor) -> Tensor:
        """(N, 2·C), g then b, in the latents' dtype."""
        splits = []
        if self.embedding is not None:
            splits.append(self.embedding(required_labels(labels)))
        if self.of_latent is not None:
            splits.append(self.of_latent(latents).to(latents.dtype))
        total: Tensor = sum(splits[1:], start=splits[0])
        return total


def conditional_norms(
    config: ConditioningConfig,
    widths: Sequence[int],
    classes: int,
    latent_size: int,
    norm: BatchNormConfig,
) -> nn.ModuleList:
    """The normalizations of all layers, from the latent on; each is a `ConditionalNorm`."""
    labeled = {"all": len(widths), "first": 1}[config.layers]
    if config.mode != "batchnorm":
        labeled = 0
    of_latents = latent_size if config.latents_in_norms else 0
    return nn.ModuleList(
        ConditionalBatchNorm(
            channels, norm, classes=classes if index < labeled else 0, latent_size=of_latents
        )
        if index < labeled or of_latents
        else PlainBatchNorm(channels, norm)
        for index, channels in enumerate(widths)
    )


def joined_inputs(heads: Heads, classes: int) -> int:
    """How many inputs the label adds to a trunk: K, or none where it is not given to the trunk."""
    return classes if heads.source == "joined" else 0


def beside_rows(rows: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Rows (N, P) with labels int64 (N,) as (N, P + K), in the rows' dtype.

    Raises:
        ValueError: there are no labels.
    """
    return torch.cat([rows, _one_hot(labels, classes, rows)], dim=1)


def beside_channels(maps: Tensor, labels: Tensor | None, classes: int, first: nn.Module) -> Tensor:
    """Maps (N, C, H, W) with labels int64 (N,) as (N, C + K, H, W), in the maps' dtype.

    The result has the memory format of the convolution ``first``, which would else convert it. A
    trunk that cuts images into squares joins the label after that: K maps are added, where before
    it would be K copies for every pixel of a square, all of them alike.

    Raises:
        ValueError: there are no labels.
    """
    one_hot = _one_hot(labels, classes, maps)
    height, width = maps.shape[2:]
    if not wants_channels_last(first):
        return torch.cat([maps, one_hot[:, :, None, None].expand(-1, -1, height, width)], dim=1)
    pixels = one_hot[:, None, None, :].expand(-1, height, width, -1)
    return torch.cat([maps.permute(0, 2, 3, 1), pixels], dim=3).permute(0, 3, 1, 2)


def _one_hot(labels: Tensor | None, classes: int, like: Tensor) -> Tensor:
    if labels is None:
        raise ValueError("a discriminator that sees an image and its label needs labels")
    return F.one_hot(labels, classes).to(like.dtype)
