"""Class counts, and the total variation distance of class shares by hand and by chance."""

from __future__ import annotations

import numpy as np
import pytest

from acgan.metrics.class_coverage import class_counts, total_variation, total_variation_at


def test_the_distance_by_hand() -> None:
    # shares (.5, .3, .2) and (.2, .4, .4): (.3 + .1 + .2) / 2
    assert total_variation(np.array([5, 3, 2]), np.array([2, 4, 4])) == pytest.approx(0.3)
    assert total_variation(np.array([5, 5]), np.array([50, 50])) == 0
    assert total_variation(np.array([7, 0]), np.array([0, 3])) == 1


def test_at_a_smaller_count_it_is_the_mean_over_draws() -> None:
    first, second = np.array([60, 30, 10]), np.array([30, 30, 40])
    assert total_variation_at(100, first, second, seed=0) == total_variation(first, second)
    images = np.repeat(np.arange(3), first)
    random = np.random.default_rng(7)
    naive = np.mean(
        [
            total_variation(np.bincount(random.permutation(images)[:20], minlength=3), second)
            for _ in range(4000)
        ]
    )
    draws = [total_variation_at(20, first, second, seed=seed) for seed in range(40)]
    assert np.mean(draws) == pytest.approx(naive, abs=0.005)
    assert total_variation_at(20, first, first, seed=0) > 0.02, "chance alone parts few images"


def test_the_highest_logit_counts() -> None:
    logits = np.array([[0.1, 2, 1], [3, 0, 0], [0, 1, 0.5], [5, 4, 4.9]])
    np.testing.assert_array_equal(class_counts(logits), [2, 2, 0])
