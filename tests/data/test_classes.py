"""Names of classes: found however a person writes them, folders safe and unique everywhere."""

from __future__ import annotations

import os
import shlex
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.images import ClassName, find_class, make_classes, read_classes
from acgan.errors import DataError, UsageError, brief, normal_form, printable, shown

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


@given(
    st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5, unique_by=normal_form)
)
def test_folders_are_single_safe_components(names: list[str]) -> None:
    folders = [name.folder for name in make_classes(names)]
    assert len({folder.casefold() for folder in folders}) == len(names)
    for folder in folders:
        assert PurePosixPath(folder).parts == (folder,)
        assert PureWindowsPath(folder).parts == (folder,)
        assert not folder.startswith(".")
        assert not folder.endswith((".", " "))
        assert len(folder.encode()) < 255


def test_names_that_nest_or_are_reserved_are_made_safe() -> None:
    assert [c.folder for c in make_classes(["T-shirt/top", "con", "..", "a b"])] == [
        "T-shirt-top",
        "con-",
        "class",
        "a-b",
    ]


@pytest.mark.parametrize("names", [["a", "a"], ["a", " "]])
def test_empty_and_repeated_names_are_refused(names: list[str]) -> None:
    with pytest.raises(DataError):
        make_classes(names)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("cr\u00e8me", "cre\u0300me", r"'cr\\xe8me' and 'cre\\u0300me' look the same"),
        ("cat", "c\u200bat", r"'cat' and 'c\\u200bat' look the same"),
        ("cat", "cat\u202e", "look the same"),
        ("a b", "a\u00a0 b", "look the same"),
        ("❤", "❤\ufe0f", "look the same"),
        ("b\udcff", "b\\xff", "look the same"),
    ],
)
def test_twins_that_differ_in_form_alone_are_refused(first: str, second: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        make_classes([first, "other", second])


def escaped(name: str) -> str:
    return "".join(f"\\U{ord(c):08x}" if not "\ud800" <= c <= "\udfff" else c for c in name)


ODD = st.sampled_from(
    [
        "crème",
        "ﬁ",
        "Å",
        "각",
        "ﻻ",
        "ẛ̣",
        "İ",
        "ς",
        "日本",
        "👩\u200d🚀",
        "हिन्दी",
        "a\tb",
        "\u202eab",
        "b\udcff",
    ]
)
NAMES = st.lists(
    st.one_of(ODD, st.text(min_size=1)).filter(normal_form),
    min_size=1,
    max_size=4,
    unique_by=lambda name: normal_form(name).casefold(),
)
SPELLINGS = (
    lambda name: unicodedata.normalize("NFC", name),
    lambda name: unicodedata.normalize("NFD", name),
    printable,
    lambda name: f" {name}\u200b ",
    lambda name: escaped(unicodedata.normalize("NFC", name)),
)


@given(NAMES, st.data())
def test_each_spelling_of_a_name_finds_its_class(names: list[str], data: st.DataObject) -> None:
    classes = make_classes(names)
    index = data.draw(st.integers(0, len(names) - 1))
    spelling = data.draw(st.sampled_from(SPELLINGS))
    assert find_class(classes, spelling(names[index])) == index
    assert find_class(classes, classes[index].name) == index, "what is displayed can be typed"


LONG = st.builds(lambda start, end: start * 65 + end, st.sampled_from("xyz"), st.text(max_size=9))
ANY_NAMES = st.lists(
    st.one_of(
        ODD, LONG, st.sampled_from(["-x", "a, b", "a,", "'", "it's", '"', "3", "0"]), st.text()
    )
    .filter(str.strip)
    .filter(normal_form),
    min_size=2,
    max_size=6,
    unique_by=lambda name: normal_form(name).casefold(),
)


@given(ANY_NAMES)
def test_each_name_in_a_message_can_be_pasted_into_a_shell(names: list[str]) -> None:
    classes = make_classes(names)
    for index, name in enumerate(names):
        [typed] = shlex.split(shlex.quote(brief(name)))
        if [brief(each).casefold() for each in names].count(brief(name).casefold()) == 1:
            assert find_class(classes, typed) == index
        else:
            with pytest.raises(
                UsageError, match=rf"\(index {index}\).*the exact name or the index"
            ):
                find_class(classes, typed)


@given(st.lists(st.text("aA-2 !é", min_size=1, max_size=4), min_size=2, max_size=8))
def test_each_folder_finds_its_class(names: list[str]) -> None:
    names = list({normal_form(name): name for name in names if name.strip()}.values())
    classes = make_classes(names)
    assert [find_class(classes, each.folder) for each in classes] == list(range(len(names)))


def test_numbers_are_names_if_all_names_are_numbers() -> None:
    numbers = make_classes(["1", "2", "10"])
    assert [find_class(numbers, wanted) for wanted in ("1", "2", "10")] == [0, 1, 2]
    with pytest.raises(UsageError, match=r"^no class '0'; did you mean '10'. Classes: 1, 2, 10$"):
        find_class(numbers, "0")
    assert find_class(make_classes(["1", "2", "ten"]), "0") == 0


def test_names_with_commas_are_quoted_in_lists() -> None:
    with pytest.raises(UsageError, match=r"[Cc]lasses: e, 'e, f', g \(or an index"):
        find_class(make_classes(["e", "e, f", "g"]), "nothing")


@given(st.text(st.characters(), min_size=1))
def test_displayed_names_have_no_characters_that_a_terminal_interprets(name: str) -> None:
    text = printable(name)
    assert printable(text) == text
    assert all(c.isprintable() or c in "\u200c\u200d" for c in text)
    text.encode()


def test_a_name_with_bytes_that_are_no_utf_8_is_displayed_and_found() -> None:
    classes = make_classes(["a", os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff\xfe")])
    assert [each.name for each in classes] == ["a", r"caf\xe9", r"\xff\xfe"]
    assert find_class(classes, r"\xff\xfe") == 2
    assert find_class(classes, os.fsdecode(b"caf\xe9")) == find_class(classes, "café") == 1


@pytest.mark.parametrize(
    ("names", "wanted", "sentence"),
    [
        (["a"], "b", "no class 'b'; the only class is 'a'"),
        (["a", "c"], "b\x1b[2J", r"no class 'b\x1b[2J'; classes: a, c (or an index from 0 to 1)"),
        (
            ["a", "c"],
            "9" * 5000,
            f"no class '{'9' * 59}…'; classes: a, c (or an index from 0 to 1)",
        ),
        (["a", "n" * 300], "b", f"no class 'b'; classes: a, {'n' * 59}… (or an index from 0 to 1)"),
    ],
)
def test_names_in_messages_are_short_and_harmless(
    names: list[str], wanted: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_class(make_classes(names), wanted)
    assert str(caught.value) == sentence


def test_shown_names_have_quotes_that_they_do_not_contain() -> None:
    assert (shown("a"), shown("it's"), brief("x" * 61)) == ("'a'", '"it\'s"', "x" * 59 + "…")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (ClassName("b", (), "A"), "two classes have the folder 'A'"),
        (ClassName("a", (), "c"), "occurs twice"),
        (ClassName("a\u200b", (), "c"), "look the same"),
    ],
)
def test_classes_of_a_model_have_names_and_folders_of_their_own(
    second: ClassName, words: str
) -> None:
    good = ClassName("a", (), "a")
    assert read_classes([good.to_json()]) == (good,)
    with pytest.raises(DataError, match=words):
        read_classes([good.to_json(), second.to_json()])
