from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from acgan.evaluation.resolution import reduced


def test_it_is_bilinear_with_antialiasing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 1, 24, 20), dtype=np.uint8)
    for one, expected in zip(reduced(image, 2), image, strict=True):
        small = Image.fromarray(expected[0]).resize((10, 12), Image.Resampling.BILINEAR)
        back = np.asarray(small.resize((20, 24), Image.Resampling.BILINEAR))
        off = np.abs(one[0].astype(int) - back.astype(int))
        assert off.max() <= 2  # Pillow rounds after each direction
        assert off.mean() < 0.6


def test_what_a_smaller_side_cannot_hold_becomes_its_mean() -> None:
    fine = np.zeros((1, 3, 32, 32), np.uint8)
    fine[..., ::4] = 255  # without antialiasing these stripes fall between the pixels looked at
    left = reduced(fine, 4)[..., 8:-8].astype(int)
    assert np.ptp(left) <= 8
    assert abs(left.mean() - 255 / 4) < 4


def test_odd_and_tiny_sides_keep_their_shape() -> None:
    for shape in ((2, 1, 5, 7), (2, 3, 1, 2), (0, 1, 8, 8)):
        images = np.full(shape, 77, np.uint8)
        np.testing.assert_array_equal(reduced(images, 4), images)


def test_a_factor_of_one_changes_nothing_and_of_none_is_refused() -> None:
    image = np.random.default_rng(1).integers(0, 256, (2, 3, 9, 8), dtype=np.uint8)
    np.testing.assert_array_equal(reduced(image, 1), image)
    with pytest.raises(ValueError, match="factor"):
        reduced(image, 0)
