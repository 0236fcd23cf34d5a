from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, norm

from acgan.metrics.memorization import (
    NEAR_COPY,
    Proximity,
    blurred,
    copying_test,
    nearest_by_l1,
    proximities,
    rank_sum_z,
)

RANDOM = np.random.default_rng(0)
TRAINING = RANDOM.normal(size=(400, 12))


def test_distances_and_spacings_are_those_of_a_plain_search() -> None:
    near, far = proximities(TRAINING, (TRAINING[:50] + 0.01, RANDOM.normal(size=(30, 12)) * 2))
    among = cdist(TRAINING, TRAINING)
    np.fill_diagonal(among, np.inf)
    for found in (near, far):
        np.testing.assert_allclose(found.spacing, among.min(axis=1)[found.index])
    np.testing.assert_array_equal(near.index, np.arange(50))
    np.testing.assert_allclose(near.distance, 0.01 * np.sqrt(12))
    assert near.near_copy.all()
    assert not near.authentic.any()
    assert far.authentic.mean() > 0.9


def test_words_for_near_and_far() -> None:
    spacing = np.array([2.0, 2.0, 2.0, 2.0, 0.0, 0.0])
    distance = np.array([0.0, 2.0 * NEAR_COPY, 1.9, 2.1, 0.0, 1.0])
    found = Proximity(np.zeros(6, np.int64), distance, spacing)
    assert found.near_copy.tolist() == [True, False, False, False, True, False]
    assert found.authentic.tolist() == [False, False, False, True, False, True]
    np.testing.assert_allclose(found.closeness, [0, NEAR_COPY, 0.95, 1.05, 0, np.inf])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "m", "shift"), [(40, 60, 0.0), (200, 30, 0.5), (25, 25, -1.0)])
def test_z_is_that_of_scipy(n: int, m: int, shift: float, ties: bool) -> None:
    a, b = RANDOM.normal(size=n) + shift, RANDOM.normal(size=m)
    if ties:
        a, b = a.round(1), b.round(1)
    ours = rank_sum_z(a, b)
    for alternative, sign in (("less", 1), ("greater", -1)):
        p = mannwhitneyu(
            a, b, alternative=alternative, method="asymptotic", use_continuity=False
        ).pvalue
        assert norm.cdf(sign * ours) == pytest.approx(p, rel=1e-9)


def test_z_by_hand_and_where_there_is_none() -> None:
    # U = 0 of 4 pairs, μ = 2, σ² = 2·2·5/12
    assert rank_sum_z(np.array([1, 2]), np.array([3, 4])) == pytest.approx(-2 / np.sqrt(5 / 3))
    assert np.isnan(rank_sum_z(np.zeros(3), np.zeros(4)))
    assert np.isnan(rank_sum_z(np.zeros(0), np.ones(4)))


def test_copying_is_far_below_zero_class_by_class() -> None:
    held_out = np.abs(RANDOM.normal(size=300)) + 1
    labels = np.arange(300) % 3
    samples = np.where(np.arange(600) % 3 == 1, 0.0, np.abs(RANDOM.normal(size=600)) + 1)
    target_labels = np.arange(600) % 3
    test = copying_test(samples, target_labels, held_out, labels, 3, fewest=20)
    assert test.per_class[1] < -10
    assert np.abs(test.per_class[[0, 2]]).max() < 4
    assert test.pooled == pytest.approx(test.per_class.mean())


def test_classes_weigh_as_their_held_out_images_and_small_ones_not_at_all() -> None:
    labels = np.repeat([0, 1, 2], [100, 300, 5])
    target_labels = np.repeat([0, 1, 2], 50)
    held_out, samples = RANDOM.random(405), RANDOM.random(150)
    test = copying_test(samples, target_labels, held_out, labels, 4, fewest=20)
    assert np.isnan(test.per_class[[2, 3]]).all()
    assert test.pooled == pytest.approx((test.per_class[0] + 3 * test.per_class[1]) / 4)
    none = copying_test(samples, target_labels, held_out, labels, 4, fewest=1000)
    assert np.isnan(none.pooled)


@pytest.mark.parametrize(("side", "sigma"), [(28, 2), (32, 2), (8, 1), (64, 5)])
def test_blurs_as_scipy_does_and_keeps_every_sigmath_pixel(side: int, sigma: int) -> None:
    images = RANDOM.integers(0, 256, (3, 2, side, side + 4), dtype=np.uint8)
    expected = gaussian_filter(images.astype(float), (0, 0, sigma, sigma))
    np.testing.assert_allclose(blurred(images), expected[:, :, ::sigma, ::sigma], rtol=1e-4)


def test_finds_neighbors_by_absolute_differences() -> None:
    training = RANDOM.integers(0, 256, (5000, 1, 6, 6), dtype=np.uint8)
    queries = RANDOM.integers(0, 256, (9, 1, 6, 6), dtype=np.uint8)
    expected = cdist(queries.reshape(9, -1), training.reshape(5000, -1), "cityblock").argmin(1)
    np.testing.assert_array_equal(nearest_by_l1(queries, training), expected)
