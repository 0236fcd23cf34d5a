from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import cdist

from acgan.metrics import neighbors as module
from acgan.metrics.neighbors import NearestSearch

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(0)


def checked(base: Array, queries: Array, skip: npt.NDArray[np.int64] | None = None) -> None:
    """The distances are those of scipy, and are those to the places named."""
    flat, rows = (each.reshape(len(each), -1).astype(np.float64) for each in (queries, base))
    distances = cdist(flat, rows)
    if skip is not None:
        distances[np.arange(len(flat)), skip] = np.inf
    found = NearestSearch(base).nearest(queries, skip=skip)
    np.testing.assert_allclose(found.distance, distances.min(axis=1), rtol=1e-12, atol=1e-9)
    named = distances[np.arange(len(flat)), found.index]
    np.testing.assert_allclose(named, found.distance, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 64, 65, 4500])
@pytest.mark.parametrize("width", [1, 193, 210])
def test_agrees_with_scipy(rows: int, width: int) -> None:
    base = RANDOM.normal(size=(rows, width)).astype(np.float32)
    checked(base, RANDOM.normal(size=(270, width)).astype(np.float32))


def test_images_are_compared_by_all_their_pixels() -> None:
    base = RANDOM.integers(0, 256, (900, 3, 12, 11), dtype=np.uint8)
    queries = RANDOM.integers(0, 256, (40, 3, 12, 11), dtype=np.uint8)
    checked(base, queries)
    found = NearestSearch(base).nearest(base[100:120])
    np.testing.assert_array_equal(found.index, np.arange(100, 120))
    assert (found.distance == 0).all()


def test_leaves_itself_out() -> None:
    base = RANDOM.normal(size=(500, 300))
    checked(base, base, skip=np.arange(500))
    checked(base[:2], base[:2], skip=np.arange(2))


def test_a_repeated_row_is_at_distance_zero_from_its_copy() -> None:
    base = RANDOM.integers(0, 256, (300, 28 * 28), dtype=np.uint8)
    base[17] = base[200]
    found = NearestSearch(base).nearest(base[[17, 200]], skip=np.array([17, 200]))
    assert found.index.tolist() == [200, 17]
    assert (found.distance == 0).all()


def test_far_from_the_origin_and_close_together() -> None:
    base = 1e4 + RANDOM.normal(size=(3000, 50)) * 1e-2
    checked(base, 1e4 + RANDOM.normal(size=(100, 50)) * 1e-2)


@pytest.mark.parametrize("candidates", [(1, 2), (2, 16)])
def test_where_the_bounds_cannot_tell_it_looks_at_more_and_at_last_at_all(
    monkeypatch: pytest.MonkeyPatch, candidates: tuple[int, int]
) -> None:
    """White noise has no principal axes: with few candidates every stage is needed."""
    monkeypatch.setattr(module, "_CANDIDATES", candidates)
    monkeypatch.setattr(module, "_AXES", 4)
    base = RANDOM.normal(size=(1000, 300))
    checked(base, RANDOM.normal(size=(50, 300)))
    checked(base, base[:50], skip=np.arange(50))


def test_queries_in_any_number_of_blocks_are_answered_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, queries = RANDOM.normal(size=(200, 20)), RANDOM.normal(size=(33, 20))
    whole = NearestSearch(base).nearest(queries)
    monkeypatch.setattr(module, "_BOUNDS", 1)
    one_by_one = NearestSearch(base).nearest(queries)
    np.testing.assert_array_equal(one_by_one.index, whole.index)
    np.testing.assert_array_equal(one_by_one.distance, whole.distance)


def test_rows_that_are_all_alike() -> None:
    checked(np.zeros((100, 30), np.uint8), np.ones((5, 30), np.uint8))
    checked(np.full((100, 800), 7, np.uint8), np.zeros((5, 800), np.uint8))


def test_no_queries_have_no_neighbors() -> None:
    assert len(NearestSearch(np.zeros((5, 3))).nearest(np.zeros((0, 3))).index) == 0


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        NearestSearch(np.zeros((0, 3)))
    search = NearestSearch(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="nothing to search"):
        search.nearest(np.zeros((1, 3)), skip=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="queries of 4"):
        search.nearest(np.zeros((1, 4)))
