"""`acgan explain`: what each objective of the family asks of D and G, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acgan.cli.output import JsonFlag, result, table

if TYPE_CHECKING:
    from acgan.objectives.family import FamilyMember


def explain(
    objective: Annotated[
        str | None,
        typer.Argument(help="GAN, CGAN, SGAN, ACGAN, TAC-GAN …; all by default."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain an objective: what D sees and answers, both losses, what goes wrong."""
    from acgan.cli.plain_text import terminal_width
    from acgan.objectives.family import find_member, members

    if objective is None:
        found = [
            {key: getattr(one, key) for key in ("title", "name", "source", "mends", "goes_wrong")}
            for one in members()
        ]
        result(found, _list(members()), as_json=as_json)
        return
    member = find_member(objective)
    recipes = starting_with(member)
    values = asdict(member) | {"recipes": recipes}
    result(values, _text(member, recipes, terminal_width()), as_json=as_json)


def starting_with(member: FamilyMember) -> list[str]:
    """Names of the recipes that start it."""
    from acgan.recipes import load_recipe, recipe_names

    chosen = [(name, load_recipe(name).values) for name in recipe_names()]
    return [name for name, values in chosen if _title(values) == member.title.casefold()]


def _title(values: Any) -> str:
    """Title of the member that a recipe's objective is, in lower case."""
    from acgan.objectives.family import find_member

    objective = values.get("objective", {})
    honest = objective.get("class_weight_fake", 0.0) == 0.0
    modified = objective.get("source_loss") == "hinge" and honest
    modified &= values["discriminator"].get("spectral_norm", False)
    name = objective.get("name", "acgan")
    return "acgan-mod" if name == "acgan" and modified else find_member(name).title.casefold()


def _list(members: Sequence[FamilyMember]) -> str:
    rows = [(one.title, one.name, one.mends) for one in members]
    listed = table(("", "objective.name", "what it mends, or is"), rows)
    return f"{listed}\n\n`acgan explain NAME` tells what D sees, both losses, and what goes wrong."


def _text(member: FamilyMember, recipes: Sequence[str], width: int) -> str:
    from acgan.cli.plain_text import plain, unmarked
    from acgan.objectives.family import symbols

    used = {
        symbol: unmarked(meaning)
        for symbol, meaning in symbols().items()
        if any(part in member.text for part in re.split(r", (?![^(]*\))", symbol))
    }
    wide = max(map(len, used))
    legend = [f"    {symbol.ljust(wide)}  {meaning}" for symbol, meaning in used.items()]
    listed = ", ".join(recipes) or f"none; -o 'objective={{name = \"{member.name}\"}}'"
    return "\n\n".join(
        [
            f"{member.title}\n{plain(member.source, width)}",
            plain(member.text, width),
            "\n".join(["Symbols:", *legend]),
            "\n".join(["Code:", *(f"    {name}" for name in member.code)]),
            plain(f"Recipes that start it: {listed}", width),
        ]
    )
