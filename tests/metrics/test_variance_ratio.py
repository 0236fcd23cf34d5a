from __future__ import annotations

import numpy as np
import pytest

from acgan.metrics.variance_ratio import (
    class_variance,
    duplicate_share,
    typical_distance,
    variance_ratio,
)

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(300, 5)).astype(np.float32)
LABELS = np.arange(300) % 3


def test_agrees_with_plain_loops() -> None:
    fake = RANDOM.normal(size=(90, 5)) * 2 + 7
    target_labels = RANDOM.permutation(90) % 3
    ratio = variance_ratio(fake, target_labels, REAL, LABELS, 3)
    for index in range(3):
        above = sum(np.var(fake[target_labels == index, f], ddof=1) for f in range(5))
        below = sum(np.var(REAL[index == LABELS, f].astype(np.float64), ddof=1) for f in range(5))
        assert ratio[index] == pytest.approx(above / below, rel=1e-12)
    assert ratio.dtype == np.float64


def test_the_same_images_have_ratio_one_and_doubled_spread_four() -> None:
    np.testing.assert_allclose(variance_ratio(REAL, LABELS, REAL, LABELS, 3), 1)
    np.testing.assert_allclose(variance_ratio(2 * REAL, LABELS, REAL, LABELS, 3), 4, rtol=1e-6)


def test_one_image_per_class_has_ratio_zero() -> None:
    fake = np.repeat(REAL[:3], 10, axis=0)
    ratio = variance_ratio(fake, np.repeat(np.arange(3), 10), REAL, LABELS, 3)
    np.testing.assert_allclose(ratio, 0, atol=1e-12)


def test_an_ignored_label_shows_as_variance_between_the_classes() -> None:
    real = REAL + 10 * LABELS[:, None]
    ignored = RANDOM.permutation(LABELS)
    assert (variance_ratio(real, ignored, real, LABELS, 3) > 10).all()


def test_small_differences_on_large_features_survive() -> None:
    shifted = REAL.astype(np.float64) * 1e-3 + 1e4
    np.testing.assert_allclose(
        class_variance(shifted, LABELS, 3), 1e-6 * class_variance(REAL, LABELS, 3), rtol=1e-5
    )


def test_what_is_not_defined_is_nan() -> None:
    fake, target_labels = REAL[:5], np.array([0, 0, 0, 1, 1])
    flat = np.where(LABELS[:, None] == 1, 3.0, REAL)
    ratio = variance_ratio(fake, target_labels, flat, LABELS, 4)
    assert np.isfinite(ratio).tolist() == [True, False, False, False]


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        variance_ratio(REAL, LABELS[:4], REAL, LABELS, 3)


def test_the_typical_distance_is_a_median_over_pairs() -> None:
    corners = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert typical_distance(corners, seed=0) == pytest.approx(4)  # of 3, 4 and 5
    images = RANDOM.integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    assert typical_distance(images, seed=0) == pytest.approx(16**0.5 * 255 / 6**0.5, rel=0.1)
    assert np.isnan(typical_distance(corners[:1], seed=0))


def test_counts_the_images_that_have_a_twin() -> None:
    images = RANDOM.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    typical = typical_distance(images, seed=0)
    assert duplicate_share(images, typical) == 0
    images[:3] = images[20] // 2 + 60
    images[1, 0, 0, 0] += 3  # hardly visible
    assert duplicate_share(images, typical) == pytest.approx(3 / 40)
    assert duplicate_share(np.repeat(images[:1], 5, axis=0), typical) == 1
    assert np.isnan(duplicate_share(images[:1], typical))
    assert np.isnan(duplicate_share(images, float("nan")))
