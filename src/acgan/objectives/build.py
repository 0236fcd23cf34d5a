"""Which objectives and regularizers there are: one line each in the unions and in the builders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.adc import ADC, ADCConfig
from acgan.objectives.cgan import CGAN, CGANConfig
from acgan.objectives.consistency import Consistency, ConsistencyConfig
from acgan.objectives.feature_matching import FeatureMatching
from acgan.objectives.gan import GAN, GANConfig
from acgan.objectives.interface import Objective, Regularizer
from acgan.objectives.lecam import LeCam, LeCamConfig
from acgan.objectives.projection import Projection, ProjectionConfig
from acgan.objectives.r1 import R1, R1Config
from acgan.objectives.reacgan import ReACGAN, ReACGANConfig
from acgan.objectives.sgan import SGAN, SGANConfig
from acgan.objectives.source import SourceConfig
from acgan.objectives.tac import TAC, TACConfig


def _acgan_unless_named(values: Any) -> Any:
    return {"name": "acgan", **values} if isinstance(values, Mapping) else values


ObjectiveConfig = Annotated[
    GANConfig
    | CGANConfig
    | SGANConfig
    | ACGANConfig
    | ProjectionConfig
    | TACConfig
    | ADCConfig
    | ReACGANConfig,
    Field(discriminator="name"),
    BeforeValidator(_acgan_unless_named),
]
RegularizerConfig = Annotated[
    R1Config | LeCamConfig | ConsistencyConfig, Field(discriminator="name")
]


_OBJECTIVES: Mapping[type[SourceConfig], Callable[[Any], Objective]] = {
    GANConfig: GAN,
    CGANConfig: CGAN,
    SGANConfig: SGAN,
    ACGANConfig: ACGAN,
    ProjectionConfig: Projection,
    TACConfig: TAC,
    ADCConfig: ADC,
    ReACGANConfig: ReACGAN,
}


def objective_configs() -> dict[str, type[SourceConfig]]:
    """The configuration of every objective by its name, from GAN on."""
    return {str(each.model_fields["name"].default): each for each in _OBJECTIVES}


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that a configuration describes."""
    return _OBJECTIVES[type(config)](config)


def build_matching(config: ObjectiveConfig) -> FeatureMatching | None:
    """What G minimizes besides the objective's terms that takes real images; None for nothing."""
    return FeatureMatching() if config.matches_features else None


def build_regularizer(config: RegularizerConfig, *, flip_keeps_class: bool = False) -> Regularizer:
    """The regularizer that a configuration describes.

    Args:
        config: which.
        flip_keeps_class: of the images that D will see (`acgan.data.batches`).
    """
    match config:
        case R1Config():
            return R1(config)
        case LeCamConfig():
            return LeCam(config)
        case ConsistencyConfig():
            return Consistency(config, flip_keeps_class=flip_keeps_class)
