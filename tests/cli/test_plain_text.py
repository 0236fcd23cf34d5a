"""Markdown in a terminal: nothing wider than it, no marks, formulas left as they stand."""

from __future__ import annotations

import pytest

from acgan.cli.plain_text import plain, terminal_width, unmarked
from acgan.objectives.family import FamilyMember, members

WIDTH = 72


@pytest.mark.parametrize("one", members(), ids=lambda one: str(one.title))
def test_every_section_fits(one: FamilyMember) -> None:
    text = plain(one.text, WIDTH)
    assert [line for line in text.splitlines() if len(line) > WIDTH + 8] == []
    assert "**" not in text
    assert "`" not in text
    words = unmarked(one.text).split()
    assert text.split() == words, "not a word is lost"


def test_marks_go_and_what_they_mark_stays() -> None:
    assert unmarked("**Goes wrong**: `a * b` *is* P(y &#124; x), w · CE") == (
        "Goes wrong: a * b is P(y | x), w · CE"
    )


def test_paragraphs_are_wrapped_and_formulas_are_not() -> None:
    text = plain("one two\nthree four five\n\n    a:  b\n    cc: d\n\n* six\n  seven\n* eight", 12)
    assert text == "one two\nthree four\nfive\n\n    a:  b\n    cc: d\n\n* six seven\n* eight"


def test_a_wide_formula_is_closed_up_and_then_broken_before_a_plus() -> None:
    formula = "    G:  first(x)          +  second(y)"
    assert plain(formula, 80) == formula
    assert plain(formula, 32) == "    G:  first(x)  +  second(y)"
    assert plain(formula, 24) == "    G:  first(x)\n          +  second(y)"


@pytest.mark.parametrize(("columns", "width"), [("20", 60), ("77", 77), ("300", 100)])
def test_the_width_is_the_terminals_within_limits(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width
