from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acgan.cli.output import settings
from acgan.config import with_overrides
from acgan.model.model import load
from acgan.recipes.recipe import load_recipe, recipe_names

Acgan = Callable[..., Any]


def test_a_model(acgan: Acgan, tiny_run: Path) -> None:
    done = acgan("show", tiny_run)
    assert (done.code, done.err) == (0, "")
    assert "3 classes, 8×12×1 pixels" in done.out
    parameters = sum(p.numel() for p in load(tiny_run).generator.parameters())
    assert f"{parameters:,}" in done.out
    assert "training.total_images=1000" in done.out


def test_the_settings_of_a_model_can_be_given_back(acgan: Acgan, tiny_run: Path) -> None:
    shown = acgan("show", tiny_run).out.split("\n\n")[-1].splitlines()
    config = load(tiny_run).config.model_dump(mode="json")
    assert with_overrides({}, shown) == config


def test_a_recipe_at_a_size(acgan: Acgan) -> None:
    values = json.loads(
        acgan("show", "small-gray", "--size", 28, "--channels", 1, "--classes", 4, "--json").out
    )
    assert values["shape"] == [1, 28, 28]
    assert values["networks"]["generator"]["rows"][-1]["output_shape"] == [1, 28, 28]
    assert values["config"]["recipe"] == "small-gray"
    assert values["networks"]["training_flops"] > 0


def test_a_recipe_for_data(acgan: Acgan) -> None:
    values = json.loads(acgan("show", "small-gray", "--data", "digits", "--json").out)
    assert (values["shape"], values["classes"]) == ([1, 28, 28], 10)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("smal-gray", "there is no model at smal-gray and no recipe of that name"),
        ("small-gray --size 30", "cannot be built"),
        ("small-gray --size big", "neither a number (64) nor height x width"),
        ("small-gray --data nowhere", "nowhere"),
        ("small-gray --channels 7", "invalid value for '--channels'"),
        ("small-gray --classes 0", "invalid value for '--classes'"),
    ],
)
def test_mistakes_get_their_sentence(acgan: Acgan, arguments: str, sentence: str) -> None:
    done = acgan("show", *arguments.split())
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_sizes_are_for_recipes(acgan: Acgan, tiny_run: Path) -> None:
    done = acgan("show", tiny_run, "--size", 32)
    assert done.code == 2
    assert "are for recipes" in done.err


def test_the_list_of_recipes(acgan: Acgan) -> None:
    done = acgan("recipes")
    assert done.code == 0
    assert load_recipe("small-gray").summary in done.out
    values = json.loads(acgan("recipes", "--json").out)
    assert [value["name"] for value in values] == list(recipe_names())
    assert [value["summary"] for value in values] == [
        load_recipe(name).summary for name in recipe_names()
    ]


def test_one_recipe(acgan: Acgan) -> None:
    recipe = load_recipe("small-gray")
    done = acgan("recipes", "small-gray")
    assert done.code == 0
    assert done.out.startswith(recipe.header)
    assert "optimizer.conditioning_multiplier=5.0" in done.out
    values = json.loads(acgan("recipes", "small-gray", "--json").out)
    assert values["expectation"] == recipe.expectation


def test_what_is_broken_on_purpose_stands_apart(acgan: Acgan) -> None:
    sound, broken = acgan("recipes").out.split("broken on purpose")
    assert "small-gray" in sound
    assert "broken-" not in sound
    assert broken.count("\nbroken-") == 4
    values = json.loads(acgan("recipes", "--json").out)
    assert {entry["name"][:7] == "broken-" for entry in values if entry["broken"]} == {True}
    one = acgan("recipes", "broken-no-class-term").out
    assert "\nFix it with -o objective.class_weight_generator=1.0\n" in one


def test_an_unknown_recipe(acgan: Acgan) -> None:
    done = acgan("recipes", "smal-gray")
    assert done.code == 2
    assert "did you mean 'small-gray'?" in done.err


def test_settings_that_a_bare_word_would_not_mean(tmp_path: Path) -> None:
    values = {"a": {"b": "7", "c": "none", "d": "two words", "e": "C:\\x", "f": "-1", "g": "a=b"}}
    assert with_overrides({}, settings(values).splitlines()) == values
