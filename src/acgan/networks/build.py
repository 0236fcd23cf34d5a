"""Which networks there are: one line each in the unions and in the builders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks import conv_stack, deconv, upsample_conv
from acgan.networks.conv_stack import ConvStackConfig, ConvStackDiscriminator
from acgan.networks.deconv import DeconvConfig, DeconvGenerator
from acgan.networks.interface import Discriminator, Generator, Heads
from acgan.networks.upsample_conv import UpsampleConvConfig, UpsampleConvGenerator

GeneratorConfig = Annotated[DeconvConfig | UpsampleConvConfig, Field(discriminator="family")]
DiscriminatorConfig = ConvStackConfig


def buildable(config: GeneratorConfig | DiscriminatorConfig, shape: ImageShape) -> None:
    """Check, before any weights are made, that a network for images of ``shape`` exists.

    Raises:
        UsageError: it does not; the message names the nearest sizes that work.
    """
    match config:
        case DeconvConfig():
            deconv.check_shape(config, shape)
        case UpsampleConvConfig():
            upsample_conv.check_shape(config, shape)
        case ConvStackConfig():
            conv_stack.check_shape(config, shape)


def build_generator(config: GeneratorConfig, shape: ImageShape, classes: int) -> Generator:
    """A new generator of images of ``shape``, on the CPU in float32, weights drawn by its config.

    The weights come from torch's global random generator, which the caller seeds.

    Raises:
        UsageError: this family cannot build the size, or there is no class.
    """
    _require_classes(classes)
    match config:
        case DeconvConfig():
            return DeconvGenerator(config, shape, classes)
        case UpsampleConvConfig():
            return UpsampleConvGenerator(config, shape, classes)


def build_discriminator(
    config: DiscriminatorConfig, shape: ImageShape, classes: int, heads: Heads
) -> Discriminator:
    """A new discriminator for images of ``shape`` with the given heads; see `build_generator`.

    Raises:
        UsageError: the images are too small for it, or there is no class.
    """
    _require_classes(classes)
    return ConvStackDiscriminator(config, shape, classes, heads)


def _require_classes(classes: int) -> None:
    if classes < 1:
        raise UsageError("there is no class; networks need at least one")
