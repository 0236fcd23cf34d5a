"""The architectures that a config can choose by its key ``family``; a new one is one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.conv_stack import ConvStackConfig
from acgan.networks.mlp import MLPDiscriminatorConfig, MLPGeneratorConfig
from acgan.networks.pretrained import PretrainedConfig
from acgan.networks.resnet import ResnetDiscriminatorConfig, ResnetGeneratorConfig


def _conv_stack_by_default(values: Any) -> Any:
    return {"family": "conv-stack", **values} if isinstance(values, Mapping) else values


GeneratorFamily = Annotated[
    DeconvConfig | UpsampleConvConfig | MLPGeneratorConfig | ResnetGeneratorConfig,
    Field(discriminator="family"),
]
DiscriminatorFamily = Annotated[
    ConvStackConfig | MLPDiscriminatorConfig | ResnetDiscriminatorConfig | PretrainedConfig,
    Field(discriminator="family"),
    BeforeValidator(_conv_stack_by_default),
]
