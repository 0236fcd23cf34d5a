"""Which networks there are: one line each in the unions and in the builders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks import (
    conv_stack,
    deconv,
    pretrained,
    resnet_discriminator,
    resnet_generator,
    upsample_conv,
)
from acgan.networks.conv_stack import ConvStackConfig, ConvStackDiscriminator
from acgan.networks.deconv import DeconvConfig, DeconvGenerator
from acgan.networks.interface import Discriminator, Generator, Heads
from acgan.networks.mlp import (
    MLPDiscriminator,
    MLPDiscriminatorConfig,
    MLPGenerator,
    MLPGeneratorConfig,
)
from acgan.networks.pretrained import PretrainedConfig, PretrainedDiscriminator
from acgan.networks.resnet_discriminator import ResnetDiscriminator, ResnetDiscriminatorConfig
from acgan.networks.resnet_generator import ResnetGenerator, ResnetGeneratorConfig
from acgan.networks.upsample_conv import UpsampleConvConfig, UpsampleConvGenerator


def _conv_stack_unless_named(values: Any) -> Any:
    return {"family": "conv-stack", **values} if isinstance(values, Mapping) else values


GeneratorConfig = Annotated[
    DeconvConfig | UpsampleConvConfig | MLPGeneratorConfig | ResnetGeneratorConfig,
    Field(discriminator="family"),
]
DiscriminatorConfig = Annotated[
    ConvStackConfig | MLPDiscriminatorConfig | ResnetDiscriminatorConfig | PretrainedConfig,
    Field(discriminator="family"),
    BeforeValidator(_conv_stack_unless_named),
]


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
        case ResnetGeneratorConfig():
            resnet_generator.check_shape(config, shape)
        case ConvStackConfig():
            conv_stack.check_shape(config, shape)
        case ResnetDiscriminatorConfig():
            resnet_discriminator.check_shape(config, shape)
        case PretrainedConfig():
            pretrained.check_shape(config, shape)
        case MLPGeneratorConfig() | MLPDiscriminatorConfig():  # any size will do
            pass


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
        case MLPGeneratorConfig():
            return MLPGenerator(config, shape, classes)
        case ResnetGeneratorConfig():
            return ResnetGenerator(config, shape, classes)


def build_discriminator(
    config: DiscriminatorConfig, shape: ImageShape, classes: int, heads: Heads
) -> Discriminator:
    """A new discriminator for images of ``shape`` with the given heads; see `build_generator`.

    Raises:
        UsageError: the images are too small for it, or there is no class.
    """
    _require_classes(classes)
    match config:
        case ConvStackConfig():
            return ConvStackDiscriminator(config, shape, classes, heads)
        case MLPDiscriminatorConfig():
            return MLPDiscriminator(config, shape, classes, heads)
        case ResnetDiscriminatorConfig():
            return ResnetDiscriminator(config, shape, classes, heads)
        case PretrainedConfig():
            return PretrainedDiscriminator(config, shape, classes, heads)


def _require_classes(classes: int) -> None:
    if classes < 1:
        raise UsageError("there is no class; networks need at least one")
