from __future__ import annotations

import colorsys

import numpy as np
import pytest

from acgan.metrics.color import brightness_variance_ratio, color_variance_ratio, mean_colors

RANDOM = np.random.default_rng(0)


def plain(colors: np.ndarray, side: int = 4) -> np.ndarray:
    """One image of a single color each, (N, C, side, side)."""
    tiled = np.broadcast_to(colors[:, :, None, None], (*colors.shape, side, side))
    return np.ascontiguousarray(tiled.astype(np.uint8))


def test_means_are_of_each_channel_of_each_image() -> None:
    images = RANDOM.integers(0, 256, (5, 3, 7, 6), dtype=np.uint8)
    expected = [[np.mean(plane.astype(float)) for plane in image] for image in images]
    np.testing.assert_allclose(mean_colors(images), expected, rtol=1e-12)


def test_half_as_far_apart_is_a_quarter_of_the_variance() -> None:
    grays = np.repeat(RANDOM.integers(0, 100, (50, 1)) * 2, 3, axis=1)
    assert brightness_variance_ratio(plain(grays // 2), plain(grays)) == pytest.approx(1 / 4)
    tints = np.array([[1, 0, -1], [-1, 1, 0], [0, -1, 1]])
    near, far = plain(100 + 10 * tints), plain(100 + 20 * tints)
    assert color_variance_ratio(near, far) == pytest.approx(1 / 4)


def test_brightness_is_no_color_and_color_no_brightness() -> None:
    tinted = np.array([colorsys.hsv_to_rgb(h, 0.5, 1) for h in np.linspace(0, 1, 20)])
    tinted = 120 + 60 * (tinted - tinted.mean(axis=1, keepdims=True))
    lit = tinted[:1] + 40 * RANDOM.standard_normal((20, 1))
    assert color_variance_ratio(plain(lit), plain(tinted)) < 0.001
    assert brightness_variance_ratio(plain(tinted), plain(lit)) < 0.001


def test_an_offset_of_all_images_is_no_variance() -> None:
    images = RANDOM.integers(0, 100, (30, 3, 4, 4), dtype=np.uint8)
    shifted = images + np.array([90, 0, 20], np.uint8)[:, None, None]
    assert color_variance_ratio(shifted, images) == pytest.approx(1)
    assert brightness_variance_ratio(shifted, images) == pytest.approx(1)


def test_what_has_no_colors_is_nan() -> None:
    images = RANDOM.integers(0, 256, (30, 3, 4, 4), dtype=np.uint8)
    gray = np.repeat(images[:, :1], 3, axis=1)
    assert np.isnan(color_variance_ratio(images[:, :1], images[:, :1]))
    assert np.isnan(color_variance_ratio(images, gray))
    assert color_variance_ratio(gray, images) == pytest.approx(0, abs=1e-12)
    assert np.isnan(brightness_variance_ratio(images[:1], images))
    assert np.isnan(brightness_variance_ratio(images, images[:0]))
    assert np.isnan(brightness_variance_ratio(images, np.repeat(images[:1], 9, axis=0)))
