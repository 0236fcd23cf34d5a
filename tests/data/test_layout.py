"""What paths mean: classes, parts, wrapping folders, and the cases that cannot be guessed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.data.layout import Layout, parse_layout
from acgan.data.source import Split
from acgan.errors import DataError


def layout(
    *files: str,
    empty: tuple[str, ...] = (),
    tables: Mapping[str, Mapping[str, str]] | None = None,
    unread: Mapping[str, str] | None = None,
) -> Layout:
    folders = {
        str(parent)
        for path in (*files, *(tables or {}), *(unread or {}), *(f"{each}/x" for each in empty))
        for parent in PurePosixPath(path).parents
        if str(parent) != "."
    }
    return parse_layout(sorted(files), sorted(folders), tables, unread)


def found(result: Layout) -> list[tuple[str, str, Split]]:
    return [(e.path, result.classes[e.label], e.split) for e in result.entries]


def test_each_folder_is_a_class_with_all_that_lies_below_it() -> None:
    result = layout("dog/1.png", "cat/deep/er/2.png", "cat/1.png")
    assert found(result) == [
        ("cat/1.png", "cat", Split.TRAIN),
        ("cat/deep/er/2.png", "cat", Split.TRAIN),
        ("dog/1.png", "dog", Split.TRAIN),
    ]


def test_numbers_in_names_are_ordered_by_value() -> None:
    assert layout("10/a.png", "9/a.png", "b/a.png").classes == ("9", "10", "b")


@pytest.mark.parametrize(
    "validation", ["val", "Valid", "validation", "dev", "validSet", "val-data"]
)
def test_parts_above_the_classes_are_known(validation: str) -> None:
    result = layout("train/a/1.png", "train/b/1.png", f"{validation}/a/2.png", "TEST/b/3.png")
    assert result.classes == ("a", "b")
    assert {(path, split) for path, _, split in found(result)} == {
        ("train/a/1.png", Split.TRAIN),
        ("train/b/1.png", Split.TRAIN),
        (f"{validation}/a/2.png", Split.VALIDATION),
        ("TEST/b/3.png", Split.TEST),
    }


def test_folders_around_everything_are_passed_through() -> None:
    inner = layout("set/v1/cat/1.png", "set/v1/dog/1.png", "set/README.txt")
    assert inner.classes == ("cat", "dog")
    assert inner.outside == ("set/README.txt",)
    assert layout("set/train/cat/1.png", "set/test/cat/1.png").classes == ("cat",)


def test_one_class_alone_is_a_class() -> None:
    assert layout("cat/1.png").classes == ("cat",)
    assert layout("wrap/cat/1.png").classes == ("cat",)


def test_a_class_may_be_called_train() -> None:
    assert layout("train/1.png", "plane/1.png").classes == ("plane", "train")


def test_images_without_any_folder_are_of_one_class() -> None:
    result = layout("10.png", "9.jpg", "a.txt")
    assert found(result) == [(path, "image", Split.TRAIN) for path in ("9.jpg", "10.png", "a.txt")]
    assert result.outside == ()
    beside = layout("1.png", "cat/1.png", "dog/1.png")
    assert beside.classes == ("cat", "dog")
    assert beside.outside == ("1.png",)


@pytest.mark.parametrize(
    ("files", "empty", "words"),
    [
        ((), (), "no files"),
        (("1.txt", "2"), (), "files, but no images"),
        (
            ("1.heic", "2.HEIC", "3.npy"),
            (),
            r"files, but no images \(2 with \.heic, 1 with \.npy; .* have to be converted\)",
        ),
        (("1.png", "2.png"), ("dog",), "class folder 'dog' is empty"),
        (("cat/1.png",), ("dog",), "class folder 'dog' is empty"),
        (("train/a/1.png", "test/a/1.png", "other/1.png"), (), "may be splits or classes"),
        (("train/a/1.png", "val/a/1.png", "valid/a/1.png"), (), "same split"),
        (("train/a/1.png", "train/b/1.png", "test/1.png"), (), "'train' with sub-folders next to"),
        (("train/1.png", "test/1.png"), (), "may be classes of these names or splits"),
        (("train/1.png", "dev/1.png", "cat/1.png"), (), "may be classes of these names or splits"),
        (("train/cat.1.jpg", "test1/1.jpg"), (), "may be classes of these names or splits"),
        (("train/a/1.png", "extra/1.png"), (), "'extra' next to 'train' may be splits or classes"),
        (("test/a/1.png", "test/b/1.png"), (), "found 'test', but no folder 'train'"),
        (("images/a/1.png", "masks/a/1.png"), (), "'images' next to 'masks' may be a class or"),
        (("images/1.png", "masks/1.png"), (), "'images' next to 'masks' may be a class or"),
        (("images/1.png", "labels/1.txt"), (), "'images' next to 'labels' may be a class or"),
        (
            (
                "train/images/1.png",
                "train/labels/1.txt",
                "valid/images/2.png",
                "valid/labels/2.txt",
            ),
            (),
            "'train/images' next to 'train/labels' may be a class or",
        ),
        (
            ("x/a/1.png", "x/b/1.png", "y/a/1.png", "y/b/1.png"),
            (),
            "'x', 'y' have the same sub-folders .'a', 'b'.; either may be the classes",
        ),
        (("cat/train/1.png", "dog/1.png"), (), "sub-folders of 'cat' may be splits or parts"),
        (
            ("a/train/1.png", "a/x/2.png", "b/train/3.png"),
            (),
            "sub-folders of 'a', 'b' may be splits or parts",
        ),
        (("1.png", "2.png", "cat/3.png"), (), "2 images .such as '1.png'. outside of the class"),
        (("val/a/1.png", "test/a/1.png"), (), "no folder 'train'"),
        (("train/a/1.png", "test/b/1.png"), (), "'b' has no folder in the training split; add one"),
        (
            ("train/Cat/1.png", "test/cat/1.png"),
            (),
            "'cat' has no folder in the training split, which has 'Cat'; rename one of the two",
        ),
        (("train/\u00e9/1.png", "train/e\u0301/1.png"), (), "look the same"),
        (("train/a/1.png", "test/a\u200b/1.png"), (), "look the same"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    files: tuple[str, ...], empty: tuple[str, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        layout(*files, empty=empty)


NAMES = st.lists(
    st.sampled_from(["ant", "bee", "Cow", "dog 2", "7", "été", "犬"]),
    min_size=2,
    max_size=4,
    unique=True,
)


@given(NAMES, st.sampled_from(["old", "backup", "extra", "Raw"]), st.data())
def test_a_folder_that_repeats_names_of_its_siblings_is_refused(
    names: list[str], extra: str, data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    prefix = data.draw(st.sampled_from(["", "wrap/", "train/"]))
    files = [f"{prefix}{name}/1.png" for name in names]
    repeated = [f"{prefix}{extra}/{name}/1.png" for name in again]
    with pytest.raises(DataError, match=f"repeat names of class folders beside '{prefix}{extra}'"):
        layout(*files, *repeated)
    assert len(layout(*files).classes) == len(names)


@given(
    NAMES,
    st.sampled_from(
        [
            *(("thumbnails",), ("Thumbs",), ("unlabeled",), ("unlabelled",), ("HR", "LR")),
            *(("input", "target"), ("Source", "Target"), ("labeled/x", "labeled/y", "unlabeled")),
        ]
    ),
    st.booleans(),
)
def test_folders_of_other_kinds_of_images_are_no_classes(
    names: list[str], kinds: tuple[str, ...], alone: bool
) -> None:
    names = [] if alone and len(kinds) > 1 else names
    with pytest.raises(DataError, match=r"may be (a class|classes) or .* for .* rename"):
        layout(*(f"{name}/1.png" for name in (*names, *kinds)))


@given(NAMES, st.sampled_from(["{0}{1}", "{0}_{1}", "{1}-{0}", "{1} {0}"]), st.booleans())
def test_classes_with_a_split_in_their_name_are_refused(
    names: list[str], pattern: str, upper: bool
) -> None:
    classes = ["A", "B"] if upper else ["Cats", "Dogs", "Owls"][: len(names)]
    files = [f"{pattern.format(s, c)}/1.png" for s in ("train", "test") for c in classes]
    with pytest.raises(
        DataError, match=f"or splits of the class '{classes[0]}'.*train/{classes[0]}"
    ):
        layout(*files)
    assert layout("test tube/1.png", "train station/1.png").classes == (
        *("test tube", "train station"),
    )


def test_classes_may_stand_above_their_splits() -> None:
    result = layout("cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/note.txt")
    assert found(result) == [
        ("cat/train/1.png", "cat", Split.TRAIN),
        ("dog/train/3.png", "dog", Split.TRAIN),
        ("cat/test/2.png", "cat", Split.TEST),
    ]
    assert result.outside == ("dog/note.txt",)


def test_splits_may_spell_a_class_in_other_forms() -> None:
    result = layout("train/\u00e9/1.png", "test/e\u0301/2.png")
    assert result.classes == ("\u00e9",)
    assert [(entry.split, entry.path) for entry in result.entries] == [
        (Split.TRAIN, "train/\u00e9/1.png"),
        (Split.TEST, "test/e\u0301/2.png"),
    ]
    tables = {"train.csv": {"1.png": "\u00e9"}, "test.csv": {"2.png": "e\u0301"}}
    assert layout("1.png", "2.png", tables=tables).classes == ("\u00e9",)


def test_a_split_alone_is_a_split() -> None:
    assert layout("train/cat/1.png", "train/dog/1.png").classes == ("cat", "dog")
    assert layout("set/train/1.png", "set/train/2.png").classes == ("image",)


@pytest.mark.parametrize(
    ("train", "test"),
    [("training_set/training_set", "test_set/test_set"), ("seg_train/images", "seg_eval/images")],
)
def test_splits_may_be_wrapped_in_themselves(train: str, test: str) -> None:
    result = layout(f"{train}/cat/1.png", f"{train}/dog/1.png", f"{test}/cat/2.png")
    assert [(name, split) for _, name, split in found(result)] == [
        ("cat", Split.TRAIN),
        ("dog", Split.TRAIN),
        ("cat", Split.TEST),
    ]


def test_an_empty_split_is_named() -> None:
    result = layout("train/a/1.png", empty=("test",))
    assert result.classes == ("a",)
    assert result.notes == ("the folder 'test' is empty; this split is taken from training",)


def test_merged_sub_folders_are_named() -> None:
    (note,) = layout("a/images/1.png", "b/images/1.png", "b/old/er/2.png", "c/3.png").notes
    assert note == (
        "3 sub-folders of 2 classes ('a', 'b') merged into the class above, for example 'a/images'"
    )


CAT_DOG = {"1.png": "cat", "2.png": "dog", "3.png": "cat"}


@pytest.mark.parametrize(
    ("table", "rows", "folder"),
    [
        ("labels.csv", CAT_DOG, ""),
        ("set/metadata.jsonl", CAT_DOG, "set/"),
        ("annotations/labels.csv", CAT_DOG, "images/"),
        ("labels.csv", {f"./images\\{name}": label for name, label in CAT_DOG.items()}, "images/"),
        ("labels.csv", {name[0]: label for name, label in CAT_DOG.items()}, "images/deep/"),
        ("train.csv", {f"/mnt/x/{name}": label for name, label in CAT_DOG.items()}, "set/images/"),
    ],
)
def test_a_label_file_gives_the_classes(table: str, rows: dict[str, str], folder: str) -> None:
    result = layout(*(folder + name for name in CAT_DOG), tables={table: rows})
    assert found(result) == [
        (f"{folder}1.png", "cat", Split.TRAIN),
        (f"{folder}3.png", "cat", Split.TRAIN),
        (f"{folder}2.png", "dog", Split.TRAIN),
    ]
    assert result.notes == (f"the labels are those of {table!r}",)


def test_label_files_of_splits_are_read_together() -> None:
    files = ("train/1.png", "train/2.png", "test/1.png")
    tables = {
        "train/metadata.csv": {"1.png": "a", "2.png": "b"},
        "test/metadata.csv": {"1.png": "b"},
    }
    assert found(layout(*files, tables=tables)) == [
        ("train/1.png", "a", Split.TRAIN),
        ("train/2.png", "b", Split.TRAIN),
        ("test/1.png", "b", Split.TEST),
    ]


def test_images_of_a_folder_without_rows_are_left_out_and_counted() -> None:
    result = layout(
        *("train/1.png", "train/2.png", "test/1.png"),
        tables={"train.csv": {"1": "a", "2": "b"}},
        unread={"test.csv": "it has no column of labels"},
    )
    assert [path for path, _, _ in found(result)] == ["train/1.png", "train/2.png"]
    assert result.outside == ("test/1.png",)
    assert result.notes[1] == "test.csv is not read: it has no column of labels"


def test_rows_without_image_and_images_without_row_are_listed() -> None:
    rows = {"1.png": "a", "2.png": "b", "9.png": "b"}
    result = layout("1.png", "2.png", "3.png", "notes.txt", tables={"labels.csv": rows})
    assert result.unusable == {
        "3.png": "no row in 'labels.csv'",
        "9.png": "in labels.csv, but there is no such file",
    }
    assert result.outside == ("notes.txt",)


def test_stylegan_s_numbered_folders_are_no_classes() -> None:
    files = ("00000/img00000000.png", "00000/img00000001.png", "00001/img00001000.png")
    assert layout(*files, tables={"dataset.json": {}}).classes == ("image",)
    rows = dict(zip(files, "010", strict=True))
    assert [(name) for _, name, _ in found(layout(*files, tables={"dataset.json": rows}))] == [
        *("0", "0", "1")
    ]


def test_a_label_file_beside_class_folders_must_agree() -> None:
    files = ("x/1.png", "x/2.png", "y/3.png")
    tables = {"labels.csv": {"1.png": "cat", "2.png": "cat", "3.png": "dog", "4.png": "dog"}}
    result = layout(*files, tables=tables)
    assert result.classes == ("x", "y")
    (note,) = result.notes
    assert note == "class folders and 'labels.csv' have the same labels; 1 row without a file"
    wrapped = layout(*(f"set/{path}" for path in files), tables={"set/labels.csv": {"1": "cat"}})
    assert wrapped.classes == ("x", "y")
    for wrong in ("dog", "bird"):
        tables["labels.csv"]["2.png"] = wrong
        with pytest.raises(
            DataError, match=f"'x/2.png' has the class 'x' by its folder and '{wrong}'"
        ):
            layout(*files, tables=tables)


def test_a_label_file_that_is_not_read_is_named_and_stops_data_without_classes() -> None:
    unread = {"labels.csv": "it has several columns of labels"}
    assert layout("x/1.png", "y/2.png", unread=unread).notes == (
        "labels.csv is not read: it has several columns of labels",
    )
    with pytest.raises(
        DataError, match=r"^labels.csv is not read: .*move it away to train without"
    ):
        layout("1.png", "2.png", unread=unread)
    with pytest.raises(DataError, match="names none of the images"):
        layout("1.png", "2.png", tables={"labels.csv": {"9.png": "a"}})
    with pytest.raises(DataError, match=r"may be classes .*\(labels.csv is not read"):
        layout("train/1.png", "test/2.png", unread=unread)


def test_many_unread_files_are_one_sentence() -> None:
    unread = {f"{number}.xml": "labels are read from CSV" for number in range(9)}
    assert layout("x/1.png", "y/2.png", unread=unread).notes == (
        "'0.xml', '1.xml', '2.xml' and 6 more are not read: labels are read from CSV",
    )


def test_a_name_in_a_label_file_that_fits_several_images_is_refused() -> None:
    with pytest.raises(DataError, match=r"'1\.png' in labels\.csv may be 'a/1.png' or 'b/1.png'"):
        layout("a/1.png", "b/1.png", tables={"labels.csv": {"1.png": "cat"}})
    with pytest.raises(DataError, match=r"'1\.png' has the labels 'cat' and 'dog' in"):
        layout("1.png", tables={"a.csv": {"1.png": "cat"}, "b.csv": {"1": "dog"}})


PIECES = ["train", "test", "val", "images", "masks", "cat", "dog", "a b", "dev"]
trees = st.sets(
    st.lists(st.sampled_from(PIECES), max_size=3).flatmap(
        lambda above: st.sampled_from(["1.png", "2.jpg", "x.txt"]).map(
            lambda n: "/".join([*above, n])
        )
    ),
    min_size=1,
    max_size=8,
)


@given(trees, st.booleans())
@settings(max_examples=400)
def test_every_file_is_used_outside_or_refused_and_no_split_is_a_class_beside_a_split(
    files: set[str], wrapped: bool
) -> None:
    files = {f"wrap/{path}" for path in files} if wrapped else files
    try:
        result = layout(*files)
    except DataError:
        return
    assert sorted([*result.outside, *(e.path for e in result.entries)]) == sorted(files)
    names = {
        "train": Split.TRAIN,
        "test": Split.TEST,
        "val": Split.VALIDATION,
        "dev": Split.VALIDATION,
    }
    assert len(names.keys() & result.classes) < 2
    for path, _, split in found(result):
        above = [names[piece] for piece in path.split("/")[:-1] if piece in names]
        assert split in above or split == Split.TRAIN
    assert not {"images", "masks"} <= set(result.classes)
    assert len(result.classes) < 2 or "images" not in result.classes
