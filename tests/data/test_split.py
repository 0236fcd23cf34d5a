"""The cut: disjoint, complete, stratified, seeded, and kind to tiny classes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.config import DataConfig
from acgan.data.images import make_classes
from acgan.data.source import Split, SplitCodes
from acgan.data.split import split_dataset
from acgan.errors import DataError

SIZES = st.lists(st.integers(3, 80), min_size=1, max_size=6)
SHARES = st.floats(0.01, 0.49)


def cut(
    labels: list[int],
    given_parts: Sequence[int] | None = None,
    *,
    seed: int = 0,
    share: float = 0.1,
) -> SplitCodes:
    splits = given_parts if given_parts is not None else [Split.TRAIN] * len(labels)
    return split_dataset(
        np.array(labels, np.int64),
        np.array(splits, np.int8),
        make_classes([f"class {index}" for index in range(max(labels) + 1)]),
        DataConfig(validation_share=share, test_share=share, split_seed=seed),
    )


def labels_of(sizes: list[int]) -> list[int]:
    labels = [index for index, size in enumerate(sizes) for _ in range(size)]
    random.Random(0).shuffle(labels)
    return labels


@given(sizes=SIZES, seed=st.integers(0, 2**32), share=SHARES)
def test_every_class_is_in_every_part_in_proportion(
    sizes: list[int], seed: int, share: float
) -> None:
    labels = labels_of(sizes)
    splits = cut(labels, seed=seed, share=share)
    assert set(splits.tolist()) == {0, 1, 2}
    for index, size in enumerate(sizes):
        counts = np.bincount(splits[np.array(labels) == index], minlength=3)
        assert counts.min() >= 1
        assert counts.sum() == size
        for split in (Split.VALIDATION, Split.TEST):
            assert abs(counts[split] - size * share) <= 1


@given(sizes=SIZES, seed=st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_cut(sizes: list[int], seed: int) -> None:
    np.testing.assert_array_equal(
        cut(labels_of(sizes), seed=seed), cut(labels_of(sizes), seed=seed)
    )


def test_another_seed_gives_another_cut() -> None:
    labels = [0, 1] * 100
    assert (cut(labels, seed=0) != cut(labels, seed=1)).any()


def test_the_cut_of_a_class_does_not_depend_on_the_others() -> None:
    alone = cut([0] * 50)
    together = cut([0, 1] * 50)
    np.testing.assert_array_equal(together[::2], alone)


def test_each_class_has_an_order_of_its_own() -> None:
    both = cut([0] * 40 + [1] * 40, share=0.25)
    assert sorted(both[:40]) == sorted(both[40:])
    assert both[:40].tolist() != both[40:].tolist()


def test_parts_that_the_source_brings_stay_as_they_are() -> None:
    labels = [0, 1] * 30
    brought = [Split.TRAIN] * 40 + [Split.TEST] * 20
    splits = cut(labels, [int(split) for split in brought])
    np.testing.assert_array_equal(splits[40:], np.full(20, Split.TEST))
    assert np.bincount(splits[:40]).tolist() == [36, 4]  # a tenth of 20 for each of two classes


def test_test_is_cut_from_train_where_only_validation_is_brought() -> None:
    labels = [0] * 30
    splits = cut(labels, [Split.TRAIN] * 20 + [Split.VALIDATION] * 10)
    assert np.bincount(splits[:20], minlength=3).tolist() == [18, 0, 2]
    assert (splits[20:] == Split.VALIDATION).all()


def test_nothing_is_cut_where_all_parts_are_brought() -> None:
    brought = [0, 0, 1, 2]
    assert cut([0, 0, 0, 0], brought).tolist() == brought


@pytest.mark.parametrize("share", [0.1, 0.33, 0.49])
def test_three_images_give_one_to_each_part(share: float) -> None:
    assert sorted(cut([0, 0, 0], share=share).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_images_are_refused_with_the_class_named(count: int) -> None:
    with pytest.raises(DataError, match=rf"'class 1' has only {count} training image.*at least 3"):
        cut([0] * 10 + [1] * count)


def test_a_class_without_training_images_is_refused() -> None:
    with pytest.raises(DataError, match="'class 1' has no training image"):
        cut([0, 0, 0, 1], [0, 0, 0, 2])
