"""Configurations: sentences for mistakes, overrides, round trips, differences, hashes."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from typing import Annotated, Any, Literal, Self, final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from acgan.config import (
    Config,
    canonical_json,
    difference,
    flatten,
    parse_override,
    short_hash,
    validate,
    with_overrides,
)
from acgan.errors import UsageError


@final
class Convolutional(Config):
    family: Literal["upsample-conv"] = "upsample-conv"
    channels: tuple[int, ...] = (64, 32)
    batch_norm: bool = True


@final
class Dense(Config):
    family: Literal["dense"] = "dense"
    width: int = Field(128, ge=1)


@final
class Penalty(Config):
    gamma: float = Field(1.0, gt=0)


@final
class Loop(Config):
    rate: float = Field(2e-4, gt=0)
    batch_size: int = Field(64, ge=2)
    minutes: float | None = None
    size: tuple[int, int] | None = None
    mode: Literal["shared", "fresh"] = "fresh"

    @model_validator(mode="after")
    def _batch_fits(self) -> Self:
        if self.mode == "shared" and self.batch_size > 1000:
            raise ValueError("a shared batch has at most 1000 images")
        return self


Network = Annotated[Convolutional | Dense, Field(discriminator="family")]


@final
class Run(Config):
    name: str
    network: Network = Convolutional()
    networks: tuple[Network, ...] = ()
    penalties: tuple[Penalty, ...] = ()
    loop: Loop = Loop()

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if not self.name:
            raise ValueError("give the run a name")
        return self


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        validate(Run, {"name": "x", **values}, where="recipe r")
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        # unknown keys: at the top, nested, inside unions and tuples
        (
            {"nmae": 1},
            "unknown key 'nmae'; did you mean 'name'? "
            "Keys: loop, name, network, networks, penalties",
        ),
        (
            {"loop": {"bach_size": 1}},
            "unknown key 'loop.bach_size'; did you mean 'batch_size'? "
            "Keys: batch_size, minutes, mode, rate, size",
        ),
        (
            {"loop": {"qqq": 1}},
            "unknown key 'loop.qqq'; keys: batch_size, minutes, mode, rate, size",
        ),
        (
            {"network": {"family": "upsample-conv", "chanels": 1}},
            "unknown key 'network.chanels'; did you mean 'channels'? "
            "Keys: batch_norm, channels, family",
        ),
        (
            {"network": {"family": "dense", "channels": [1]}},
            "unknown key 'network.channels'; keys: family, width",
        ),
        (
            {"networks": [{"family": "dense", "wdith": 1}]},
            "unknown key 'networks.0.wdith'; did you mean 'width'? Keys: family, width",
        ),
        (
            {"penalties": [{"gama": 1}]},
            "unknown key 'penalties.0.gama'; did you mean 'gamma'? Keys: gamma",
        ),
        # the tag of a union
        (
            {"network": {"family": "upsampleconv"}},
            "network.family: unknown value 'upsampleconv'; did you mean 'upsample-conv'? "
            "Values: upsample-conv, dense",
        ),
        (
            {"network": {"family": "unet"}},
            "network.family: unknown value 'unet'; values: upsample-conv, dense",
        ),
        ({"network": {"width": 3}}, "network.family is missing"),
        # values
        ({"loop": 5}, "loop is a section, not a value (got 5); set one of its keys"),
        ({"network": 5}, "network is a section, not a value (got 5); set one of its keys"),
        ({"loop": {"rate": 0}}, "loop.rate: input should be greater than 0 (got 0)"),
        ({"loop": {"rate": float("nan")}}, "loop.rate: input should be a finite number (got nan)"),
        (
            {"network": {"family": "dense", "width": 0}},
            "network.width: input should be greater than or equal to 1 (got 0)",
        ),
        ({"loop": {"mode": "old"}}, "loop.mode: input should be 'shared' or 'fresh' (got 'old')"),
        (
            {"penalties": "gamma"},
            """penalties is a list; write penalties='["gamma"]' instead of "gamma\"""",
        ),
        (
            {"penalties": None},
            "penalties: input should be a valid tuple (got None)",
        ),
        # a table with what JSON does not have
        (
            {"penalties": {"gamma": datetime.date(1979, 5, 27)}},
            "penalties: input should be a valid tuple",
        ),
        # rules of a whole section, and of the whole
        (
            {"loop": {"mode": "shared", "batch_size": 2000}},
            "loop: a shared batch has at most 1000 images",
        ),
        ({"name": ""}, "give the run a name"),
    ],
)
def test_a_mistake_gets_its_sentence(values: dict[str, Any], sentence: str) -> None:
    assert refusal(values) == f"recipe r: {sentence}"


