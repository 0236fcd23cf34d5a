"""`acgan show`: networks, cost and settings of a model or a recipe."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acgan.cli.options import DATA, JsonFlag, complete_recipes, option
from acgan.cli.output import result, settings
from acgan.errors import UsageError, counted

if TYPE_CHECKING:
    from acgan.data.images import ImageShape
    from acgan.recipes.recipe import Recipe
    from acgan.runs.config import RunConfig


EXAMPLE = "acgan show small-color --size 64"


def show(
    subject: Annotated[
        str,
        typer.Argument(
            help="A run, a model folder or a recipe.",
            metavar="MODEL_OR_RECIPE",
            autocompletion=complete_recipes,
        ),
    ],
    data: Annotated[
        str | None, option("For a recipe: build the networks for this data.", "DATA", DATA)
    ] = None,
    size: Annotated[
        str | None, option("For a recipe: 32, or height x width as 48x64.", "SIZE", DATA)
    ] = None,
    channels: Annotated[
        int | None, option("For a recipe: 1 (gray) or 3 (color).", "N", DATA, min=1, max=3)
    ] = None,
    classes: Annotated[int, option("For a recipe: number of classes.", "N", DATA, min=1)] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Show the networks, their cost, and every setting of a model or a recipe."""
    from acgan.data.class_selection import class_groups
    from acgan.networks.describe import describe_networks
    from acgan.recipes.recipe import load_recipe, recipe_names

    if subject in recipe_names() and not Path(subject).exists():
        config, shape, count = _of_recipe(load_recipe(subject), data, size, channels, classes)
    elif (data, size, channels) != (None, None, None):
        raise UsageError(f"--data, --size and --channels are for recipes; {subject} is not one")
    else:
        config, shape, count = _of_model(subject, recipe_names())
    several = config.classes_per_model
    groups = class_groups(count, several) if several else (range(count),)
    heads, own = config.objective.build().heads, len(groups[0])
    summary = describe_networks(
        config.generator.build(shape, own),
        config.discriminator.build(shape, own, heads),
        shape,
        own,
        config.training.batch_size,
    )
    values = config.model_dump(mode="json")
    kind = counted(count, "class", "classes") if config.objective.conditional else "no classes"
    title = f"{subject}: {kind}, {shape} pixels"
    if several:
        each = counted(own, "class", "classes")
        title += f"; a set of {len(groups)} models; networks of one model with {each}"
    shown = {"shape": shape, "classes": count, "models": len(groups)}
    shown |= {"networks": asdict(summary), "config": values}
    result(shown, f"{title}\n\n{summary}\n\n{settings(values)}", as_json=as_json)


def _of_model(subject: str, recipes: tuple[str, ...]) -> tuple[RunConfig, ImageShape, int]:
    from acgan.model.folder import read_model_record

    if not Path(subject).exists():
        raise UsageError(
            f"there is no model at {subject} and no recipe of that name; "
            f"recipes: {', '.join(recipes)}"
        )
    record = read_model_record(subject)
    return record.info.config, record.info.shape, len(record.info.classes)


def _of_recipe(
    recipe: Recipe, data: str | None, size: str | None, channels: int | None, classes: int
) -> tuple[RunConfig, ImageShape, int]:
    from acgan.config import validate
    from acgan.data.config import DataConfig, parse_image_size
    from acgan.data.images import ImageShape
    from acgan.data.load import load_data
    from acgan.runs.config import RunConfig

    config = validate(RunConfig, {"recipe": recipe.name, **recipe.values}, where=recipe.name)
    if data is not None:
        given = {**config.data.model_dump(), "source": data}
        if size is not None:
            given["image_size"] = parse_image_size(size)
        splits = load_data(validate(DataConfig, given, where=f"--data {data}"))
        return config, splits.shape, len(splits.classes)
    height, width = parse_image_size(size) if size else (config.data.image_size or (32, 32))
    return config, ImageShape(channels or recipe.channels[0], height, width), classes
