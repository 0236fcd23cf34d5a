"""The discriminator of stacked convolutions, with linear heads on its features.

Each layer is conv → norm → LeakyReLU → noise → dropout, or, as in the popular script,
conv → LeakyReLU → noise → dropout → norm. Self-attention may follow. A convolution directly before
a norm has no bias: the norm would subtract it. A joined label enters after space-to-depth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, final

from pydantic import Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.kernels.random_layers import ActivationNoise, Dropout
from acgan.networks.attention import SelfAttention, check_attention
from acgan.networks.conditioning import append_label_maps, joined_inputs
from acgan.networks.generator import nearest_sizes
from acgan.networks.heads import LinearDiscriminator, LinearHeads
from acgan.networks.interface import Discriminator, DiscriminatorConfig, DiscriminatorOutput, Heads
from acgan.networks.layers import (
    MOST_LAYERS,
    BatchNormConfig,
    Initialization,
    Pool,
    batch_norm,
    initialize,
    pool,
)


@final
class ConvLayerConfig(Config):
    """One convolution and its norm.

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

    def convolution(self, channels: int, *, bias: bool) -> nn.Conv2d:
        """Return the convolution from ``channels`` input channels."""
        padding = (self.kernel - 1) // 2
        return nn.Conv2d(channels, self.width, self.kernel, self.stride, padding, bias=bias)


def output_sides(layers: tuple[ConvLayerConfig, ...], side: int) -> list[int]:
    """Return the height or width after each layer, up to the first below 1, which does not fit."""
    sides: list[int] = []
    for layer in layers:
        side = (side + 2 * ((layer.kernel - 1) // 2) - layer.kernel) // layer.stride + 1
        sides.append(side)
        if side < 1:
            break
    return sides


@final
class ConvStackConfig(DiscriminatorConfig):
    """A discriminator of stacked convolutions.

    Attributes:
        unshuffle: side of the squares of pixels that become channels before the first layer
            (space-to-depth); 1 leaves the image as it is. Convolutions of one or three channels
            at full size leave most of a matrix unit idle.
        layers: the convolutions, from the image on.
        attention_at: heights of feature maps; self-attention follows the first layer with each
            (`acgan.networks.attention`).
        order: ``norm-first``: conv, norm, LeakyReLU, noise, dropout. ``norm-last``: conv,
            LeakyReLU, noise, dropout, norm.
        leak: slope of LeakyReLU below 0.
        dropout: probability in every layer.
        dropout_unit: ``channels`` drops whole feature maps, ``elements`` single activations.
        activation_noise: standard deviation of the noise after every LeakyReLU (training only).
        pool: how the last feature maps become features: ``flatten``, or their ``sum`` or ``mean``
            over height and width.
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
        max_length=MOST_LAYERS,
    )
    attention_at: tuple[int, ...] = ()
    order: Literal["norm-first", "norm-last"] = "norm-first"
    leak: float = Field(0.2, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    dropout_unit: Literal["channels", "elements"] = "elements"
    activation_noise: float = Field(0.0, ge=0)
    pool: Pool = "flatten"
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"

    def sides(self, side: int) -> list[int]:
        """Return the height or width after each layer for an image of this height or width."""
        return output_sides(self.layers, side // self.unshuffle)

    def check_shape(self, shape: ImageShape) -> None:
        """Check space-to-depth, every convolution and the heights with attention."""
        side = self.unshuffle
        if shape.height % side or shape.width % side:
            raise UsageError(
                f"{shape.height}×{shape.width} cannot be cut into squares of {side}×{side} pixels; "
                f"{nearest_sizes(shape, side)} can: choose such a size with "
                "--image-size, or -o discriminator.unshuffle=1"
            )
        require_discriminable(shape, lambda side: self.sides(side)[-1])
        check_attention(self.sides(shape.height), self.attention_at, "discriminator")

    def _network(self, shape: ImageShape, classes: int, heads: Heads) -> Discriminator:
        return ConvStackDiscriminator(self, shape, classes, heads)


@final
class ConvStackDiscriminator(LinearDiscriminator):
    """See the module's docstring."""

    def __init__(
        self, config: ConvStackConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        self._pool = config.pool
        side = config.unshuffle
        blocks: list[nn.Module] = [nn.PixelUnshuffle(side)] if side > 1 else []
        self._before_label = len(blocks)
        self._label_inputs = joined_inputs(heads, classes)
        heights, widths = config.sides(shape.height), config.sides(shape.width)
        attentive = {heights.index(height) for height in config.attention_at}
        channels = shape.channels * side**2 + self._label_inputs
        for index, layer in enumerate(config.layers):
            blocks.append(_block(channels, layer, config, attentive=index in attentive))
            channels = layer.width
        self.feature_layers = nn.Sequential(*blocks)
        features = channels * heights[-1] * widths[-1] if config.pool == "flatten" else channels
        self.heads = LinearHeads(heads, features, classes)
        initialize(
            self,
            config.initialization,
            gain_std=config.batch_norm.gain_std,
            spectral_norm=config.spectral_norm,
        )

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Return the outputs for images (N, C, H, W) in [-1, 1]."""
        layers, maps = self.feature_layers, images
        if self._label_inputs:
            maps = layers[: self._before_label](maps)
            layers = layers[self._before_label :]
            maps = append_label_maps(maps, labels, self._label_inputs, layers)
        output: DiscriminatorOutput = self.heads(pool(layers(maps), self._pool), labels)
        return output


def require_discriminable(shape: ImageShape, smallest_result: Callable[[int], int]) -> None:
    """Check that images of ``shape`` are large enough for a stack of convolutions.

    Args:
        shape: of the images.
        smallest_result: from a side of the image to the side at the narrowest layer; below 1
            where a kernel does not fit.

    Raises:
        UsageError: they are not; the message names the smallest size that works.
    """
    if min(smallest_result(shape.height), smallest_result(shape.width)) >= 1:
        return
    least = next((side for side in range(1, 4096) if smallest_result(side) >= 1), None)
    advice = (
        f"images of {least}×{least} or larger work: choose such a size with --image-size"
        if least
        else "no image size works"
    )
    raise UsageError(
        f"{shape.height}×{shape.width} is too small for the discriminator's convolutions; "
        f"{advice}, or a discriminator with fewer layers"
    )


def _block(
    channels: int, layer: ConvLayerConfig, config: ConvStackConfig, *, attentive: bool
) -> nn.Sequential:
    norm_first = config.order == "norm-first"
    convolution = layer.convolution(channels, bias=not (layer.norm and norm_first))
    norm: list[nn.Module] = [batch_norm(layer.width, config.batch_norm)] if layer.norm else []
    # Not in place, which takes a CPU up to twice as long in bfloat16 beyond the cache.
    after: list[nn.Module] = [nn.LeakyReLU(config.leak)]
    if config.activation_noise:
        after.append(ActivationNoise(config.activation_noise))
    if config.dropout:
        unit = nn.Dropout2d if config.dropout_unit == "channels" else Dropout
        after.append(unit(config.dropout))
    attention: list[nn.Module] = [SelfAttention(layer.width)] if attentive else []
    return nn.Sequential(convolution, *(norm + after if norm_first else after + norm), *attention)
