"""The discriminator on a trained trunk (Odena et al. 2017, §5; Sauer et al. 2021).

    trunk → maps at several scales → at each: (conv → norm → LeakyReLU → dropout)… → pool
    → all features side by side → linear heads

The convolutions after the trunk and the heads are drawn by the initialization and learn; the trunk
is trained already and may stay as it is. A label that is given together with the image (CGAN) is
joined to the trunk's maps: the trunk knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conditioning import beside_channels, joined_inputs
from acgan.networks.conv_stack import ConvLayerConfig
from acgan.networks.feature_network import FeatureNetwork, FeatureNetworkConfig, map_sides
from acgan.networks.heads import LinearHeads
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Heads
from acgan.networks.layers import (
    BatchNormConfig,
    Initialization,
    add_spectral_norm,
    batch_norm,
    flat_maps,
    initialize,
)


@final
class PretrainedConfig(Config):
    """A discriminator on a trained trunk.

    Attributes:
        feature_network: which, and what of it.
        layers: the convolutions on each of the trunk's maps, the same ones at every scale.
        leak: slope of LeakyReLU below 0.
        dropout: probability that a feature map is dropped after a convolution.
        pool: how the last maps of each scale become features: ``flatten``, or their ``sum`` or
            ``mean`` over height and width.
        batch_norm: settings of every batch norm.
        spectral_norm: on every convolution after the trunk and on the heads.
        initialization: of what is not trained yet; see `acgan.networks.layers.initialize`.
    """

    family: Literal["pretrained"] = "pretrained"
    feature_network: FeatureNetworkConfig = FeatureNetworkConfig()
    layers: tuple[ConvLayerConfig, ...] = Field(
        (
            ConvLayerConfig(width=64, kernel=1, norm=False),
            ConvLayerConfig(width=128, kernel=3),
        ),
        min_length=1,
    )
    leak: float = Field(0.2, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    pool: Literal["flatten", "sum", "mean"] = "flatten"
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"


@final
class PretrainedDiscriminator(Discriminator):
    """See the module's docstring.

    Attributes:
        feature_network: what is trained already, once its state is loaded.
    """

    def __init__(
        self, config: PretrainedConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        check_shape(config, shape)
        self._pool = config.pool
        self._joined = joined_inputs(heads, classes)
        self.feature_network = FeatureNetwork(config.feature_network, shape)
        self.branches = nn.ModuleList(
            _branch(width + self._joined, config) for width in self.feature_network.widths
        )
        ends = [_end(config, sides) for sides in map_sides(config.feature_network, shape)]
        places = sum(h * w for h, w in ends) if config.pool == "flatten" else len(ends)
        self.heads = LinearHeads(heads, config.layers[-1].width * places, classes)
        for ours in (self.branches, self.heads):
            initialize(ours, config.initialization, gain_std=config.batch_norm.gain_std)
            if config.spectral_norm:
                add_spectral_norm(ours)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge (N, C, H, W) in [-1, 1]; logits and features come in float32 (or float64)."""
        features = []
        for maps, branch in zip(self.feature_network(images), self.branches, strict=True):
            if self._joined:
                maps = beside_channels(maps, labels, self._joined, branch)  # noqa: PLW2901
            features.append(self._pooled(branch(maps)))
        output: DiscriminatorOutput = self.heads(torch.cat(features, dim=1), labels)
        return output

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Everything that was not trained before: convolutions after the trunk, and heads."""
        yield from self.branches.parameters()
        yield from self.heads.parameters()

    def _pooled(self, maps: Tensor) -> Tensor:
        match self._pool:
            case "flatten":
                features = flat_maps(maps)
            case "sum":  # accumulated in float32 also where the maps are bfloat16
                features = maps.sum(dim=(2, 3))
            case "mean":
                features = maps.mean(dim=(2, 3))
        return features.float() if features.dtype in (torch.bfloat16, torch.float16) else features


def check_shape(config: PretrainedConfig, shape: ImageShape) -> None:
    """Raise UsageError where images of ``shape`` do not fit ``config``."""
    # A trunk that cannot see such images says so itself.
    for tap, sides in zip(
        config.feature_network.taps, map_sides(config.feature_network, shape), strict=True
    ):
        if min(_end(config, sides)) < 1:
            raise UsageError(
                f"of images of {shape} the trunk's map at tap {tap} is {sides[0]}×{sides[1]}, too "
                "small for discriminator.layers; choose larger images, fewer taps in "
                "discriminator.feature_network.taps, a larger "
                "discriminator.feature_network.enlarge, or fewer layers"
            )


def _end(config: PretrainedConfig, sides: tuple[int, int]) -> tuple[int, int]:
    return _side_after(config, sides[0]), _side_after(config, sides[1])


def _side_after(config: PretrainedConfig, side: int) -> int:
    for layer in config.layers:
        side = layer.output_side(side)
        if side < 1:
            break
    return side


def _branch(channels: int, config: PretrainedConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in config.layers:
        layers.append(
            nn.Conv2d(
                channels,
                layer.width,
                layer.kernel,
                stride=layer.stride,
                padding=(layer.kernel - 1) // 2,
                bias=not layer.norm,
            )
        )
        if layer.norm:
            layers.append(batch_norm(layer.width, config.batch_norm))
        layers.append(nn.LeakyReLU(config.leak, inplace=True))
        if config.dropout:
            layers.append(nn.Dropout2d(config.dropout))
        channels = layer.width
    return nn.Sequential(*layers)