ODD = ["[" * 5000, "{a=" * 5000, "9" * 5000, "\\0", '"\\u0000"', "\udcff", '"\\ud800"', "a" * 5000]
ODD += [
    "1e999",
    "inf",
    "-inf",
    "nan",
    "[nan]",
    "[" + "1," * 5000 + "]",
    "''" + "'",
    "\x1b[31m",
    "0x" * 3000,
]
KEYS = [
    "loop.batch_size",
    "loop.rate",
    "loop.mode",
    "loop",
    "penalties",
    "network",
    "network.family",
]


@pytest.mark.parametrize("key", [*KEYS, "x" * 5000, "a." * 2000 + "b", "name\0"], ids=range(10))
@pytest.mark.parametrize("number", range(len(ODD)))
def test_an_odd_option_is_refused_with_a_short_sentence(key: str, number: int) -> None:
    valid = {"name": "n", "network": {"family": "dense"}}
    with pytest.raises(UsageError) as caught:
        validate(Run, with_overrides(valid, [f"{key}={ODD[number]}"]), where="options")
    sentence = str(caught.value)
    assert len(sentence) < 500
    assert all(each.isprintable() for each in sentence)


def test_a_missing_key_is_said() -> None:
    with pytest.raises(UsageError, match=r"^here: name is missing$"):
        validate(Run, {}, where="here")


def test_every_mistake_is_said_at_once() -> None:
    message = refusal({"nmae": 1, "loop": {"rate": -1}})
    assert "'nmae'" in message
    assert "loop.rate" in message


def test_configurations_are_values() -> None:
    run = Run(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        run.name = "y"  # type: ignore[misc]
    assert run == Run(name="x")
    assert hash(run) == hash(Run(name="x"))


def test_defaults_obey_the_rules_too() -> None:
    @final
    class Wrong(Config):
        rate: float = Field(0.0, gt=0)

    with pytest.raises(UsageError, match="rate"):
        validate(Wrong, {}, where="here")


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("a=1", ("a",), 1),
        ("a=-3", ("a",), -3),
        ("a=20_000", ("a",), 20_000),
        ("a=2e-4", ("a",), 2e-4),
        ("a = 0.5", ("a",), 0.5),
        ("loop.batch_size=64", ("loop", "batch_size"), 64),
        ("a.b.c=1", ("a", "b", "c"), 1),
        ("a=true", ("a",), True),
        ("a=false", ("a",), False),
        ("a=none", ("a",), None),
        ('a="none"', ("a",), "none"),
        ("a=word", ("a",), "word"),
        ("a= two words ", ("a",), "two words"),
        ('a="quoted 1"', ("a",), "quoted 1"),
        ("a='64'", ("a",), "64"),
        ("a=least-squares", ("a",), "least-squares"),
        ("a=/some/folder=odd", ("a",), "/some/folder=odd"),
        ("a=007", ("a",), "007"),
        ("a=1979-05-27", ("a",), "1979-05-27"),
        ("a=07:32:00", ("a",), "07:32:00"),
        ("a=", ("a",), ""),
        ("a=[28, 32]", ("a",), [28, 32]),
        ("a=[]", ("a",), []),
        ('a=["seven", "two"]', ("a",), ["seven", "two"]),
        ("a=[seven, least-squares]", ("a",), ["seven", "least-squares"]),
        ("a=[seven]", ("a",), ["seven"]),
        ("a=[seven, 2.x]", ("a",), "[seven, 2.x]"),
        ("a=[{gamma = 2.0}]", ("a",), [{"gamma": 2.0}]),
        ("a={width = 3}", ("a",), {"width": 3}),
    ],
)
def test_an_override_is_a_path_and_a_toml_value(
    text: str, path: tuple[str, ...], value: object
) -> None:
    parsed_path, parsed = parse_override(text)
    assert parsed_path == path
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["", "a", "=1", ".a=1", "a.=1", "a..b=1"])
def test_an_override_without_a_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"does not have the form section\.key=value"):
        parse_override(text)


def test_overrides_apply_in_order_to_a_copy() -> None:
    values = {"name": "x", "loop": {"rate": 0.1, "mode": "fresh"}, "extra": None}
    before = json.dumps(values)
    result = with_overrides(
        values, ["loop.rate=0.2", "loop.rate=0.3", "network.family=dense", "extra.a=1"]
    )
    assert result == {
        "name": "x",
        "loop": {"rate": 0.3, "mode": "fresh"},
        "network": {"family": "dense"},
        "extra": {"a": 1},
    }
    assert json.dumps(values) == before
    result["loop"]["mode"] = "shared"
    assert json.dumps(values) == before


