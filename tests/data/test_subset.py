"""Fractions, so many per class, long tails: counts exact, draws seeded and nested."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.config import DataConfig
from acgan.data.images import make_classes
from acgan.data.split import long_tail_counts, sample_per_class, selected_classes, subset_counts
from acgan.errors import DataError, UsageError

CLASSES = make_classes(["one", "two", "three"])


def counts(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_a_fraction_keeps_at_least_one_image() -> None:
    config = DataConfig(fraction=0.25)
    assert subset_counts(counts(100, 10, 1), config).tolist() == [25, 2, 1]


def test_per_class_is_an_upper_limit() -> None:
    assert subset_counts(counts(100, 10, 1), DataConfig(per_class=10)).tolist() == [10, 10, 1]


def test_without_a_choice_all_images_are_used() -> None:
    assert subset_counts(counts(3, 4), DataConfig()).tolist() == [3, 4]


def test_the_long_tail_of_cifar10_is_the_published_one() -> None:
    # Cui et al. 2019, CIFAR-10 with imbalance 100: int(5000 · 0.01^(k/9))
    published = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert long_tail_counts(np.full(10, 5000, np.int64), 100).tolist() == published


@given(
    available=st.lists(st.integers(50, 500), min_size=2, max_size=8),
    ratio=st.floats(1, 40),
)
def test_a_long_tail_is_never_longer_than_the_data(available: list[int], ratio: float) -> None:
    tail = long_tail_counts(counts(*available), ratio)
    assert (tail <= available).all()
    assert (np.diff(tail) <= 0).all()
    assert tail[-1] - 1 <= tail[0] / ratio <= tail[-1] + 1 + 1 / ratio


def test_impossible_long_tails_are_refused() -> None:
    with pytest.raises(DataError, match="use at most 20"):
        long_tail_counts(counts(20, 20), 21)
    with pytest.raises(DataError, match="two classes"):
        long_tail_counts(counts(20), 2)


@pytest.mark.slow
@given(
    labels=st.lists(st.integers(0, 2), min_size=30, max_size=60),
    seed=st.integers(0, 2**32),
    share=st.floats(0, 1),
)
def test_a_draw_has_the_counts_and_lies_within_every_larger_draw(
    labels: list[int], seed: int, share: float
) -> None:
    array = np.array(labels, np.int64)
    available = np.bincount(array, minlength=3).astype(np.int64)
    small = np.floor(available * share).astype(np.int64)
    drawn = sample_per_class(array, CLASSES, small, seed=seed)
    assert np.bincount(array[drawn], minlength=3).tolist() == small.tolist()
    assert (np.diff(drawn) > 0).all()
    larger = np.minimum(small + 1, available)
    assert set(drawn) <= set(sample_per_class(array, CLASSES, larger, seed=seed))
    np.testing.assert_array_equal(drawn, sample_per_class(array, CLASSES, small, seed=seed))


def test_seeds_draw_differently() -> None:
    labels = np.zeros(100, np.int64)
    draws = [
        sample_per_class(labels, CLASSES, counts(50, 0, 0), seed=seed).tolist() for seed in (0, 1)
    ]
    assert draws[0] != draws[1]


def test_kept_classes_are_found_by_name_and_stay_in_label_order() -> None:
    assert selected_classes(CLASSES, ["three", "one", "three"]) == [0, 2]
    with pytest.raises(UsageError, match="did you mean 'three'"):
        selected_classes(CLASSES, ["thre"])
