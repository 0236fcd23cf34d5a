from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from acgan.metrics import kid as module
from acgan.metrics.kid import kernel_distance

Array = npt.NDArray[Any]


def features(count: int, width: int, seed: int, shift: float = 0.0) -> Array:
    random = np.random.default_rng(seed)
    return np.maximum(random.normal(size=(count, width)) + 0.3 + shift, 0)


def interval(a: Array, b: Array, seed: int = 0, replicates: int = 300) -> tuple[float, float]:
    ends = kernel_distance(a, b, replicates=replicates, seed=seed).interval
    assert ends is not None
    return ends


def naive(a: Array, b: Array) -> float:
    """Gretton et al. 2012, eq. 3, pair by pair."""
    width = a.shape[1]

    def kernel(x: Array, y: Array) -> float:
        return float((x @ y / width + 1) ** 3)

    within = [
        np.mean([kernel(x, y) for i, x in enumerate(side) for j, y in enumerate(side) if i != j])
        for side in (a, b)
    ]
    return float(sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b]))


def biased(a: Array, b: Array) -> float:
    """The planted wrong version: every image is paired with itself too."""
    width = a.shape[1]
    both = [((side @ side.T / width + 1) ** 3).mean() for side in (a, b)]
    return float(sum(both) - 2 * ((a @ b.T / width + 1) ** 3).mean())


@pytest.mark.parametrize(("n", "m", "width"), [(2, 2, 1), (5, 9, 3), (30, 20, 8), (12, 14, 50)])
def test_agrees_with_the_formula(n: int, m: int, width: int) -> None:
    a, b = features(n, width, 0), features(m, width, 1, 0.4)
    assert kernel_distance(a, b).value == pytest.approx(naive(a, b), rel=1e-9, abs=1e-12)
    assert kernel_distance(a, b).value != pytest.approx(biased(a, b), rel=1e-3)


@pytest.mark.parametrize(("n", "width"), [(10, 4), (100, 16), (257, 128), (90, 300)])
def test_agrees_with_torch_fidelity_on_one_subset_of_all(n: int, width: int) -> None:
    a, b = features(n, width, 0), features(n, width, 1, 0.2)
    theirs = kid_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), kid_subsets=1, kid_subset_size=n, verbose=False
    )[KEY_METRIC_KID_MEAN]
    assert kernel_distance(a, b).value == pytest.approx(theirs, rel=1e-9)


@pytest.mark.slow
def test_torch_fidelitys_subsets_are_the_same_with_more_noise() -> None:
    a, b = features(600, 16, 0), features(500, 16, 1, 0.2)
    theirs = kid_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), kid_subset_size=200, verbose=False
    )[KEY_METRIC_KID_MEAN]
    low, high = interval(a, b)
    assert low < theirs < high
    assert kernel_distance(a, b).value == pytest.approx(theirs, rel=0.05)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = features(50, 7, 0), features(33, 7, 1)
    whole = kernel_distance(a, b, replicates=20)
    monkeypatch.setattr(module, "_BLOCK", 8)
    blocks = kernel_distance(a, b, replicates=20)
    assert blocks.value == pytest.approx(whole.value, rel=1e-9)
    assert blocks.interval == pytest.approx(whole.interval, rel=1e-9)


def test_float32_features_are_computed_in_float64() -> None:
    a, b = features(60, 9, 0).astype(np.float32), features(70, 9, 0).astype(np.float32)
    assert kernel_distance(a, b).value == kernel_distance(a.astype(float), b.astype(float)).value


def test_sides_may_be_swapped() -> None:
    a, b = features(40, 6, 0), features(55, 6, 1, 0.5)
    assert kernel_distance(a, b).value == pytest.approx(kernel_distance(b, a).value, rel=1e-12)


def test_no_bias_at_any_count() -> None:
    """Equal distributions are 0 apart on average, even from a handful of images."""
    values = [
        (kernel_distance(a, b).value, biased(a, b))
        for a, b in ((features(8, 4, 2 * s), features(12, 4, 2 * s + 1)) for s in range(400))
    ]
    mean, wrong = np.mean(values, axis=0)
    error = np.std(values, axis=0) / 20
    assert abs(mean) < 3 * error[0]
    assert wrong > 10 * error[1]


