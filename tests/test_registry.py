"""The registry: order, names, and what a person hears who spells one wrongly."""

from __future__ import annotations

import pytest

from acgan.errors import UsageError
from acgan.registry import Registry


@pytest.fixture
def sets() -> Registry[int]:
    registry: Registry[int] = Registry("data set")
    registry.register("mnist")(1)
    registry.register("Fashion-MNIST")(2)
    registry.register("svhn")(3)
    return registry


def test_a_thing_is_found_by_its_name(sets: Registry[int]) -> None:
    assert sets["mnist"] == 1
    assert sets["MNIST"] == 1
    assert "mnist" in sets
    assert "MNIST" not in sets, "a folder of that name is meant"


def test_names_come_in_the_order_of_registration(sets: Registry[int]) -> None:
    assert list(sets) == ["mnist", "Fashion-MNIST", "svhn"]


def test_register_is_a_decorator_that_returns_the_thing() -> None:
    registry: Registry[type] = Registry("network")

    @registry.register("one")
    class One:
        pass

    assert registry["one"] is One


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("minst", "mnist"), ("MNISTT", "mnist"), ("fashionmnist", "Fashion-MNIST"), ("shvn", "svhn")],
)
def test_a_misspelt_name_gets_the_right_one(sets: Registry[int], wrong: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        sets[wrong]
    assert str(caught.value) == (
        f"no data set {wrong!r}; did you mean {meant!r}? Data sets: mnist, Fashion-MNIST, svhn"
    )


def test_a_name_like_no_other_gets_the_list(sets: Registry[int]) -> None:
    with pytest.raises(
        UsageError, match="no data set 'imagenet'; data sets: mnist, Fashion-MNIST, svhn"
    ):
        sets["imagenet"]


def test_a_name_is_taken_once(sets: Registry[int]) -> None:
    with pytest.raises(ValueError, match="'mnist' is registered twice"):
        sets.register("mnist")(4)
    assert sets["mnist"] == 1


def test_built_in_things_come_in_the_order_of_their_modules() -> None:
    registry: Registry[int] = Registry("set", ["json", __name__])
    registry.register("ours")(1)
    exec('registry.register("json\'s")(2)', {"__name__": "json", "registry": registry})
    exec('registry.register("plugin\'s")(3)', {"__name__": "plugin", "registry": registry})
    assert list(registry) == ["json's", "ours", "plugin's"]