def test_a_value_cannot_be_entered_like_a_section() -> None:
    with pytest.raises(UsageError, match="'name' is a value, not a section"):
        with_overrides({"name": "x"}, ["name.first=1"])


def test_overrides_of_every_form_reach_the_configuration() -> None:
    values = with_overrides(
        {"name": "x"},
        [
            "name=two words",
            "loop.rate=1",
            "loop.size=[28, 32]",
            "loop.minutes=none",
            "network.family=upsample-conv",
            "network.channels=[8]",
            "network.batch_norm=false",
            "penalties=[{gamma = 2}]",
        ],
    )
    assert validate(Run, values, where="here") == Run(
        name="two words",
        network=Convolutional(channels=(8,), batch_norm=False),
        penalties=(Penalty(gamma=2.0),),
        loop=Loop(rate=1.0, size=(28, 32)),
    )


numbers = st.floats(1e-6, 1e6)
convolutional = st.builds(
    Convolutional,
    channels=st.lists(st.integers(1, 512), max_size=4).map(tuple),
    batch_norm=st.booleans(),
)
dense = st.builds(Dense, width=st.integers(1, 4096))
loops = st.builds(
    Loop,
    rate=numbers,
    batch_size=st.integers(2, 1000),
    minutes=st.none() | numbers,
    size=st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99)),
    mode=st.sampled_from(["shared", "fresh"]),
)
runs = st.builds(
    Run,
    # what TOML can say: any text but control characters and halves of surrogate pairs
    name=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1),
    network=convolutional | dense,
    networks=st.lists(convolutional | dense, max_size=2).map(tuple),
    penalties=st.lists(st.builds(Penalty, gamma=numbers), max_size=2).map(tuple),
    loop=loops,
)


@settings(deadline=None)
@given(runs)
def test_a_configuration_survives_json(run: Run) -> None:
    values = json.loads(json.dumps(run.model_dump(mode="json")))
    again = validate(Run, values, where="json")
    assert again == run
    assert canonical_json(again.model_dump(mode="json")) == canonical_json(values)


def toml(value: object) -> str:
    """TOML text of a plain value without None (json writes TOML's numbers, strings and lists)."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)


@settings(deadline=None)
@given(runs)
def test_a_configuration_survives_as_overrides(run: Run) -> None:
    leaves = flatten(run.model_dump(mode="json"))
    overrides = [f"{key}={'none' if value is None else toml(value)}" for key, value in leaves]
    assert validate(Run, with_overrides({}, overrides), where="overrides") == run


def test_flatten_lists_leaves_in_order() -> None:
    values = {"b": {"y": 1, "x": {"z": None}}, "a": [1, {"c": 2}], "empty": {}}
    assert list(flatten(values)) == [
        ("b.y", 1),
        ("b.x.z", None),
        ("a", [1, {"c": 2}]),
        ("empty", {}),
    ]


def test_difference_has_a_line_for_each_leaf_that_differs() -> None:
    old = {"loop": {"rate": 0.1, "mode": "fresh"}, "gone": 1, "same": [1]}
    new = {"loop": {"rate": 0.2, "mode": "fresh"}, "same": [1], "came": None}
    assert difference(old, new) == [
        "loop.rate: 0.1 → 0.2",
        "gone: 1 → (absent)",
        "came: (absent) → None",
    ]
    assert difference(old, old) == []


@settings(deadline=None)
@given(runs, runs)
def test_equal_means_no_difference_and_the_same_hash(one: Run, other: Run) -> None:
    values, others = one.model_dump(mode="json"), other.model_dump(mode="json")
    assert (difference(values, others) == []) == (one == other)
    assert (short_hash(values) == short_hash(others)) == (one == other)


def test_canonical_json_forgets_the_order_of_keys() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    assert short_hash({"b": 1, "a": 2}) == short_hash({"a": 2, "b": 1})


def test_short_hash_is_the_same_in_every_process() -> None:
    values = {"name": "größe", "loop": {"rate": 2e-4, "size": None}}
    script = "import json, sys, acgan.config as c; print(c.short_hash(json.loads(sys.argv[1])))"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script, json.dumps(values)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    # Pinned: run folders are named by it, so a change would orphan every run that exists.
    assert hashes == {short_hash(values)} == {"4ada97b0"}


@pytest.mark.parametrize("digits", ["0x" + "f" * 5000, "0b" + "1" * 20_000, "1" * 5000])
@pytest.mark.parametrize("form", ["{}", "[{}]", "[1, [{}]]", "{{a = {}}}", "-{}"])
def test_a_number_of_thousands_of_digits_stays_text(digits: str, form: str) -> None:
    _, value = parse_override(f"training.batch_size={form.format(digits)}")
    assert all(isinstance(each, str) for each in (value if isinstance(value, list) else [value]))
