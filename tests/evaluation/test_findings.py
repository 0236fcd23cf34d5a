from __future__ import annotations

from types import SimpleNamespace

from acgan.evaluation.findings import Rule, first_finding, known, listed

RULES = (
    Rule("large", "fault", lambda f: f.value > 2, "The value is {f.value:.1f}."),
    Rule("positive", "warning", lambda f: f.value > 0, "The value of {f.name} is above 0."),
)


def test_the_first_rule_that_applies_gives_the_finding() -> None:
    (large,) = first_finding(RULES, SimpleNamespace(value=3.0, name="a"))
    assert (large.key, large.level, large.sentence) == ("large", "fault", "The value is 3.0.")
    (positive,) = first_finding(RULES, SimpleNamespace(value=1.0, name="a"))
    assert positive.sentence == "The value of a is above 0."
    assert first_finding(RULES, SimpleNamespace(value=-1.0, name="a")) == ()


def test_an_undefined_number_gives_no_finding() -> None:
    assert first_finding(RULES, SimpleNamespace(value=known(None), name="a")) == ()
    assert known(0.5) == 0.5


def test_long_lists_are_cut() -> None:
    assert listed([], 2) == ""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
