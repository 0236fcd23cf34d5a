"""Read recipes, and choose the default recipe for a data set.

A new recipe is one TOML file in this folder. Its table ``about`` has a summary and the expected
result; its other tables are sections of `acgan.runs.config.RunConfig`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, final

from acgan.data.images import ImageShape
from acgan.errors import UsageError, find_name, unknown_name
from acgan.runs.config import RunConfig

_BROKEN = "broken-"
DEFAULTS = ("small-color", "small-gray", "medium", "large")
"""Candidates of `choose`, in order."""


@final
@dataclass(frozen=True)
class Recipe:
    """One recipe.

    Attributes:
        name: name on the command line.
        summary: one line.
        expectation: measured results.
        deviations: differences from the system that it reproduces.
        header: the comment at the top of its file.
        values: sections of the configuration, without the data.
        largest_side: as a default, the side of the largest square image; other shapes are compared
            by area, which determines the cost of a step.
        channels: as a default, the supported numbers of channels.
        alarm: for a recipe that is broken on purpose, the alarm that names its fault
            (`acgan.training.alarms`); else None.
        fix: for such a recipe, the option that removes the fault (``section.key=value``).
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
    fix: str | None

    def mismatch(self, shape: ImageShape) -> str | None:
        """Return why the recipe is not meant for images of a shape, or None."""
        if self.fix is not None:
            return f"{self.name} is broken on purpose (-o {self.fix} fixes it)"
        kinds = {1: "gray", 3: "color"}
        if shape.channels not in self.channels:
            meant = " or ".join(kinds[each] for each in self.channels)
            return f"{self.name} is meant for {meant} images; these are {kinds[shape.channels]}"
        side = self.largest_side
        if side is not None and shape.height * shape.width > side**2:
            return f"{self.name} is meant for images of up to {side} px; these are {shape}"
        return None


def recipe_names() -> tuple[str, ...]:
    """Return all names: defaults first, recipes that are broken on purpose last."""
    found = (
        entry.name.removesuffix(".toml")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".toml")
    )
    others = sorted(set(found) - set(DEFAULTS), key=lambda name: (name.startswith(_BROKEN), name))
    return (*DEFAULTS, *others)


@cache
def load_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        UsageError: no recipe has that name; the message suggests the closest one.
    """
    found = find_name(name, recipe_names())
    if found is None:
        raise unknown_name("recipe", name, recipe_names())
    text = resources.files(__package__).joinpath(f"{found}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    about = values.pop("about")
    header = [line for line in text.splitlines() if line.startswith("#")]
    return Recipe(
        name=found,
        summary=about["summary"],
        expectation=about["expectation"],
        deviations=tuple(about.get("deviations", ())),
        header="\n".join(line.removeprefix("#").removeprefix(" ") for line in header),
        values=values,
        largest_side=about.get("largest_side"),
        channels=tuple(about.get("channels", (1, 3))),
        alarm=about.get("alarm"),
        fix=about.get("fix"),
    )


def choose(
    shape: ImageShape,
    train_images: int,
    *,
    conditional: bool = True,
    all_labeled: bool = True,
) -> Recipe:
    """Return the default recipe for data of this shape and size.

    It is the first of `DEFAULTS` that can build the size. For a few thousand images the budget is
    smaller, because more epochs reduce diversity. For fewer images still, the recipe gets
    translation as augmentation, unless it has an augmentation, and keeps its budget.

    Args:
        shape: of the images.
        train_images: number of training images.
        conditional: whether to train with classes. If not, the recipe is the same with the
            objective ``gan`` and an unconditional generator.
        all_labeled: whether every training image has a label. If not, the source head does not
            receive the label.

    Raises:
        UsageError: no default can build the size; the message names sizes that work.
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
        summary=f"{recipe.name} without classes: same networks and rates, objective gan",
        expectation="not measured",
    )


def _with_some_labels(recipe: Recipe) -> Recipe:
    plain = {"source_head": "plain", "class_weight_generator": 1.0}
    if all(recipe.values["objective"].get(key) in (value, None) for key, value in plain.items()):
        return recipe
    return replace(
        recipe,
        values={**recipe.values, "objective": {**recipe.values["objective"], **plain}},
        summary=f"{recipe.name} for partly labeled data: source head without the label",
        expectation="not measured",
    )


_LEAST_IMAGES, _MOST_EPOCHS = 100_000, 30
_FEW_IMAGES = 2_000
"""Below this number the default gets DiffAugment's translation (docs/experiments.md)."""


def _problem(recipe: Recipe, shape: ImageShape) -> str | None:
    config = RunConfig.model_validate({"recipe": recipe.name, **recipe.values})
    try:
        config.generator.check_shape(shape)
        config.discriminator.check_shape(shape)
    except UsageError as error:
        return str(error)
    return None
