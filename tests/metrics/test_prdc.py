from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prdc import compute_prdc
from torch_fidelity.metric_prc import (
    KEY_METRIC_PRECISION,
    KEY_METRIC_RECALL,
    prc_features_to_metric,
)

from acgan.metrics import prdc as module
from acgan.metrics.prdc import Manifold, ball_radii, manifold

Array = npt.NDArray[Any]

GRID = [(7, 9, 1, 3), (40, 60, 2, 1), (60, 40, 5, 5), (150, 150, 32, 3), (30, 50, 200, 5)]


def features(count: int, width: int, seed: int, scale: float = 1.0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, width)) * scale + seed * 0.1


def naive(fake: Array, real: Array, k: int, skip: int = 1) -> Manifold:
    """Point by point; ``skip = 0`` is the planted wrong version that counts the point itself."""

    def radii(x: Array) -> Array:
        return np.array([np.sort(np.linalg.norm(x - each, axis=1))[k - 1 + skip] for each in x])

    to_fake = np.array([[np.linalg.norm(r - f) for f in fake] for r in real])
    in_real, in_fake = to_fake <= radii(real)[:, None], to_fake <= radii(fake)[None, :]
    return Manifold(
        precision=float(in_real.any(0).mean()),
        recall=float(in_fake.any(1).mean()),
        density=float(in_real.sum(0).mean() / k),
        coverage=float(in_real.any(1).mean()),
    )


@pytest.mark.parametrize(("n", "m", "width", "k"), GRID)
def test_agrees_with_the_definition(n: int, m: int, width: int, k: int) -> None:
    fake, real = features(n, width, 0, 0.8), features(m, width, 1)
    got = manifold(fake, real, k=k)
    assert got == naive(fake, real, k)
    assert got != naive(fake, real, k, skip=0)


@pytest.mark.parametrize(("n", "m", "width", "k"), GRID)
def test_agrees_with_prdc(n: int, m: int, width: int, k: int) -> None:
    """Which takes < and not ≤; without ties that is the same."""
    fake, real = features(n, width, 2, 0.8), features(m, width, 1)
    theirs = compute_prdc(real, fake, k)
    got = manifold(fake, real, k=k)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(got, name) == pytest.approx(theirs[name], rel=1e-12)


@pytest.mark.parametrize(("n", "m", "width", "k"), GRID)
def test_agrees_with_torch_fidelity(n: int, m: int, width: int, k: int) -> None:
    fake, real = features(n, width, 2, 0.8), features(m, width, 1)
    theirs = prc_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), prc_neighborhood=k, verbose=False
    )
    got = manifold(fake, real, k=k)  # theirs is a mean in float32
    assert got.precision == pytest.approx(theirs[KEY_METRIC_PRECISION], rel=1e-6)
    assert got.recall == pytest.approx(theirs[KEY_METRIC_RECALL], rel=1e-6)


@pytest.mark.parametrize("block", [1, 4, 16])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = features(37, 6, 0), features(23, 6, 1)
    whole, radii = manifold(fake, real), ball_radii(fake)
    monkeypatch.setattr(module, "_BLOCK", block)
    assert manifold(fake, real) == whole
    np.testing.assert_allclose(ball_radii(fake), radii, rtol=1e-12)


def test_radii_known_before_change_nothing() -> None:
    fake, real = features(60, 6, 0), features(50, 6, 1)
    known = manifold(fake, real, k=3, real_radii=ball_radii(real, 3))
    assert known == manifold(fake, real, k=3)


def test_a_hand_computed_line() -> None:
    real, fake = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([[0.5], [1.5], [30.0]])
    assert ball_radii(real, 1) == pytest.approx([1, 1, 1, 8])
    assert ball_radii(fake, 1) == pytest.approx([1, 1, 28.5])
    # Balls with .5: of 0 and 1. With 1.5: of 1, 2; and 8.5 > 8 from 10. With 30: none.
    assert manifold(fake, real, k=1) == Manifold(
        precision=2 / 3, recall=1.0, density=4 / 3, coverage=3 / 4
    )


def test_ties_lie_inside() -> None:
    """A model that repeats the real images is real, though prdc gives it precision 0."""
    points = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]], 6, axis=0) + 1_000.1
    assert manifold(points, points, k=5) == Manifold(1.0, 1.0, 6 / 5, 1.0)
    assert compute_prdc(points, points, 5)["precision"] == 0
    grid = np.array([[0.0], [1.0], [2.0]])  # each fake lies exactly on two surfaces
    assert manifold(grid + 1.0, grid, k=1).precision == 1
    assert manifold(grid + 1.001, grid, k=1).precision == pytest.approx(2 / 3)


def test_equal_distributions_have_density_1_and_nearly_full_coverage() -> None:
    got = manifold(features(800, 8, 0), features(800, 8, 7) - 0.7, k=5)
    assert got.density == pytest.approx(1, abs=0.1)
    assert got.coverage == pytest.approx(1 - 2.0**-5, abs=0.03)  # Naeem et al., appendix
    assert got.precision > 0.85
    assert got.recall > 0.85


def test_what_each_sees() -> None:
    real = features(300, 4, 0)
    typical = manifold(features(300, 4, 3, 0.4) - 0.3, real)
    assert typical.precision > 0.95
    assert typical.density > 1.2
    assert typical.recall < 0.4
    assert typical.coverage < 0.7
    away = manifold(features(300, 4, 5) + 50, real)
    assert away == Manifold(0, 0, 0, 0)


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_shifting_turning_and_scaling_both_changes_nothing(
    seed: int, scale: float, shift: float
) -> None:
    fake, real = features(25, 4, seed % 13), features(30, 4, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
    moved: Callable[[Array], Array] = lambda x: x @ turn * scale + shift * scale  # noqa: E731
    assert manifold(moved(fake), moved(real), k=3) == manifold(fake, real, k=3)


def test_swapping_the_sides_swaps_precision_and_recall() -> None:
    fake, real = features(50, 5, 0, 0.7), features(60, 5, 1)
    there, back = manifold(fake, real), manifold(real, fake)
    assert (there.precision, there.recall) == (back.recall, back.precision)


def test_what_cannot_be_measured_is_refused() -> None:
    good = features(10, 3, 0)
    with pytest.raises(ValueError, match="needs at least 6 images per side, not 5"):
        manifold(good[:5], good)
    with pytest.raises(ValueError, match="finite"):
        manifold(good, np.full((10, 3), np.nan))
    with pytest.raises(ValueError, match="features must be"):
        manifold(good, good[:, :2])
    with pytest.raises(ValueError, match="k must be at least 1"):
        manifold(good, good, k=0)
