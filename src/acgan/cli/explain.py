"""`acgan explain`: inputs, outputs, losses and failure modes of each objective."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acgan.cli.options import JsonFlag
from acgan.cli.output import result, table

if TYPE_CHECKING:
    from acgan.objectives.explanation import Explanation

_WIDEST = 100


EXAMPLE = "acgan explain acgan"


def explain(
    objective: Annotated[
        str | None, typer.Argument(help="GAN, CGAN, SGAN, ACGAN, TAC-GAN …; all by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain an objective: discriminator input and output, both losses, failure modes."""
    from acgan.objectives.build import explanations, find_explanation

    if objective is None:
        values = [
            {"title": each.title, "name": name, "source": each.source, "purpose": each.purpose}
            for name, each in explanations()
        ]
        rows = [(each.title, name, each.purpose) for name, each in explanations()]
        text = (
            f"{table(('', 'objective.name', 'purpose'), rows)}\n\n"
            "`acgan explain NAME` shows the losses and failure modes of one objective."
        )
        result(values, text, as_json=as_json)
        return
    name, found = find_explanation(objective)
    recipes = recipes_of(found)
    details = {"name": name, **asdict(found), "symbols": found.symbols(), "recipes": recipes}
    result(details, _text(name, found, recipes), as_json=as_json)


def recipes_of(explanation: Explanation) -> list[str]:
    """Return the names of the recipes that train an objective, or a variant of one."""
    from acgan.recipes.recipe import load_recipe, recipe_names

    return [name for name in recipe_names() if _trained(load_recipe(name).values) == explanation]


def _trained(values: Mapping[str, Any]) -> Explanation:
    """Return the last explanation of a recipe's objective whose settings the recipe has."""
    from acgan.config import flatten
    from acgan.objectives.build import objective_configs

    config = objective_configs()[values["objective"]["name"]]
    given = dict(flatten(values))
    for name, field in config.model_fields.items():
        given.setdefault(f"objective.{name}", field.default)
    return [each for each in config.explanations if each.settings.items() <= given.items()][-1]


def _text(name: str, explanation: Explanation, recipes: Sequence[str]) -> str:
    from rich.console import Console
    from rich.markdown import Markdown

    symbols = explanation.symbols()
    widest = max(map(len, symbols))
    settings = "".join(f", `{key} = {value}`" for key, value in explanation.settings.items())
    listed = ", ".join(recipes) or f"none; -o 'objective={{name = \"{name}\"}}'"
    console = Console(color_system=None)
    console.width = min(console.width, _WIDEST)
    with console.capture() as captured:
        console.print(
            Markdown(f"**{explanation.title}**: `{name}`{settings}, {explanation.source}")
        )
        console.print()
        console.print(Markdown(explanation.markdown()))
        console.print("\nSymbols:", highlight=False)
        for symbol, meaning in symbols.items():
            console.print(f"    {symbol.ljust(widest)}  {meaning}", markup=False, highlight=False)
        console.print()
        console.print(f"Recipes: {listed}", markup=False, highlight=False)
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    return re.sub(r"\n{3,}", "\n\n", text)
