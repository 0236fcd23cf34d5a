from __future__ import annotations

import pytest

from acgan.config import difference, validate, with_overrides
from acgan.errors import UsageError
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.build import objective_configs
from acgan.recipes.recipe import Recipe, load_recipe, recipe_names
from acgan.runs.config import RunConfig
from acgan.studies.objectives import ObjectiveArm, objective_arms

GRAY = load_recipe("small-gray")


def run_of(recipe: Recipe, entrant: ObjectiveArm) -> RunConfig:
    values = with_overrides({**recipe.values, "recipe": recipe.name}, entrant.options)
    return validate(RunConfig, values, where="test")


def test_everyone_takes_part_and_the_recipe_where_it_is_none_of_them() -> None:
    names = [each.name for each in objective_arms(GRAY)]
    assert names == [*objective_configs(), "small-gray"]
    assert [each.name for each in objective_arms(load_recipe("projection-gray"))] == [
        *objective_configs()
    ]


@pytest.mark.parametrize("entrant", objective_arms(GRAY), ids=lambda each: each.name)
def test_an_entrant_differs_from_the_recipe_in_its_objective_alone(entrant: ObjectiveArm) -> None:
    recipe = validate(RunConfig, {**GRAY.values, "recipe": GRAY.name}, where="test")
    changes = difference(recipe.model_dump(), run_of(GRAY, entrant).model_dump())
    allowed = ("objective.",) if entrant.conditional else ("objective.", "generator.conditioning.")
    assert all(change.startswith(allowed) for change in changes)
    assert bool(changes) == (entrant.name != "small-gray")


def test_an_objective_enters_with_its_own_weights_and_the_recipes_source_loss() -> None:
    recipe = next(
        each
        for each in map(load_recipe, recipe_names())
        if each.values["objective"].get("source_loss") == "hinge"
    )
    adc = run_of(recipe, objective_arms(recipe, ["adc", "tac"])[0]).objective
    assert adc == ADCConfig(source_loss="hinge")


def test_the_recipes_own_setting_goes_by_its_name() -> None:
    own, plain = objective_arms(GRAY, ["small-gray", "acgan"])
    assert run_of(GRAY, own).objective.model_dump() == {
        **ACGANConfig().model_dump(),
        **GRAY.values["objective"],
    }
    assert run_of(GRAY, plain).objective == ACGANConfig()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["acgn", "adc"], "no objective 'acgn'; did you mean 'acgan'?"),
        (["adc"], "at least two objectives"),
        (["adc", "adc"], "each named once"),
    ],
)
def test_what_makes_no_comparison_is_refused(names: list[str], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        objective_arms(GRAY, names)
    assert words in str(refused.value)
