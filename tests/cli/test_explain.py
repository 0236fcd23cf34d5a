"""`acgan explain` by its output: the list, one objective, an unknown name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from acgan.cli.explain import recipes_of
from acgan.objectives.build import explanations, find_explanation
from acgan.recipes.recipe import load_recipe, recipe_names

Acgan = Callable[..., Any]
TITLES = [each.title for _, each in explanations()]


def test_all_are_listed_with_a_line_each(acgan: Acgan) -> None:
    done = acgan("explain")
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()[1:]]
    for (name, each), line in zip(explanations(), lines, strict=False):
        assert line[:2] == [each.title, name]
    assert max(map(len, done.out.splitlines())) <= 80
    listed = json.loads(acgan("explain", "--json").out)
    assert [entry["title"] for entry in listed] == TITLES


@pytest.mark.parametrize("title", TITLES)
def test_one_is_explained_with_its_symbols_and_recipes(
    acgan: Acgan, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = acgan("explain", title.lower())
    assert (done.code, done.err) == (0, "")
    begins = ("Discriminator input:", "Discriminator output:", " D:  ", " G:  ", "Failure modes:")
    places = [done.out.index(f"\n{begin}") for begin in (*begins, "Symbols:", "Recipes: ")]
    assert places == sorted(places)
    assert done.out.startswith(f"{title}: ")
    text, words = find_explanation(title)[1].markdown(), done.out.split()
    assert max(map(len, done.out.split("Symbols:")[0].splitlines())) <= 80
    for mark in ("**", "`"):
        assert mark not in done.out
        text = text.replace(mark, "")
    missing = [word for word in text.split() if word not in words and "*" not in word]
    assert missing == [], "every word is there"


def test_only_the_symbols_that_occur_are_listed(acgan: Acgan) -> None:
    symbols = acgan("explain", "gan").out.split("Symbols:")[1]
    assert "    z " in symbols
    assert "proxy" not in symbols
    assert "the proxy of a class" in acgan("explain", "reacgan").out


def test_json_has_all_of_it(acgan: Acgan) -> None:
    printed = json.loads(acgan("explain", "TAC-GAN", "--json").out)
    assert printed["name"] == "tac"
    assert printed["discriminator_loss"].startswith("ℓ_real(s(x))")
    assert "tac-gray" in printed["recipes"]


def test_every_recipe_belongs_to_one_explanation() -> None:
    found = {each.title: recipes_of(each) for _, each in explanations()}
    assert sorted(name for names in found.values() for name in names) == sorted(recipe_names())
    assert "small-gray" in found["ACGAN"]
    for name in found["ACGAN-Mod"]:
        assert load_recipe(name).values["objective"]["source_loss"] == "hinge"
        assert load_recipe(name).values["discriminator"]["spectral_norm"]


def test_an_unknown_one_is_refused_with_the_closest(acgan: Acgan) -> None:
    done = acgan("explain", "reacgn")
    assert done.code == 2
    assert "no objective 'reacgn'; did you mean 'ReACGAN'?" in done.err
