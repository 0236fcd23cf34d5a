"""The objectives and regularizers that a configuration may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from acgan.errors import folded, unknown_name
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.cgan import CGANConfig
from acgan.objectives.consistency import ConsistencyConfig
from acgan.objectives.explanation import Explanation
from acgan.objectives.gan import GANConfig
from acgan.objectives.lecam import LeCamConfig
from acgan.objectives.projection import ProjectionConfig
from acgan.objectives.r1 import R1Config
from acgan.objectives.reacgan import ReACGANConfig
from acgan.objectives.sgan import SGANConfig
from acgan.objectives.source import BaseObjectiveConfig
from acgan.objectives.tac import TACConfig


def _acgan_unless_named(values: Any) -> Any:
    return {"name": "acgan", **values} if isinstance(values, Mapping) else values


_Objectives = (
    GANConfig
    | CGANConfig
    | SGANConfig
    | ACGANConfig
    | ProjectionConfig
    | TACConfig
    | ADCConfig
    | ReACGANConfig
)
ObjectiveConfig = Annotated[
    _Objectives, Field(discriminator="name"), BeforeValidator(_acgan_unless_named)
]
RegularizerConfig = Annotated[
    R1Config | LeCamConfig | ConsistencyConfig, Field(discriminator="name")
]


def objective_configs() -> dict[str, type[BaseObjectiveConfig]]:
    """Return the configuration class of each objective by name, in the order of the union."""
    return {str(each.model_fields["name"].default): each for each in get_args(_Objectives)}


def explanations() -> list[tuple[str, Explanation]]:
    """Return all explanations with the name of their objective, variants after it."""
    return [
        (name, each) for name, config in objective_configs().items() for each in config.explanations
    ]


def find_explanation(wanted: str) -> tuple[str, Explanation]:
    """Return an objective's name and explanation by its title or its name, in any case.

    Raises:
        UsageError: no objective has that name; the message suggests the closest one.
    """
    by_name = {folded(name): (name, each) for name, each in reversed(explanations())}
    by_title = {folded(each.title): (name, each) for name, each in explanations()}
    found = (by_name | by_title).get(folded(wanted))
    if found is None:
        titles = [each.title for _, each in explanations()]
        raise unknown_name("objective", wanted, [*titles, *(by_name.keys() - by_title.keys())])
    return found
