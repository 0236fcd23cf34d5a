"""Which objectives and regularisers there are: one line each."""

from __future__ import annotations

from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.interface import Objective, Regulariser
from acgan.objectives.r1 import R1, R1Config

ObjectiveConfig = ACGANConfig
RegulariserConfig = R1Config


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that a configuration describes."""
    return ACGAN(config)


def build_regulariser(config: RegulariserConfig) -> Regulariser:
    """The regulariser that a configuration describes."""
    return R1(config)
