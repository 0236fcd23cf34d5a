"""`acgan show`: the networks of a model or a recipe, what they cost, and every setting."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from acgan.cli.output import JsonFlag, result, settings
from acgan.errors import UsageError

if TYPE_CHECKING:
    from acgan.data.images import ImageShape
    from acgan.recipes import Recipe
    from acgan.runs.config import RunConfig


class _Subject(NamedTuple):
    config: RunConfig
    shape: ImageShape
    classes: int


def show(
    sample_set: Annotated[
        str, typer.Argument(help="A run, a model folder or a recipe.", metavar="MODEL|RECIPE")
    ],
    data: Annotated[
        str | None, typer.Option(help="For a recipe: build the networks for this data.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="For a recipe: 32, or height x width as 48x64.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=3, help="For a recipe: 1 (gray) or 3 (color).")
    ] = None,
    classes: Annotated[int, typer.Option(min=1, help="For a recipe: number of classes.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Show the networks, what they cost, and every setting."""
    from acgan.data.class_selection import class_groups
    from acgan.networks.describe import describe_networks
    from acgan.recipes import load_recipe, recipe_names

    if sample_set in recipe_names() and not Path(sample_set).exists():
        config, shape, count = _of_recipe(load_recipe(sample_set), data, size, channels, classes)
    elif (data, size, channels) != (None, None, None):
        raise UsageError(f"--data, --size and --channels are for recipes; {sample_set} is not one")
    else:
        config, shape, count = _of_model(sample_set, recipe_names())
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
    target_labels = (
        f"{count} classes" if config.objective.conditional else "images of no asked class,"
    )
    title = f"{sample_set}: {target_labels} of {shape} pixels"
    if several:
        title += f", a set of {len(groups)} models; the networks of one, for {own} classes"
    shown = {"shape": shape, "classes": count, "models": len(groups)}
    result(
        {**shown, "networks": asdict(summary), "config": values},
        f"{title}\n\n{summary}\n\n{settings(values)}",
        as_json=as_json,
    )


def _of_model(sample_set: str, recipes: tuple[str, ...]) -> _Subject:
    from acgan.model.folder import read_model_record

    if not Path(sample_set).exists():
        raise UsageError(
            f"there is no model at {sample_set} and no recipe of that name; "
            f"the recipes are: {', '.join(recipes)}"
        )
    record = read_model_record(sample_set)
    return _Subject(record.info.config, record.info.shape, len(record.info.classes))


def _of_recipe(
    recipe: Recipe, data: str | None, size: str | None, channels: int | None, classes: int
) -> _Subject:
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
        return _Subject(config, splits.shape, len(splits.classes))
    height, width = parse_image_size(size) if size else (config.data.image_size or (32, 32))
    shape = ImageShape(channels or recipe.channels[0], height, width)
    return _Subject(config, shape, classes)
