"""Fully connected networks: the generator and the discriminator of the first GANs.

    input conditioning → (Linear → [norm] → activation)… → Linear to the pixels → tanh
    pixels [and one-hot label] → (Linear → LeakyReLU → noise → dropout)… → heads

They work for every image size, with width × pixels weights, and the order of pixels does not
matter. The rows of pixels hold all channels of the first pixel, then those of the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, Self, final

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from acgan.backbones.layers import at_least_float32
from acgan.data.images import ImageShape
from acgan.kernels.random_layers import ActivationNoise, Dropout
from acgan.networks.conditioning import (
    ConditioningConfig,
    append_one_hot,
    joined_inputs,
)
from acgan.networks.generator import ConditionedGenerator, ConditionedGeneratorConfig
from acgan.networks.heads import LinearDiscriminator, LinearHeads
from acgan.networks.interface import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorOutput,
    Generator,
    Heads,
)
from acgan.networks.layers import Initialization, Widths, flatten, initialize


@final
class MLPGeneratorConfig(ConditionedGeneratorConfig):
    """A fully connected generator; further settings: `ConditionedGeneratorConfig`.

    Attributes:
        widths: of the hidden layers, from the latent on.
        activation: of the hidden layers.
        leak: slope of LeakyReLU below 0.
        norm: whether every hidden layer has a batch norm, over the batch for each of its numbers.
        conditioning: how the label enters; ``batchnorm`` needs ``norm``.
        initialization: without norms, the small weights of ``dcgan`` make the latent vanish after a
            few layers.
    """

    family: Literal["mlp"] = "mlp"
    latent_size: int = Field(128, ge=1)
    widths: Widths = Field((256, 512, 1024), min_length=1)
    activation: Literal["relu", "leaky-relu"] = "leaky-relu"
    leak: float = Field(0.2, ge=0, lt=1)
    norm: bool = False
    conditioning: ConditioningConfig = ConditioningConfig(mode="one-hot")
    initialization: Initialization = "torch"

    @model_validator(mode="after")
    def _conditioning_has_its_norms(self) -> Self:
        if self.conditioning.mode == "batchnorm" and not self.norm:
            raise ValueError(
                "generator.conditioning.mode=batchnorm needs batch norms: set generator.norm=true, "
                "or choose another mode (one-hot joins the label to the noise)"
            )
        if self.conditioning.latents_in_norms and not self.norm:
            raise ValueError(
                "generator.conditioning.latents_in_norms needs batch norms: set generator.norm=true"
            )
        return self

    def check_shape(self, shape: ImageShape) -> None:
        """Accept every shape."""

    def _network(self, shape: ImageShape, classes: int) -> Generator:
        return MLPGenerator(self, shape, classes)


@final
class MLPDiscriminatorConfig(DiscriminatorConfig):
    """A fully connected discriminator.

    Attributes:
        widths: of the hidden layers, from the pixels on.
        leak: slope of LeakyReLU below 0.
        dropout: probability in every hidden layer.
        activation_noise: standard deviation of the noise after every LeakyReLU (training only).
        spectral_norm: on every layer and the heads.
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["mlp"] = "mlp"
    widths: Widths = Field((1024, 512, 256), min_length=1)
    leak: float = Field(0.2, ge=0, lt=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    activation_noise: float = Field(0.0, ge=0)
    spectral_norm: bool = False
    initialization: Initialization = "torch"

    def check_shape(self, shape: ImageShape) -> None:
        """Accept every shape."""

    def _network(self, shape: ImageShape, classes: int, heads: Heads) -> Discriminator:
        return MLPDiscriminator(self, shape, classes, heads)


@final
class MLPGenerator(ConditionedGenerator):
    """See the module's docstring."""

    def __init__(self, config: MLPGeneratorConfig, shape: ImageShape, classes: int) -> None:
        super().__init__(config, classes)
        self._shape = shape
        self._leak = config.leak if config.activation == "leaky-relu" else 0.0
        sizes = (self.input_conditioning.output_size, *config.widths)
        self.hidden = nn.ModuleList(
            nn.Linear(before, after, bias=not config.norm)  # a norm would subtract the bias
            for before, after in pairwise(sizes)
        )
        self.norms = self._new_norms(config, config.widths if config.norm else ())
        self.to_image = nn.Linear(sizes[-1], _pixels(shape))
        self._initialize(config)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [-1, 1]; in autocast's dtype where autocast is on."""
        norms = iter(self._norm_list())
        rows = self.input_conditioning(latents, labels)
        for layer in self.hidden:
            rows = layer(rows)
            norm = next(norms, None)
            if norm is not None:  # norms work on feature maps, here of a single pixel
                rows = norm(rows[:, :, None, None], labels, latents)[:, :, 0, 0]
            rows = F.leaky_relu(rows, self._leak)
        pixels = torch.tanh(self.to_image(rows))
        channels, height, width = self._shape
        return pixels.view(-1, height, width, channels).permute(0, 3, 1, 2)

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield nothing: there are no convolutions."""
        return iter(())


@final
class MLPDiscriminator(LinearDiscriminator):
    """See the module's docstring."""

    def __init__(
        self, config: MLPDiscriminatorConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        self._label_inputs = joined_inputs(heads, classes)
        sizes = (_pixels(shape) + self._label_inputs, *config.widths)
        self.feature_layers = nn.Sequential(
            *(_hidden(before, after, config) for before, after in pairwise(sizes))
        )
        self.heads = LinearHeads(heads, sizes[-1], classes)
        initialize(self, config.initialization, spectral_norm=config.spectral_norm)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Return the outputs for images (N, C, H, W) in [-1, 1]."""
        rows = flatten(images)
        if self._label_inputs:
            rows = append_one_hot(rows, labels, self._label_inputs)
        features = at_least_float32(self.feature_layers(rows))
        output: DiscriminatorOutput = self.heads(features, labels)
        return output


def _pixels(shape: ImageShape) -> int:
    return shape.channels * shape.height * shape.width


def _hidden(before: int, after: int, config: MLPDiscriminatorConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(before, after), nn.LeakyReLU(config.leak, inplace=True)]
    if config.activation_noise:
        layers.append(ActivationNoise(config.activation_noise))
    if config.dropout:
        layers.append(Dropout(config.dropout))
    return nn.Sequential(*layers)
