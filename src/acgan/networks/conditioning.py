"""How labels enter a network.

A generator takes its label in its first linear layer (`InputConditioning`), in its norms
(`ConditionalNorm`, which can take the latent too), or not at all; an architecture uses both layers
without a look at the mode. A discriminator with a joined source head takes the label with the
image (Mirza & Osindero 2014, §3.2): as K numbers, one of them 1, appended to a row of pixels, or
as K constant feature maps beside the channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
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
    """How the label enters the generator.

    Attributes:
        mode: ``batchnorm``: a gain and a bias per class in every batch norm (de Vries et al. 2017);
            the noise alone enters below, so that fixed noise keeps its style while the class
            changes. ``concatenate``: a learned embedding is joined to the noise. ``one-hot``: the
            one-hot label is joined to the noise (Odena et al. 2017). ``multiply``: a learned
            embedding is multiplied into the noise, as in the popular script; the class then only
            scales each noise dimension, and fixed noise does not keep its style. ``none``: the
            generator is unconditional.
        layers: with ``batchnorm``: ``all`` batch norms, or the ``first`` alone; the others then
            have one gain and one bias per channel for all classes, which takes less time.
        latents_in_norms: the latent also adds to the gains and biases of every batch norm, by one
            linear layer each (Chen et al. 2019, arXiv 1810.01365; with labels Brock et al. 2019,
            arXiv 1809.11096, appendix B). Properties of a whole image, such as its colors, then
            have a short path from the latent; without it G tends to fix them per class.
        embedding_size: size of the joined embedding (``concatenate`` alone).
        embedding_std: embeddings start as N(0, embedding_std²); by default 0.3 with ``batchnorm``
            (with equal gains at the start, G learns to ignore the label) and 1 otherwise.
    """

    mode: Annotated[
        Literal["batchnorm", "concatenate", "one-hot", "multiply", "none"],
        BeforeValidator(lambda given: "none" if given is None else given),  # `…mode=none` is None
    ] = "batchnorm"
    layers: Literal["all", "first"] = "all"
    latents_in_norms: bool = False
    embedding_size: int = Field(50, ge=1)
    embedding_std: float | None = Field(None, gt=0)

    @property
    def conditional(self) -> bool:
        """Whether the generator uses labels."""
        return self.mode != "none"

    @property
    def initial_std(self) -> float:
        """The standard deviation of initial embeddings."""
        if self.embedding_std is not None:
            return self.embedding_std
        return 0.3 if self.mode == "batchnorm" else 1.0


class InputConditioning(nn.Module, ABC):
    """The input of a generator's first linear layer, from latents and maybe labels.

    Attributes:
        output_size: length of one row of the result.
    """

    output_size: int

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, output_size) from latents (N, Z) and labels int64 (N,).

        Raises:
            ValueError: it uses labels and ``labels`` is None.
        """


@final
class Unconditional(InputConditioning):
    """The latents alone."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.output_size = latent_size

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:  # noqa: ARG002
        """(N, Z), the latents."""
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
        return append_one_hot(latents, labels, self._classes)


def input_conditioning(
    config: ConditioningConfig, latent_size: int, classes: int
) -> InputConditioning:
    """Return the input of the first linear layer for a mode."""
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
    """A normalization that takes labels and latents and may ignore either."""

    @abstractmethod
    def forward(self, activations: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """Normalized activations, in their dtype and memory format.

        Args:
            activations: (N, C, H, W).
            labels: int64 (N,), or None.
            latents: (N, Z).

        Raises:
            ValueError: it uses labels and ``labels`` is None.
        """


@final
class PlainBatchNorm(ConditionalNorm):
    """Batch norm with one gain and one bias per channel; ignores label and latent."""

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

    (g, b) = E[y] + M z: an embedding of 2·C numbers per class (de Vries et al. 2017), a linear
    layer without bias of the latent (Chen et al. 2019), or the sum of both (Brock et al. 2019).

    Args:
        channels: C.
        config: settings of the batch norm.
        classes: K of the embedding; 0 for no embedding, and labels are ignored.
        latent_size: Z of the linear layer; 0 for no such layer, and latents are ignored.
    """

    def __init__(
        self, channels: int, config: BatchNormConfig, *, classes: int = 0, latent_size: int = 0
    ) -> None:
        super().__init__()
        self.batch_norm = batch_norm(channels, config, affine=False)
        self.embedding = nn.Embedding(classes, 2 * channels) if classes else None
        self.latent_layer = (
            nn.Linear(latent_size, 2 * channels, bias=False) if latent_size else None
        )

    def forward(self, activations: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """The normalized activations."""
        gain, bias = self._gain_and_bias(labels, latents).chunk(2, dim=1)
        gain = 1 + gain
        norm, normal = self.batch_norm, activations
        if norm.training:
            normal = norm(activations)
        else:
            # Fixed statistics go into gain and bias: one pass over the activations, one rounding.
            gain = gain * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
            bias = torch.addcmul(bias, norm.get_buffer("running_mean"), gain, value=-1)
        # These are float32 also under autocast, and would make the result float32.
        gain, bias = (each.to(normal.dtype)[:, :, None, None] for each in (gain, bias))
        return torch.addcmul(bias, normal, gain)

    def _gain_and_bias(self, labels: Tensor | None, latents: Tensor) -> Tensor:
        """(N, 2·C), g then b, in the latents' dtype."""
        terms = []
        if self.embedding is not None:
            terms.append(self.embedding(required_labels(labels)))
        if self.latent_layer is not None:
            terms.append(self.latent_layer(latents).to(latents.dtype))
        total: Tensor = sum(terms[1:], start=terms[0])
        return total


def conditional_norms(
    config: ConditioningConfig,
    widths: Sequence[int],
    classes: int,
    latent_size: int,
    norm: BatchNormConfig,
) -> nn.ModuleList:
    """Return one `ConditionalNorm` for each layer of a generator, first layer first."""
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
    """Return the number of input channels that the label adds to a discriminator: K or 0."""
    return classes if heads.source == "joined" else 0


def append_one_hot(rows: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """(N, P + K) from rows (N, P) and labels int64 (N,), in the rows' dtype.

    Raises:
        ValueError: ``labels`` is None.
    """
    one_hot = F.one_hot(required_labels(labels), classes)
    return torch.cat([rows, one_hot.to(rows.dtype)], dim=1)


def append_label_maps(
    maps: Tensor, labels: Tensor | None, classes: int, first: nn.Module
) -> Tensor:
    """(N, C + K, H, W) from feature maps (N, C, H, W) and labels int64 (N,), in the maps' dtype.

    The result has the memory format of the convolution ``first``, which would convert it otherwise.
    Where space-to-depth comes first, the label is appended after it: K more channels instead of K
    for each pixel of a square.

    Raises:
        ValueError: ``labels`` is None.
    """
    one_hot = F.one_hot(required_labels(labels), classes).to(maps.dtype)
    height, width = maps.shape[2:]
    if not wants_channels_last(first):
        return torch.cat([maps, one_hot[:, :, None, None].expand(-1, -1, height, width)], dim=1)
    pixels = one_hot[:, None, None, :].expand(-1, height, width, -1)
    return torch.cat([maps.permute(0, 2, 3, 1), pixels], dim=3).permute(0, 3, 1, 2)


def required_labels(labels: Tensor | None) -> Tensor:
    """Return the labels; raise ValueError where they are None."""
    if labels is None:
        raise ValueError("this network is conditional; pass labels")
    return labels
