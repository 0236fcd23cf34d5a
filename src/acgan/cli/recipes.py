"""`acgan recipes`: complete configurations to start from."""

from __future__ import annotations

from typing import Annotated

import typer

from acgan.cli.options import JsonFlag, complete_recipes
from acgan.cli.output import result, settings, table

EXAMPLE = "acgan recipes small-gray"


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show this recipe in full.", metavar="NAME", autocompletion=complete_recipes
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the recipes, or show one with every setting."""
    from acgan.recipes.recipe import load_recipe, recipe_names

    if name is None:
        found = [load_recipe(each) for each in recipe_names()]
        values = [
            {"name": each.name, "summary": each.summary, "broken": each.alarm is not None}
            for each in found
        ]
        sound = [(each.name, each.summary) for each in found if each.alarm is None]
        broken = [(each.name, each.summary) for each in found if each.alarm is not None]
        text = table(("recipe", "summary"), sound)
        text += "\n\n" + table(("broken on purpose", "for teaching, see docs/teaching.md"), broken)
        result(values, text, as_json=as_json)
        return

    from acgan.config import validate
    from acgan.runs.config import RunConfig

    recipe = load_recipe(name)
    complete = {"recipe": recipe.name, **recipe.values}
    config = validate(RunConfig, complete, where=f"recipe {name}").model_dump(mode="json")
    values_of_one = {
        "name": recipe.name,
        "summary": recipe.summary,
        "expectation": recipe.expectation,
        "deviations": recipe.deviations,
        "broken": recipe.alarm is not None,
        "fix": recipe.fix,
        "config": config,
    }
    fix = f"\n\nFix it with -o {recipe.fix}" if recipe.fix else ""
    text = f"{recipe.header}{fix}\n\nEvery setting (change it with -o section.key=value):\n"
    result(values_of_one, f"{text}\n{settings(config)}", as_json=as_json)