def test_a_replicate_is_the_mean_over_pairs_of_different_images() -> None:
    """Drawn images paired one by one, but never with a copy of themselves."""
    a, b = features(7, 3, 0), features(6, 3, 1, 0.5)
    random = np.random.default_rng(5)
    drawn_a, drawn_b = random.integers(7, size=7), random.integers(6, size=6)

    def kernel(x: Array, y: Array) -> float:
        return float((x @ y / 3 + 1) ** 3)

    within = [
        np.mean([kernel(side[i], side[j]) for i in drawn for j in drawn if i != j])
        for side, drawn in ((a, drawn_a), (b, drawn_b))
    ]
    across = np.mean([kernel(a[i], b[j]) for i in drawn_a for j in drawn_b])
    expected = sum(within) - 2 * across
    ends = interval(a, b, seed=5, replicates=1)
    assert ends == pytest.approx((expected, expected), rel=1e-9)


def gaussian_truth(shift: float, scale: float, width: int) -> float:
    """The distance of N(½, I) and N(½ + shift, scale² I), from their first three moments."""

    def moments(mean: Array, spread: float) -> tuple[Array, Array, Array]:
        cov, one = spread**2 * np.eye(width), mean
        mixed = np.einsum("i,jk->ijk", one, cov)
        third = np.einsum("i,j,k->ijk", one, one, one) + mixed
        third += mixed.transpose(1, 0, 2) + mixed.transpose(1, 2, 0)
        return one, cov + np.outer(one, one), third

    def expected(p: tuple[Array, Array, Array], q: tuple[Array, Array, Array]) -> float:
        first, second, third = (float((x * y).sum()) for x, y in zip(p, q, strict=True))
        return 1 + 3 * first / width + 3 * second / width**2 + third / width**3

    p, q = moments(np.full(width, 0.5), 1.0), moments(np.full(width, 0.5 + shift), scale)
    return expected(p, p) + expected(q, q) - 2 * expected(p, q)


@pytest.mark.parametrize(
    ("shift", "scale", "least", "most"),
    [(0.0, 1.0, 0.97, 1.0), (0.3, 1.0, 0.91, 0.99), (0.0, 1.5, 0.91, 1.0), (1.0, 0.7, 0.91, 0.99)],
)
@pytest.mark.full
def test_the_interval_contains_the_truth_as_often_as_it_states(
    shift: float, scale: float, least: float, most: float
) -> None:
    """Over 200 repetitions (standard error 0.015); too wide by some √3 where nothing differs."""
    truth, width, held, widths, values = gaussian_truth(shift, scale, 8), 8, [], [], []
    for seed in range(200):
        random = np.random.default_rng(seed)
        a = random.normal(size=(150, width)) + 0.5
        b = random.normal(size=(200, width)) * scale + 0.5 + shift
        low, high = interval(a, b, seed=seed, replicates=200)
        held.append(low <= truth <= high)
        widths.append(high - low)
        values.append(kernel_distance(a, b).value)
    assert least <= np.mean(held) <= most
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(200))
    assert 0.85 < np.mean(widths) / (2 * 1.96 * np.std(values)) < 2.1


def test_resampling_images_and_measuring_anew_would_be_wrong() -> None:
    """The planted wrong interval: copies of an image lift every replicate above the truth."""
    random = np.random.default_rng(0)
    a, b = features(60, 64, 0), features(60, 64, 1)
    wrong = [
        kernel_distance(a[random.integers(60, size=60)], b[random.integers(60, size=60)]).value
        for _ in range(200)
    ]
    low, high = interval(a, b)
    assert low < 0 < high
    assert np.quantile(wrong, 0.025) > 0
    assert np.mean(wrong) > high


@pytest.mark.parametrize("seed", range(5))
def test_balanced_classes_leave_0_in_the_interval(seed: int) -> None:
    """They lower the estimate, always; an interval of first-order influences would miss 0."""
    random = np.random.default_rng(seed)
    a, b = (
        random.normal(size=(count, 6)) * 0.4 + 2 * (np.arange(count) % 3)[:, None]
        for count in (300, 240)
    )
    low, high = interval(a, b)
    assert kernel_distance(a, b).value < 0
    assert low < 0 < high


def test_the_interval_is_seeded_and_the_value_is_not() -> None:
    a, b = features(30, 4, 0), features(30, 4, 1)
    assert interval(a, b, seed=1) == interval(a, b, seed=1)
    assert interval(a, b, seed=1) != interval(a, b, seed=2)
    assert kernel_distance(a, b).interval is None
    with_interval = kernel_distance(a, b, replicates=10).value
    assert with_interval == pytest.approx(kernel_distance(a, b).value, rel=1e-12)


def test_what_cannot_be_measured_is_refused() -> None:
    good = features(10, 3, 0)
    with pytest.raises(ValueError, match="at least 2 images per side, not 1"):
        kernel_distance(good[:1], good)
    with pytest.raises(ValueError, match="finite"):
        kernel_distance(good, np.full((10, 3), np.inf))
    with pytest.raises(ValueError, match="features must be"):
        kernel_distance(good, good[:, :2])
