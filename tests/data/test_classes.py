"""Names of classes: found however a person writes them, folders safe and unique everywhere."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.images import find_class, make_classes
from acgan.errors import UsageError

DIGITS = make_classes(["zero", "seven"], [["0"], ["7"]])


@pytest.mark.parametrize("wanted", ["seven", "SEVEN", " 7 ", "1"])
def test_names_aliases_and_indices_are_found(wanted: str) -> None:
    assert find_class(DIGITS, wanted) == 1


def test_an_exact_name_wins_over_an_index() -> None:
    assert find_class(make_classes(["b", "0"]), "0") == 1


def test_case_is_told_apart_where_it_must_be() -> None:
    letters = make_classes(["A", "a"])
    assert [find_class(letters, name) for name in ("A", "a")] == [0, 1]
    assert letters[0].folder.casefold() != letters[1].folder.casefold()


@pytest.mark.parametrize(
    ("wanted", "words"), [("sevn", "did you mean 'seven'"), ("99", "no class '99'")]
)
def test_unknown_names_are_refused_with_the_known_ones(wanted: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"{words}.*zero, seven"):
        find_class(DIGITS, wanted)


def test_an_ambiguous_name_is_refused() -> None:
    with pytest.raises(UsageError, match="several classes"):
        find_class(make_classes(["x", "y"], [["both"], ["both"]]), "both")


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5, unique=True))
def test_folders_are_single_safe_components(names: list[str]) -> None:
    folders = [name.folder for name in make_classes(names)]
    assert len({folder.casefold() for folder in folders}) == len(names)
    for folder in folders:
        assert PurePosixPath(folder).parts == (folder,)
        assert PureWindowsPath(folder).parts == (folder,)
        assert not folder.startswith(".")
        assert not folder.endswith((".", " "))


def test_names_that_nest_or_are_reserved_are_made_safe() -> None:
    assert [c.folder for c in make_classes(["T-shirt/top", "con", "..", "a b"])] == [
        "T-shirt-top",
        "con-",
        "class",
        "a-b",
    ]


@pytest.mark.parametrize("names", [["a", "a"], ["a", " "]])
def test_empty_and_repeated_names_are_refused(names: list[str]) -> None:
    with pytest.raises(UsageError):
        make_classes(names)
