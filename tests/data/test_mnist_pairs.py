"""Pairs of digits: every one is of its number, no digit is in two parts, each is used equally."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from acgan.data import mnist_pairs
from acgan.data.config import DataConfig
from acgan.data.images import ImageShape, LabeledImages, find_class, make_classes
from acgan.data.load import load_data
from acgan.data.mnist_pairs import PAIRS_OF_EACH, load_mnist_pairs, pairs_from
from acgan.data.source import DIGIT_NAMES, NAMED_SETS, Source, Split
from acgan.errors import DataError

TRAIN_OF_EACH, TEST_OF_EACH = 41, 7
HEIGHT = WIDTH = 2


@pytest.fixture(scope="module")
def digits() -> Source:
    """Every picture tells which one it is: digit, part, and number within both, as pixels."""
    return numbered(TRAIN_OF_EACH, TEST_OF_EACH)


def numbered(train: int, test: int) -> Source:
    rows = [
        (digit, split, number)
        for split, count in ((Split.TRAIN, train), (Split.TEST, test))
        for number in range(count)
        for digit in range(10)
    ]
    images = np.zeros((len(rows), 1, HEIGHT, WIDTH), np.uint8)
    images[:, 0, 0, :], images[:, 0, 1, 0] = np.array(rows)[:, :2], np.array(rows)[:, 2]
    labels = np.array([digit for digit, _, _ in rows], np.int64)
    given = np.array([split for _, split, _ in rows], np.int8)
    return Source("mnist", LabeledImages(images, labels, make_classes(DIGIT_NAMES)), given, ("!",))


@pytest.fixture(scope="module")
def pairs(digits: Source) -> Source:
    return pairs_from(digits)


def halves(pairs: Source) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """Digit, part and number of the left and of the right half of each pair."""
    images = pairs.data.images[:, 0].astype(int)
    left, right = images[:, :, :WIDTH], images[:, :, WIDTH:]
    return tuple([(i[0, 0], i[0, 1], i[1, 0]) for i in side] for side in (left, right))  # type: ignore[return-value]


def test_every_number_is_there_equally_often(pairs: Source) -> None:
    assert pairs.data.shape == ImageShape(1, HEIGHT, 2 * WIDTH)
    assert PAIRS_OF_EACH == {Split.TRAIN: 540, Split.VALIDATION: 60, Split.TEST: 100}
    for split, count in PAIRS_OF_EACH.items():
        labels = pairs.data.labels[pairs.splits == split]
        assert np.bincount(labels, minlength=100).tolist() == [count] * 100


def test_a_pair_shows_its_number_from_left_to_right(pairs: Source) -> None:
    left, right = halves(pairs)
    names = [pairs.data.classes[label].name for label in pairs.data.labels]
    assert names == [f"{tens[0]}{ones[0]}" for tens, ones in zip(left, right, strict=True)]


def test_no_digit_is_in_two_parts_and_test_digits_are_tests_own(pairs: Source) -> None:
    left, right = halves(pairs)
    used = {
        split: {d for i in np.flatnonzero(pairs.splits == split) for d in (left[i], right[i])}
        for split in Split
    }
    assert {split for _, split, _ in used[Split.TEST]} == {Split.TEST}
    assert {split for _, split, _ in used[Split.TRAIN] | used[Split.VALIDATION]} == {Split.TRAIN}
    assert not used[Split.TRAIN] & used[Split.VALIDATION]
    assert len(used[Split.TRAIN] | used[Split.VALIDATION]) == 10 * TRAIN_OF_EACH
    assert len(used[Split.VALIDATION]) == 10 * 4
    assert len(used[Split.TEST]) == 10 * TEST_OF_EACH


def test_every_digit_is_used_equally_often(pairs: Source) -> None:
    left, right = halves(pairs)
    for split, count in PAIRS_OF_EACH.items():
        chosen = np.flatnonzero(pairs.splits == split)
        both = [side[i] for i in chosen for side in (left, right)]
        for digit in range(10):
            of_digit = [d for d in both if d[0] == digit]
            assert len(of_digit) == 20 * count
            uses = np.unique([number for _, _, number in of_digit], return_counts=True)[1]
            assert uses.max() - uses.min() <= 1


def test_pairs_are_mixed(pairs: Source) -> None:
    left, right = halves(pairs)
    train = np.flatnonzero((pairs.splits == Split.TRAIN) & (pairs.data.labels == 42))
    assert len({(left[i], right[i]) for i in train}) > 400  # of 540, with 37 × 37 to choose from


def test_they_are_the_same_every_time(pairs: Source, digits: Source) -> None:
    again = pairs_from(digits)
    np.testing.assert_array_equal(again.data.images, pairs.data.images)
    digest = hashlib.sha256(pairs.data.images.tobytes()).hexdigest()
    assert digest.startswith("8a48abe2320e4c91")


def test_classes_answer_to_digits_and_words(pairs: Source) -> None:
    classes = pairs.data.classes
    assert [c.name for c in classes] == [f"{n:02d}" for n in range(100)]
    for wanted, index in {"07": 7, "7": 7, "zero seven": 7, "42": 42, "four two": 42}.items():
        assert find_class(classes, wanted) == index


def test_notes_of_the_digits_stay(pairs: Source) -> None:
    assert pairs.notes == ("!",)
    assert pairs.name == "mnist-pairs"


def test_too_few_digits_are_refused() -> None:
    with pytest.raises(DataError, match="two training images and one test image"):
        pairs_from(numbered(1, 1))


def test_it_is_read_as_mnist_is_and_its_faults_are_mnists(
    tmp_path: Path, digits: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def read(kind: object, root: Path) -> Source:
        asked.append((getattr(kind, "name", None), root))
        return digits

    monkeypatch.setattr(mnist_pairs, "load_idx_set", read)
    splits = load_data(DataConfig(source="mnist-pairs", root=str(tmp_path)))
    assert asked == [("mnist", tmp_path)]
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [54_000, 6_000, 10_000]
    assert NAMED_SETS["mnist-pairs"] is load_mnist_pairs

    def fail(*_: object) -> Source:
        raise DataError("it is damaged")

    monkeypatch.setattr(mnist_pairs, "load_idx_set", fail)
    with pytest.raises(DataError, match="mnist-pairs is made from mnist, but it is damaged"):
        load_mnist_pairs(tmp_path)
