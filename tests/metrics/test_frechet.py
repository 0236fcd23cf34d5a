from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg
from torch_fidelity.metric_fid import (
    KEY_METRIC_FID,
    fid_features_to_statistics,
    fid_statistics_to_metric,
)

from acgan.metrics import frechet as module
from acgan.metrics.arrays import Array
from acgan.metrics.frechet import (
    baseline_subsets,
    equal_count_distance,
    frechet_baseline,
    frechet_distance,
    smallest_count,
)


def naive(a: Array, b: Array, ddof: int = 1) -> float:
    """Heusel et al. 2017, eq. 6, with scipy's matrix root; ``ddof = 0`` is a planted mistake."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = (np.atleast_2d(np.cov(x.T, ddof=ddof)) for x in (a, b))
    root = linalg.sqrtm(cov_a @ cov_b)
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    return float(mean + np.trace(cov_a + cov_b - 2 * np.real(root)))


def features(count: int, width: int, seed: int, scale: float = 1.0) -> Array:
    random = np.random.default_rng(seed)
    mix = random.normal(size=(width, width))
    return random.normal(size=(count, width)) @ mix * scale + random.normal(size=width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "m", "width"), [(10, 12, 1), (50, 40, 3), (300, 200, 16), (400, 900, 128)]
)
def test_agrees_with_scipy_on_full_rank(n: int, m: int, width: int) -> None:
    a, b = features(n, width, 0), features(m, width, 1, 0.7)
    assert frechet_distance(a, b) == pytest.approx(naive(a, b), rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)
    assert frechet_distance(a, b) != pytest.approx(naive(a, b, ddof=0), rel=1e-5)


def theirs(a: Array, b: Array) -> float:
    """torch-fidelity, which does not cast, on float64."""
    sides = [fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (a, b)]
    return float(fid_statistics_to_metric(*sides, verbose=False)[KEY_METRIC_FID])


@pytest.mark.parametrize(("n", "m", "width"), [(20, 30, 2), (300, 200, 16), (400, 900, 128)])
def test_agrees_with_torch_fidelity_on_full_rank(n: int, m: int, width: int) -> None:
    a, b = features(n, width, 0), features(m, width, 1, 0.7)
    assert frechet_distance(a, b) == pytest.approx(theirs(a, b), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "width"), [(10, 12, 40), (60, 30, 64), (90, 200, 128)])
def test_torch_fidelity_is_less_exact_on_deficient_rank(n: int, m: int, width: int) -> None:
    """Its eigenvalues of a product have rounding errors whose roots add up; ours stay exact."""
    a, b = features(n, width, 0), features(m, width, 1, 0.7)
    basis = np.linalg.qr(np.vstack([a, b]).T)[0]
    exact = frechet_distance(a @ basis, b @ basis)
    scale = np.square(a - a.mean(0)).sum() / (n - 1)
    assert frechet_distance(a, b) == pytest.approx(exact, rel=1e-10)
    assert frechet_distance(a, b) == pytest.approx(theirs(a, b), abs=1e-4 * scale)
    assert frechet_distance(a, a) < 1e-12 * scale


def test_both_roots_of_a_covariance_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = features(300, 40, 0), features(200, 40, 1)
    by_cholesky = frechet_distance(a, b)
    monkeypatch.setattr(module, "_CONDITION", 2.0)  # no matrix is that good: QR throughout
    assert frechet_distance(a, b) == pytest.approx(by_cholesky, rel=1e-12)


def test_an_ill_conditioned_covariance_keeps_its_digits() -> None:
    """Directions of 1e-9 of the largest, which a squared matrix does not know."""
    scales = np.logspace(0, -9, 10)
    signs = np.sign(np.random.default_rng(0).normal(size=(200, 10)))
    basis = np.linalg.qr(signs - signs.mean(0))[0] * np.sqrt(199)  # mean 0, covariance identity
    a, b = basis * scales, basis * scales * 2
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(np.square(scales).sum(), rel=1e-9)
    small = slice(5, None)
    a[:, :5] = b[:, :5] = basis[:, :5]  # now only the small directions differ
    expected = np.square(scales[small]).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-14)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_shifting_turning_and_scaling_both(seed: int, scale: float, shift: float) -> None:
    """Shifts and turns change nothing; a scale comes out squared."""
    a, b = features(30, 4, seed), features(25, 4, seed + 1)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
    moved = frechet_distance((a @ turn + shift) * scale, (b @ turn + shift) * scale)
    assert moved == pytest.approx(frechet_distance(a, b) * scale**2, rel=1e-8)


@given(seed=st.integers(0, 10_000), distance=st.floats(0, 100))
def test_moving_one_side_adds_the_squared_step(seed: int, distance: float) -> None:
    a = features(30, 4, seed)
    step = np.random.default_rng(seed).normal(size=4)
    step *= distance / np.linalg.norm(step)
    assert frechet_distance(a, a + step) == pytest.approx(distance**2, rel=1e-9, abs=1e-9)


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
    frechet_ratio = [
        equal_count_distance(everything[:n], everything[n : 3 * n], subsets=3, seed=0) / variance
        for n in (100, 1_000, 2_600)
    ]
    assert frechet_ratio[0] > frechet_ratio[1] > frechet_ratio[2] > 0
    assert frechet_ratio[2] < 5e-3


def test_equal_counts_are_the_smaller_sides_and_the_draws_are_seeded() -> None:
    a, b = features(40, 3, 0), features(90, 3, 0)
    random = np.random.default_rng(7)
    by_hand = np.mean([frechet_distance(a, b[random.permutation(90)[:40]]) for _ in range(4)])
    assert equal_count_distance(a, b, subsets=4, seed=7) == pytest.approx(by_hand)
    assert equal_count_distance(b, a, subsets=4, seed=7) == pytest.approx(by_hand)
    assert equal_count_distance(a, b, subsets=4, seed=8) != pytest.approx(by_hand)
    assert equal_count_distance(a, b[:40], subsets=4, seed=7) == frechet_distance(a, b[:40])


def test_the_floor_says_how_it_was_measured() -> None:
    a, b = features(300, 3, 0), features(600, 3, 0)
    baseline = frechet_baseline(a, b, seed=3)
    assert (baseline.count, baseline.subsets, baseline.seed) == (300, 5, 3)
    assert baseline.distance == equal_count_distance(a, b, subsets=5, seed=3)
    assert frechet_baseline(a, b[:300], seed=3).subsets == 1


def test_it_takes_256_images_and_twice_the_features() -> None:
    assert [smallest_count(width) for width in (8, 128, 1280)] == [256, 256, 2560]
    assert np.isnan(frechet_baseline(features(255, 3, 0), features(300, 3, 1), seed=0).distance)
    assert np.isnan(frechet_baseline(features(300, 200, 0), features(500, 200, 1), seed=0).distance)
    assert frechet_baseline(features(256, 3, 0), features(300, 3, 1), seed=0).distance > 0
    assert baseline_subsets(128) > baseline_subsets(1280) >= 1


def test_what_cannot_be_measured_is_refused() -> None:
    good = features(10, 3, 0)
    with pytest.raises(ValueError, match="at least 2 images per side, not 1"):
        frechet_distance(good, good[:1])
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(good, np.full((10, 3), np.nan))
    with pytest.raises(ValueError, match="features must be"):
        frechet_distance(good, good[:, :2])
