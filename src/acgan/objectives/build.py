"""Which objectives and regularisers there are: one line each in the unions and in the builders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.adc import ADC, ADCConfig
from acgan.objectives.interface import Objective, Regulariser
from acgan.objectives.projection import Projection, ProjectionConfig
from acgan.objectives.r1 import R1, R1Config


def _acgan_unless_named(values: Any) -> Any:
    return {"name": "acgan", **values} if isinstance(values, Mapping) else values


ObjectiveConfig = Annotated[
    ACGANConfig | ProjectionConfig | ADCConfig,
    Field(discriminator="name"),
    BeforeValidator(_acgan_unless_named),
]
RegulariserConfig = R1Config


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that a configuration describes."""
    match config:
        case ACGANConfig():
            return ACGAN(config)
        case ProjectionConfig():
            return Projection(config)
        case ADCConfig():
            return ADC(config)


def build_regulariser(config: RegulariserConfig) -> Regulariser:
    """The regulariser that a configuration describes."""
    return R1(config)
