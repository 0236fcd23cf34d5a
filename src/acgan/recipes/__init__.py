"""Recipes: complete runs as TOML files, one a file; the header of each says what to expect of it.

`choose` picks the default for a data set from its shape and size.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, final

from acgan.data.images import ImageShape
from acgan.errors import UsageError, unknown_name
from acgan.runs.config import RunConfig

_BROKEN = "broken-"
DEFAULTS = ("small-color", "small-gray", "medium", "large")
"""Tried in this order by `choose`."""


@final
@dataclass(frozen=True)
class Recipe:
    """One recipe.

    Attributes:
        name: its name on the command line.
        summary: what it is, in a line.
        expectation: what came out of it, where it was measured.
        deviations: where it departs from the system that it reproduces.
        header: the comment at the top of its file.
        values: the configuration's sections, to be completed with the data.
        largest_side: of the largest square that it is meant for as a default; other proportions go
            by their area, since that is what a step costs.
        channels: the numbers of channels that it is meant for; as a default it gets no others.
        alarm: of a recipe that is broken on purpose, the alarm that names its fault
            (`acgan.training.alarms`); None of all others.
        mend: of such a recipe, the option that takes the fault away (``section.key=value``).
    """

    name: str
    summary: str
    expectation: str
    deviations: tuple[str, ...]
    header: str
    values: Mapping[str, Any]
    largest_side: int | None
    channels: tuple[int, ...]
    alarm: str | None
    mend: str | None


def recipe_names() -> tuple[str, ...]:
    """All recipes, the defaults first, those that are broken on purpose last."""
    found = (
        entry.name.removesuffix(".toml")
        for entry in resources.files(__name__).iterdir()
        if entry.name.endswith(".toml")
    )
    others = sorted(set(found) - set(DEFAULTS), key=lambda name: (name.startswith(_BROKEN), name))
    return (*DEFAULTS, *others)


@cache
def load_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none; the message names the closest.
    """
    if name not in recipe_names():
        raise unknown_name("recipe", name, recipe_names())
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    about = values.pop("about")
    header = [line for line in text.splitlines() if line.startswith("#")]
    return Recipe(
        name=name,
        summary=about["summary"],
        expectation=about["expectation"],
        deviations=tuple(about.get("deviations", ())),
        header="\n".join(line.removeprefix("#").removeprefix(" ") for line in header),
        values=values,
        largest_side=about.get("largest_side"),
        channels=tuple(about.get("channels", (1, 3))),
        alarm=about.get("alarm"),
        mend=about.get("mend"),
    )


def choose(
    shape: ImageShape,
    train_images: int,
    *,
    conditional: bool = True,
    all_labeled: bool = True,
) -> Recipe:
    """The default recipe for data of this shape and size.

    The smallest family member that can build the size. Sets of a few thousand get fewer images to
    learn from, since going over the same ones again and again wears variety down. Of still smaller
    ones D is shown shifted images, if the recipe does not change them anyway; then it may go over
    them as often as the recipe wants.

    Args:
        shape: of the images.
        train_images: how many of them there are to learn from.
        conditional: whether there are classes to ask for; without, it is the same run with the
            objective ``gan`` and a generator that is told no label.
        all_labeled: whether all of them have a label; where not, D's source head is not given it.

    Raises:
        UsageError: no default can build the size; the message names the sizes that work.
    """
    refusals: list[str] = []
    for name in DEFAULTS:
        recipe = load_recipe(name)
        fits = recipe.largest_side is None or shape.height * shape.width <= recipe.largest_side**2
        if shape.channels not in recipe.channels or not fits:
            continue
        problem = _problem(recipe, shape)
        if problem is None:
            if not conditional:
                recipe = _without_classes(recipe)
            elif not all_labeled:
                recipe = _with_some_labels(recipe)
            return _for_size(recipe, train_images)
        refusals.append(problem)
    raise UsageError(refusals[0] if refusals else f"no default recipe is for images of {shape}")


def _for_size(recipe: Recipe, train_images: int) -> Recipe:
    if train_images < _FEW_IMAGES and "augmentation" not in recipe.values:
        return replace(
            recipe, values={**recipe.values, "augmentation": {"policy": ["translation"]}}
        )
    training = dict(recipe.values["training"])
    training["total_images"] = min(
        training["total_images"], max(_LEAST_IMAGES, _MOST_EPOCHS * train_images)
    )
    return replace(recipe, values={**recipe.values, "training": training})


def _without_classes(recipe: Recipe) -> Recipe:
    changed = {
        "objective": {"name": "gan"},
        "generator": {**recipe.values["generator"], "conditioning": {"mode": "none"}},
    }
    return replace(
        recipe,
        values={**recipe.values, **changed},
        summary=f"{recipe.name} without classes: its networks and rates, with the objective gan",
        expectation="not measured",
    )


def _with_some_labels(recipe: Recipe) -> Recipe:
    plain = {"source_head": "plain", "class_weight_generator": 1.0}
    if all(recipe.values["objective"].get(key) in (value, None) for key, value in plain.items()):
        return recipe
    return replace(
        recipe,
        values={**recipe.values, "objective": {**recipe.values["objective"], **plain}},
        summary=f"{recipe.name} for data of which a part is labeled: D is not given the label",
        expectation="not measured",
    )


_LEAST_IMAGES, _MOST_EPOCHS = 100_000, 30
_FEW_IMAGES = 2_000
"""Below this the default is given DiffAugment's translation (docs/experiments.md, few images)."""


def _problem(recipe: Recipe, shape: ImageShape) -> str | None:

    config = RunConfig.model_validate({"recipe": recipe.name, **recipe.values})
    try:
        config.generator.check_shape(shape)
        config.discriminator.check_shape(shape)
    except UsageError as error:
        return str(error)
    return None
