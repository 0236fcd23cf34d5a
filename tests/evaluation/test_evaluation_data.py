from __future__ import annotations

import numpy as np

from acgan.evaluation.evaluation_data import FeatureSets


def sides(samples: int, test: int, validation: int) -> FeatureSets:
    return FeatureSets(
        *(
            np.arange(count)[:, None] + offset
            for count, offset in ((samples, 0), (test, 1_000), (validation, 2_000))
        )
    )


def test_equal_subsets_are_as_large_as_the_smallest_side() -> None:
    whole = sides(50, 40, 30)
    equal = whole.equal(20, seed=(0,))
    assert equal is not None
    assert equal.counts == (30, 30, 30)
    assert np.array_equal(equal.validation, whole.validation)
    for some, all_ in ((equal.samples, whole.samples), (equal.test, whole.test)):
        assert set(some[:, 0]) < set(all_[:, 0])  # of that side, without replacement
        assert len(set(some[:, 0])) == 30


def test_they_are_seeded() -> None:
    whole = sides(50, 40, 30)
    first, again, other = (whole.equal(20, seed=(0, draw)) for draw in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_too_little_validation_costs_the_floor_only() -> None:
    equal = sides(50, 40, 30).equal(35, seed=(0,))
    assert equal is not None
    assert equal.counts == (40, 40, 0)


def test_too_few_samples_or_test_images_cost_the_measure() -> None:
    assert sides(50, 40, 60).equal(45, seed=(0,)) is None
    assert sides(40, 50, 60).equal(45, seed=(0,)) is None
    assert not sides(40, 50, 60).enough(45)
    assert sides(45, 50, 0).enough(45)
