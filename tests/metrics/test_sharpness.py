from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter

from acgan.metrics.sharpness import laplacian_energy, sharpness_ratio

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 12, 9), dtype=np.uint8)


def test_agrees_with_a_convolution() -> None:
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    expected = [
        np.mean([convolve(plane.astype(float), kernel)[1:-1, 1:-1] ** 2 for plane in image])
        for image in IMAGES
    ]
    np.testing.assert_allclose(laplacian_energy(IMAGES), expected, rtol=1e-12)


def test_shading_has_none_and_a_single_bright_pixel_its_own() -> None:
    shaded = np.broadcast_to(np.arange(9, dtype=np.uint8) * 5, (1, 1, 9, 9))
    assert laplacian_energy(shaded)[0] == 0
    dot = np.zeros((1, 1, 5, 5), np.uint8)
    dot[0, 0, 2, 2] = 10
    assert laplacian_energy(dot)[0] == pytest.approx((40**2 + 4 * 10**2) / 9)


def test_blur_lowers_the_ratio_and_noise_raises_it() -> None:
    smooth = gaussian_filter(IMAGES.astype(float), (0, 0, 1, 1)).astype(np.uint8)
    assert sharpness_ratio(smooth, IMAGES) < 0.1
    assert sharpness_ratio(IMAGES, smooth) > 10
    assert sharpness_ratio(IMAGES, IMAGES[::-1]) == pytest.approx(1)


def test_what_is_not_defined_is_nan() -> None:
    flat = np.zeros((2, 1, 4, 4), np.uint8)
    assert np.isnan(sharpness_ratio(IMAGES[:0], IMAGES))
    assert np.isnan(sharpness_ratio(flat, flat))
    assert np.isnan(laplacian_energy(np.zeros((2, 1, 2, 9), np.uint8))).all()


def test_many_images_are_each_measured_alone() -> None:
    many = np.tile(IMAGES, (500, 1, 1, 1))
    np.testing.assert_array_equal(laplacian_energy(many), np.tile(laplacian_energy(IMAGES), 500))
