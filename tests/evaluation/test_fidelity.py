from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from acgan.errors import DataError
from acgan.evaluation.fidelity import Array, equal_count_distance, frechet_distance


def naive(a: Array, b: Array) -> float:
    """Heusel et al. 2017, eq. 6, with scipy's matrix root."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    root = linalg.sqrtm(cov_a @ cov_b)
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    return float(mean + np.trace(cov_a + cov_b - 2 * np.real(root)))


def features(count: int, width: int, seed: int, scale: float = 1.0) -> Array:
    random = np.random.default_rng(seed)
    mix = random.normal(size=(width, width))
    return random.normal(size=(count, width)) @ mix * scale + random.normal(size=width)


@pytest.mark.parametrize(
    ("n", "m", "width"), [(10, 12, 1), (50, 40, 3), (300, 200, 16), (400, 900, 128)]
)
def test_agrees_with_scipy_on_full_rank(n: int, m: int, width: int) -> None:
    a, b = features(n, width, 0), features(m, width, 1, 0.7)
    assert frechet_distance(a, b) == pytest.approx(naive(a, b), rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)


def test_one_dimension_has_a_closed_form() -> None:
    a, b = features(50, 1, 0), features(60, 1, 1, 3.0)
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_commuting_covariances_have_a_closed_form() -> None:
    unit = np.vstack([np.eye(5), -np.eye(5)])  # mean 0, covariance 2/9 of the identity
    scales = np.array([1.0, 2.0, 0.5, 3.0, 0.0])
    expected = (2 / 9) * np.square(1 - scales).sum() + 5 * 0.25
    assert frechet_distance(unit, unit * scales + 0.5) == pytest.approx(expected, rel=1e-12)


def test_deficient_rank_is_as_exact() -> None:
    """Fewer images than features, and dead features, where scipy's root loses half the digits."""
    few_a, few_b = features(6, 40, 0), features(9, 40, 1)
    # Rows span at most 13 dimensions; in an orthonormal basis of them the distance is the same.
    basis = np.linalg.qr(np.vstack([few_a, few_b]).T)[0]
    assert frechet_distance(few_a, few_b) == pytest.approx(
        frechet_distance(few_a @ basis, few_b @ basis), rel=1e-10
    )
    a, b = features(200, 8, 2), features(150, 8, 3)
    dead = np.zeros((8, 30))
    dead[np.arange(8), np.arange(8) * 3] = 1
    assert frechet_distance(a @ dead, b @ dead) == pytest.approx(naive(a, b), rel=1e-9)
    assert frechet_distance(few_a, few_a) < 1e-12 * np.square(few_a).sum()


def test_orthogonal_supports_add_up() -> None:
    """Covariances with no common direction: nothing is subtracted."""
    a, b = np.zeros((20, 4)), np.zeros((30, 4))
    a[:, :2], b[:, 2:] = features(20, 2, 0), features(30, 2, 1)
    expected = (
        np.square(a.mean(0) - b.mean(0)).sum() + a.var(0, ddof=1).sum() + b.var(0, ddof=1).sum()
    )
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_float32_features_are_computed_in_float64() -> None:
    a = features(500, 20, 0, 1e-2).astype(np.float32) + np.float32(100)
    b = features(500, 20, 1, 1e-2).astype(np.float32) + np.float32(100)
    assert frechet_distance(a, b) == frechet_distance(a.astype(np.float64), b.astype(np.float64))


def test_the_floor_of_one_distribution_is_near_zero_and_falls_with_the_count() -> None:
    everything = features(8_000, 12, 0)
    variance = everything.var(axis=0).sum()
    floors = [
        equal_count_distance(everything[:n], everything[n : 3 * n], draws=3, seed=0) / variance
        for n in (100, 1_000, 2_600)
    ]
    assert floors[0] > floors[1] > floors[2] > 0
    assert floors[2] < 5e-3


def test_equal_counts_are_the_smaller_sides_and_the_draws_are_seeded() -> None:
    a, b = features(40, 3, 0), features(90, 3, 0)
    random = np.random.default_rng(7)
    by_hand = np.mean([frechet_distance(a, b[random.permutation(90)[:40]]) for _ in range(4)])
    assert equal_count_distance(a, b, draws=4, seed=7) == pytest.approx(by_hand)
    assert equal_count_distance(b, a, draws=4, seed=7) == pytest.approx(by_hand)
    assert equal_count_distance(a, b, draws=4, seed=8) != pytest.approx(by_hand)
    assert equal_count_distance(a, b[:40], draws=4, seed=7) == frechet_distance(a, b[:40])


def test_what_cannot_be_measured_is_refused() -> None:
    good = features(10, 3, 0)
    with pytest.raises(DataError, match="at least 2 images a side, not 1"):
        frechet_distance(good, good[:1])
    with pytest.raises(DataError, match="finite"):
        frechet_distance(good, np.full((10, 3), np.nan))
    with pytest.raises(ValueError, match="features must be"):
        frechet_distance(good, good[:, :2])
