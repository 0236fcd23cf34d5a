"""From arguments, options and a recipe to the data and the configuration of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acgan.config import validate, with_overrides
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import UsageError
from acgan.model.model import Model
from acgan.recipes import Recipe
from acgan.runs.config import RunConfig
from acgan.training.display import Display

_MANY_FILES = 2_000  # from here on reading takes so long that silence looks like a fault
_BUDGETS = ("total_images", "total_epochs", "max_minutes")


def given_values(
    data: str,
    data_options: Mapping[str, Any] | None,
    execution: Mapping[str, Any] | None,
    seed: int | None,
) -> dict[str, Any]:
    """What the arguments set, as sections to lay over the recipe's."""
    given: dict[str, Any] = {
        "data": {"source": data, **_set(data_options)},
        "execution": _set(execution),
    }
    if seed is not None:
        given["seed"] = seed
    return given


def _set(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None}


def merged(
    recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str]
) -> dict[str, Any]:
    """The recipe's values, what is given laid over them, and the options over both."""
    values: dict[str, Any] = dict(recipe.values) if recipe else {}
    for section, inner in given.items():
        values[section] = {**values.get(section, {}), **inner} if isinstance(inner, dict) else inner
    return with_overrides(values, options)


def load_splits(
    recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str], display: Display
) -> DatasetSplits:
    """The data, before the recipe is chosen by them; their notes are told.

    Raises:
        AcganError: as `acgan.data.load.load_data`.
    """
    own = [option for option in options if option.split(".")[0].strip() == "data"]
    values = merged(recipe, given, own).get("data", {})
    said: set[str] = set()

    def progress(stage: str, _done: int, total: int) -> None:
        if total >= _MANY_FILES and stage not in said:
            said.add(stage)
            display.message(f"{stage} {total:,} files …")

    splits = load_data(validate(DataConfig, values, where="data"), progress=progress)
    for note in splits.notes:
        display.message(note)
    return splits


def configure(
    recipe: Recipe,
    given: Mapping[str, Any],
    options: Sequence[str],
    images: int | None,
    max_minutes: float | None,
    model: Model | None,
) -> RunConfig:
    """The whole configuration.

    Args:
        recipe: the chosen one.
        given: `given_values`.
        options: ``section.key=value``, the last word on everything but the budget.
        images: budget, in the place of whatever the recipe has; of options, too.
        max_minutes: likewise.
        model: the weights to start from.

    Raises:
        UsageError: an option or a combination of them is wrong.
    """
    if images is not None and max_minutes is not None:
        raise UsageError("give the budget as --images or as --max-minutes, not both")
    values = {**merged(recipe, given, options), "recipe": recipe.name}
    asked = {"total_images": images, "max_minutes": max_minutes}
    asked |= {
        key: values["training"][key]
        for option in options
        for key in _BUDGETS
        if option.replace(" ", "").startswith(f"training.{key}=")
    }
    if any(value is not None for value in asked.values()):
        training = {k: v for k, v in values["training"].items() if k not in _BUDGETS}
        values["training"] = {**training, **_set(asked)}
    if model is not None:
        values["init_from"] = model.record.content_hash
    return validate(RunConfig, values, where=f"recipe {recipe.name} with your options")
