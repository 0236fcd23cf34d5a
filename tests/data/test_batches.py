"""A batch is a window of an endless sequence of permutations; random horizontal flips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.batches import BatchOrder, random_horizontal_flip
from acgan.data.split import random_order


@given(count=st.integers(1, 50), seed=st.integers(0, 2**64), epoch=st.integers(0, 10**9))
def test_each_epoch_shows_every_image_once(count: int, seed: int, epoch: int) -> None:
    window = BatchOrder(count, seed).indices(epoch * count, count)
    assert sorted(window) == list(range(count))


@pytest.mark.slow
@given(
    count=st.integers(1, 30),
    size=st.integers(1, 100),
    starts=st.lists(st.integers(0, 500), min_size=1, max_size=5),
)
def test_a_batch_depends_on_its_start_alone(count: int, size: int, starts: list[int]) -> None:
    sequential = np.concatenate([BatchOrder(count, 7).indices(i, 1) for i in range(600)])
    order = BatchOrder(count, 7)
    for start in starts:
        batch = order.indices(start, size)
        assert batch.dtype == np.int64
        np.testing.assert_array_equal(batch, sequential[start : start + size])


def test_epochs_and_seeds_differ() -> None:
    first = BatchOrder(100, 0).indices(0, 100)
    assert (BatchOrder(100, 0).indices(100, 100) != first).any()
    assert (BatchOrder(100, 1).indices(0, 100) != first).any()


def test_no_images_and_negative_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        BatchOrder(0, 0)
    with pytest.raises(ValueError, match="negative"):
        BatchOrder(3, 0).indices(-1, 2)


def test_the_order_never_changes_between_versions() -> None:
    assert random_order(8, "batches", 0, 0).tolist() == GOLDEN


GOLDEN = [4, 3, 7, 0, 2, 6, 5, 1]


def test_about_half_are_flipped_left_to_right_and_the_rest_stay() -> None:
    images = torch.arange(200 * 2 * 3, dtype=torch.uint8).view(200, 1, 2, 3)
    flipped = random_horizontal_flip(images, torch.Generator().manual_seed(0))
    again = random_horizontal_flip(images, torch.Generator().manual_seed(0))
    assert flipped.dtype == torch.uint8
    assert torch.equal(flipped, again)
    count = 0
    for before, after in zip(images, flipped, strict=True):
        if torch.equal(after, before.flip(2)):
            count += 1
        else:
            assert torch.equal(after, before)
    assert 70 < count < 130
