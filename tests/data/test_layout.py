"""What paths mean: classes, parts, wrapping folders, and the cases that cannot be guessed."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from acgan.data.layout import Layout, parse_layout
from acgan.data.source import Split
from acgan.errors import DataError


def layout(*files: str, empty: tuple[str, ...] = ()) -> Layout:
    folders = {
        str(parent)
        for path in (*files, *(f"{folder}/x" for folder in empty))
        for parent in PurePosixPath(path).parents
        if str(parent) != "."
    }
    return parse_layout(sorted(files), sorted(folders))


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


@pytest.mark.parametrize("validation", ["val", "Valid", "validation"])
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
    assert inner.outside == 1
    assert layout("set/train/cat/1.png", "set/test/cat/1.png").classes == ("cat",)


def test_one_class_alone_is_a_class() -> None:
    assert layout("cat/1.png").classes == ("cat",)
    assert layout("wrap/cat/1.png").classes == ("cat",)


def test_a_class_may_be_called_train() -> None:
    assert layout("train/1.png", "plane/1.png").classes == ("plane", "train")
    assert layout("train/1.png", "test/1.png").classes == ("test", "train")


def test_images_without_any_folder_are_of_one_class() -> None:
    result = layout("10.png", "9.jpg", "a.txt")
    assert found(result) == [(path, "image", Split.TRAIN) for path in ("9.jpg", "10.png", "a.txt")]
    assert result.outside == 0
    beside = layout("1.png", "cat/1.png", "dog/1.png")
    assert beside.classes == ("cat", "dog")
    assert beside.outside == 1


@pytest.mark.parametrize(
    ("files", "empty", "words"),
    [
        ((), (), "no files"),
        (("1.txt", "2"), (), "files, but no images"),
        (("1.png", "2.png"), ("dog",), "class folder 'dog' is empty"),
        (("cat/1.png",), ("dog",), "class folder 'dog' is empty"),
        (("train/a/1.png", "test/a/1.png", "other/1.png"), (), "may be splits or classes"),
        (("train/a/1.png", "val/a/1.png", "valid/a/1.png"), (), "same split"),
        (("val/a/1.png", "test/a/1.png"), (), "no folder 'train'"),
        (("train/a/1.png", "test/b/1.png"), (), "'b' has no folder in the training split"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    files: tuple[str, ...], empty: tuple[str, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        layout(*files, empty=empty)
