"""`acgan explain` by its output: all members, one of them, and a name that is none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from acgan.cli.explain import starting_with
from acgan.objectives.family import find_member, members
from acgan.recipes import load_recipe, recipe_names

Acgan = Callable[..., Any]


def test_all_are_listed_with_a_line_each(acgan: Acgan) -> None:
    done = acgan("explain")
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()[1:]]
    for one, line in zip(members(), lines, strict=False):
        assert line[:2] == [one.title, one.name]
    assert max(map(len, done.out.splitlines())) <= 80
    listed = json.loads(acgan("explain", "--json").out)
    assert [entry["title"] for entry in listed] == [one.title for one in members()]


@pytest.mark.parametrize("title", [one.title for one in members()])
def test_one_is_told_with_its_symbols_its_code_and_its_recipes(acgan: Acgan, title: str) -> None:
    done = acgan("explain", title.lower())
    assert (done.code, done.err) == (0, "")
    begins = ("D sees ", "D answers ", "    D:  ", "    G:  ", "Goes wrong: ")
    places = [done.out.index(f"\n{begin}") for begin in begins]
    places += [done.out.index(f"\n{end}") for end in ("Symbols:", "Code:", "Recipes that start it")]
    assert places == sorted(places)
    assert done.out.startswith(f"{title}\n")
    assert f"    {find_member(title).code[0]}\n" in done.out


def test_only_symbols_that_are_used_are_explained(acgan: Acgan) -> None:
    symbols = acgan("explain", "gan").out.split("Symbols:")[1].split("Code:")[0]
    assert "    z  " in symbols
    assert "proxy" not in symbols
    assert "the proxy of a class" in acgan("explain", "reacgan").out


def test_json_has_all_of_it(acgan: Acgan) -> None:
    told = json.loads(acgan("explain", "TAC-GAN", "--json").out)
    assert told["name"] == "tac"
    assert told["discriminator"].startswith("ℓ_real(s(x))")
    assert told["code"][0] == "acgan.objectives.tac.TAC"
    assert "tac-gray" in told["recipes"]


def test_every_recipe_starts_one_member() -> None:
    started = {one.title: starting_with(one) for one in members()}
    assert sorted(name for names in started.values() for name in names) == sorted(recipe_names())
    assert "small-gray" in started["ACGAN"]
    for name in started["ACGAN-Mod"]:
        assert load_recipe(name).values["objective"]["source_loss"] == "hinge"
        assert load_recipe(name).values["discriminator"]["spectral_norm"]


def test_an_unknown_one_is_refused_with_the_closest(acgan: Acgan) -> None:
    done = acgan("explain", "reacgn")
    assert done.code == 2
    assert "no objective 'reacgn'; did you mean 'ReACGAN'?" in done.err


def test_the_list_imports_nothing_heavy() -> None:
    code = (
        "import sys, acgan.cli.main as m; m.execute(['explain']);"
        "print([n for n in ('torch', 'numpy', 'PIL') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1] == "[]"
