"""Recipes that are broken on purpose: the alarm names each fault, and the mended run is silent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acgan.config import with_overrides
from acgan.data.load import load_data
from acgan.recipes.recipe import load_recipe, recipe_names
from acgan.runs.config import RunConfig

BROKEN = [name for name in recipe_names() if load_recipe(name).alarm is not None]


def config(name: str, *, mended: bool) -> RunConfig:
    """The recipe as it is, or with its fault taken away."""
    recipe = load_recipe(name)
    values: dict[str, Any] = {"recipe": name, **recipe.values}
    values["execution"] = {"device": "cpu", "threads": 1}
    if mended:
        assert recipe.fix is not None
        values = with_overrides(values, [recipe.fix])
    return RunConfig.model_validate(values)


@pytest.mark.full
@pytest.mark.parametrize("name", BROKEN)
def test_its_fault_is_named(
    name: str, tmp_path: Path, train_tiny: Callable[..., Any], logged: Any
) -> None:
    broken = config(name, mended=False)
    train_tiny(tmp_path / "run", broken, splits=load_data(broken.data))
    about = {event.get("about") for event in logged(tmp_path / "run").events}
    assert load_recipe(name).alarm in about


MENDED = [name for name in BROKEN if name != "broken-double-softmax"]
"""Mended, that one is the same run as ``broken-no-class-term``."""


def test_two_of_them_are_the_same_run_when_mended() -> None:
    one, other = (
        config(name, mended=True).trajectory()
        for name in ("broken-double-softmax", "broken-no-class-term")
    )
    assert {**one, "recipe": ""} == {**other, "recipe": ""}


@pytest.mark.full
@pytest.mark.parametrize("name", MENDED)
def test_mended_it_gives_no_alarm(
    name: str, tmp_path: Path, train_tiny: Callable[..., Any], logged: Any
) -> None:
    mended = config(name, mended=True)
    train_tiny(tmp_path / "run", mended, splits=load_data(mended.data))
    assert logged(tmp_path / "run").events == []
