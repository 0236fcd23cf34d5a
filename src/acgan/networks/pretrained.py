"""The discriminator on a pretrained feature network (Odena et al. 2017, §5; Sauer et al. 2021).

    feature network → feature maps at several scales
    → at each: (conv → norm → LeakyReLU → dropout)… → pool → all features joined → linear heads

The convolutions after the feature network and the heads start from the initialization and are
trained; the feature network may stay fixed. A joined label (CGAN) enters beside the feature maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conditioning import append_label_maps, joined_inputs
from acgan.networks.conv_stack import ConvLayerConfig, output_sides
from acgan.networks.feature_network import FeatureNetwork, FeatureNetworkConfig, map_sides
from acgan.networks.heads import LinearHeads
from acgan.networks.interface import Discriminator, DiscriminatorConfig, DiscriminatorOutput, Heads
from acgan.networks.layers import (
    BatchNormConfig,
    Initialization,
    Pool,
    batch_norm,
    initialize,
    pool,
)


@final
class PretrainedConfig(DiscriminatorConfig):
    """A discriminator on a pretrained feature network.

    Attributes:
        feature_network: which network, and which of its feature maps.
        layers: the convolutions on the feature maps of each scale, the same at every scale.
        leak: slope of LeakyReLU below 0.
        dropout: probability that a feature map is dropped after a convolution.
        pool: how the last feature maps of each scale become features: ``flatten``, or their
            ``sum`` or ``mean`` over height and width.
        batch_norm: settings of every batch norm.
        spectral_norm: on every convolution after the feature network and on the heads.
        initialization: of the layers that are not pretrained; see
            `acgan.networks.layers.initialize`.
    """

    family: Literal["pretrained"] = "pretrained"
    feature_network: FeatureNetworkConfig = FeatureNetworkConfig()
    layers: tuple[ConvLayerConfig, ...] = Field(
        (ConvLayerConfig(width=64, kernel=1, norm=False), ConvLayerConfig(width=128, kernel=3)),
        min_length=1,
    )
    leak: float = Field(0.2, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    pool: Pool = "flatten"
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"

    def last_sides(self, shape: ImageShape) -> list[tuple[int, int]]:
        """Return height and width of the last feature maps of each scale; below 1: do not fit."""
        return [
            (output_sides(self.layers, height)[-1], output_sides(self.layers, width)[-1])
            for height, width in map_sides(self.feature_network, shape)
        ]

    def check_shape(self, shape: ImageShape) -> None:
        """Check the feature network and the convolutions at every scale."""
        sides = map_sides(self.feature_network, shape)
        for tap, before, last in zip(
            self.feature_network.taps, sides, self.last_sides(shape), strict=True
        ):
            if min(last) < 1:
                raise UsageError(
                    f"images of {shape} have feature maps of {before[0]}×{before[1]} at tap {tap}, "
                    "too small for discriminator.layers; choose larger images, fewer taps in "
                    "discriminator.feature_network.taps, a larger "
                    "discriminator.feature_network.enlarge, or fewer layers"
                )

    def _network(self, shape: ImageShape, classes: int, heads: Heads) -> Discriminator:
        return PretrainedDiscriminator(self, shape, classes, heads)


@final
class PretrainedDiscriminator(Discriminator):
    """See the module's docstring.

    Attributes:
        feature_network: the pretrained layers, once their state is loaded.
    """

    def __init__(
        self, config: PretrainedConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        self._pool = config.pool
        self._label_inputs = joined_inputs(heads, classes)
        self.feature_network = FeatureNetwork(config.feature_network, shape)
        self.branches = nn.ModuleList(
            _branch(width + self._label_inputs, config) for width in self.feature_network.widths
        )
        last = config.last_sides(shape)
        positions = sum(h * w for h, w in last) if config.pool == "flatten" else len(last)
        self.heads = LinearHeads(heads, config.layers[-1].width * positions, classes)
        for layers in (self.branches, self.heads):
            initialize(
                layers,
                config.initialization,
                gain_std=config.batch_norm.gain_std,
                spectral_norm=config.spectral_norm,
            )

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Return the outputs for images (N, C, H, W) in [-1, 1]."""
        features = []
        for maps, branch in zip(self.feature_network(images), self.branches, strict=True):
            if self._label_inputs:
                maps = append_label_maps(maps, labels, self._label_inputs, branch)  # noqa: PLW2901
            features.append(pool(branch(maps), self._pool))
        output: DiscriminatorOutput = self.heads(torch.cat(features, dim=1), labels)
        return output

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of all layers that are not pretrained."""
        yield from self.branches.parameters()
        yield from self.heads.parameters()


def _branch(channels: int, config: PretrainedConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in config.layers:
        layers.append(layer.convolution(channels, bias=not layer.norm))
        if layer.norm:
            layers.append(batch_norm(layer.width, config.batch_norm))
        layers.append(nn.LeakyReLU(config.leak, inplace=True))
        if config.dropout:
            layers.append(nn.Dropout2d(config.dropout))
        channels = layer.width
    return nn.Sequential(*layers)
