"""The discriminator of stacked convolutions, with linear heads for source and class on one trunk.

Each layer is conv → norm → LeakyReLU → noise → dropout, or, as the popular script has it,
conv → LeakyReLU → noise → dropout → norm. Self-attention may follow. A convolution that a norm
follows at once has no bias: the norm would subtract it again. A label that is joined to the image
comes in after the squares were cut. The heads are computed in float32 also under autocast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, final

from pydantic import Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.kernels.random_layers import ActivationNoise, Dropout
from acgan.networks.attention import SelfAttention, check_attention
from acgan.networks.conditioning import beside_channels, joined_inputs
from acgan.networks.heads import LinearHeads
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Heads
from acgan.networks.layers import (
    BatchNormConfig,
    Initialization,
    add_spectral_norm,
    batch_norm,
    flat_maps,
    initialize,
    widened,
)
from acgan.networks.sizes import require_discriminable, require_squares


@final
class ConvLayerConfig(Config):
    """One convolution and what follows it.

    Attributes:
        width: output channels.
        kernel: side of the kernel; padding is (kernel − 1) // 2.
        stride: step of the kernel.
        norm: whether it has a batch norm.
    """

    width: int = Field(ge=1)
    kernel: int = Field(3, ge=1)
    stride: int = Field(1, ge=1)
    norm: bool = True

    def output_side(self, side: int) -> int:
        """Height or width after this layer; below 1 where the kernel does not fit."""
        return (side + 2 * ((self.kernel - 1) // 2) - self.kernel) // self.stride + 1


@final
class ConvStackConfig(Config):
    """A discriminator of stacked convolutions.

    Attributes:
        unshuffle: side of the squares of pixels that become channels before the first layer
            (space to depth); 1 leaves the image as it is. Matrix units starve on convolutions of
            one or three channels at full size.
        layers: the convolutions, from the image on.
        attention_at: heights of maps; behind the first layer that makes them is self-attention
            (`acgan.networks.attention`).
        order: ``norm-first``: conv, norm, LeakyReLU, noise, dropout. ``norm-last``: conv,
            LeakyReLU, noise, dropout, norm.
        leak: slope of LeakyReLU below 0.
        dropout: probability in every layer.
        dropout_unit: ``channels`` drops whole feature maps, ``elements`` single activations.
        activation_noise: standard deviation of the noise after every LeakyReLU (training only).
        pool: how the last maps become features: ``flatten``, or their ``sum`` or ``mean`` over
            height and width.
        batch_norm: settings of every batch norm.
        spectral_norm: on every convolution and the heads.
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["conv-stack"] = "conv-stack"
    unshuffle: int = Field(1, ge=1)
    layers: tuple[ConvLayerConfig, ...] = Field(
        (
            ConvLayerConfig(width=32, kernel=4, stride=2, norm=False),
            ConvLayerConfig(width=64, kernel=4, stride=2),
            ConvLayerConfig(width=128, kernel=3, stride=1),
        ),
        min_length=1,
    )
    attention_at: tuple[int, ...] = ()
    order: Literal["norm-first", "norm-last"] = "norm-first"
    leak: float = Field(0.2, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    dropout_unit: Literal["channels", "elements"] = "elements"
    activation_noise: float = Field(0.0, ge=0)
    pool: Literal["flatten", "sum", "mean"] = "flatten"
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"


@final
class ConvStackDiscriminator(Discriminator):
    """See the module's docstring."""

    def __init__(
        self, config: ConvStackConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        check_shape(config, shape)
        self._pool = config.pool
        side = config.unshuffle
        blocks: list[nn.Module] = [nn.PixelUnshuffle(side)] if side > 1 else []
        self._before_label = len(blocks)
        self._label_inputs = joined_inputs(heads, classes)
        heights, widths = _sides(config, shape.height), _sides(config, shape.width)
        attentive = {heights.index(height) for height in config.attention_at}
        channels = shape.channels * side**2 + self._label_inputs
        for index, layer in enumerate(config.layers):
            blocks.append(_block(channels, layer, config, attentive=index in attentive))
            channels = layer.width
        self.feature_network = nn.Sequential(*blocks)
        features = channels * heights[-1] * widths[-1] if config.pool == "flatten" else channels
        self.heads = LinearHeads(heads, features, classes)
        initialize(self, config.initialization, gain_std=config.batch_norm.gain_std)
        if config.spectral_norm:
            add_spectral_norm(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge (N, C, H, W) in [-1, 1]; logits and features come in float32 (or float64)."""
        feature_network, maps = self.feature_network, images
        if self._label_inputs:
            feature_network = self.feature_network[self._before_label :]
            maps = self.feature_network[: self._before_label](images)
            maps = beside_channels(maps, labels, self._label_inputs, feature_network)
        maps = feature_network(maps)
        match self._pool:
            case "flatten":
                features = flat_maps(maps)
            case "sum":  # accumulated in float32 also where the maps are bfloat16
                features = maps.sum(dim=(2, 3))
            case "mean":
                features = maps.mean(dim=(2, 3))
        output: DiscriminatorOutput = self.heads(widened(features), labels)
        return output

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Weights and biases of the heads."""
        yield from self.heads.parameters()


def check_shape(config: ConvStackConfig, shape: ImageShape) -> None:
    """Raise UsageError where images of ``shape`` do not fit ``config``."""
    require_squares(shape, config.unshuffle)
    require_discriminable(shape, lambda side: _sides(config, side)[-1])
    check_attention(_sides(config, shape.height), config.attention_at, "discriminator")


def _sides(config: ConvStackConfig, side: int) -> list[int]:
    """Height or width of the maps that each layer makes, up to the first below 1."""
    side //= config.unshuffle
    sides: list[int] = []
    for layer in config.layers:
        side = layer.output_side(side)
        sides.append(side)
        if side < 1:
            break
    return sides


def _block(
    channels: int, layer: ConvLayerConfig, config: ConvStackConfig, *, attentive: bool
) -> nn.Sequential:
    norm_first = config.order == "norm-first"
    convolution = nn.Conv2d(
        channels,
        layer.width,
        layer.kernel,
        stride=layer.stride,
        padding=(layer.kernel - 1) // 2,
        bias=not (layer.norm and norm_first),
    )
    norm: list[nn.Module] = [batch_norm(layer.width, config.batch_norm)] if layer.norm else []
    # Not in place: of maps beyond the cache, in bfloat16, a CPU takes up to twice as long for that.
    after: list[nn.Module] = [nn.LeakyReLU(config.leak)]
    if config.activation_noise:
        after.append(ActivationNoise(config.activation_noise))
    if config.dropout:
        unit = nn.Dropout2d if config.dropout_unit == "channels" else Dropout
        after.append(unit(config.dropout))
    attention: list[nn.Module] = [SelfAttention(layer.width)] if attentive else []
    return nn.Sequential(convolution, *(norm + after if norm_first else after + norm), *attention)
