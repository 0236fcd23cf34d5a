"""Who takes part in a comparison of objectives, and how each differs from the recipe they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from acgan.config import validate
from acgan.errors import UsageError
from acgan.objectives.build import objective_configs
from acgan.recipes import Recipe
from acgan.registry import unknown_name
from acgan.run_config import RunConfig


@final
@dataclass(frozen=True)
class Entrant:
    """One objective on the networks and rates that all share.

    Attributes:
        name: of the objective, or of the recipe where it is the recipe's own setting of one.
        objective: its section of a run.
        conditional: whether its generator is asked for classes.
    """

    name: str
    objective: Mapping[str, Any]
    conditional: bool

    @property
    def options(self) -> tuple[str, ...]:
        """What distinguishes its runs, as settings of `acgan train -o`."""
        own = (f"objective={_inline(self.objective)}",)
        return own if self.conditional else (*own, 'generator.conditioning={mode = "none"}')


def entrants(recipe: Recipe, names: Sequence[str] = ()) -> tuple[Entrant, ...]:
    """The entrants of a comparison.

    An objective enters with its own defaults and the recipe's source loss; the recipe's own section
    enters under the recipe's name.

    Args:
        recipe: that they share.
        names: of objectives, and of the recipe, in the order of the table; none for every
            objective, and for the recipe if its section is none of these.

    Raises:
        UsageError: there is no such objective, one is named twice, or only one is named.
    """
    known = {name: _by_default(recipe, name) for name in objective_configs()}
    own = recipe.values["objective"]
    known[recipe.name] = Entrant(recipe.name, own, objective_configs()[own["name"]].conditional)
    if not names:
        as_default = validate(RunConfig, _run(recipe, known[own["name"]].objective), where="")
        as_recipe = validate(RunConfig, _run(recipe, own), where="")
        names = [n for n in known if n != recipe.name or as_default != as_recipe]
    for name in names:
        if name not in known:
            raise unknown_name("objective", name, known)
    if len(set(names)) < max(2, len(names)):
        raise UsageError("a comparison takes two different objectives at least, each named once")
    return tuple(known[name] for name in names)


def _by_default(recipe: Recipe, name: str) -> Entrant:
    own = recipe.values["objective"]
    shared = {key: own[key] for key in ("source_loss",) if key in own}
    return Entrant(name, {"name": name, **shared}, objective_configs()[name].conditional)


def _run(recipe: Recipe, objective: Mapping[str, Any]) -> dict[str, Any]:
    return {**recipe.values, "recipe": recipe.name, "objective": dict(objective)}


def _inline(section: Mapping[str, Any]) -> str:
    """A section of plain values as an inline table of TOML."""
    return "{" + ", ".join(f"{key} = {_value(value)}" for key, value in section.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
