"""Scaling: antialiased, nothing stretched, the center kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from acgan.data.resize import resize_array, resize_image


def test_a_checkerboard_becomes_gray_not_black_or_white() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = resize_array(board[None, None], (8, 8))
    assert np.abs(small.astype(int) - 127).max() <= 8


def test_the_same_size_is_the_same_array() -> None:
    images = np.zeros((2, 3, 4, 5), np.uint8)
    assert resize_array(images, (4, 5)) is images


@pytest.mark.parametrize("size", [(10, 10), (20, 10), (7, 13)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_colors_are_kept(size: tuple[int, int], channels: int) -> None:
    images = np.empty((2, channels, 16, 24), np.uint8)
    images[:] = np.arange(1, channels + 1).reshape(1, -1, 1, 1) * 50
    result = resize_array(images, size)
    assert result.shape == (2, channels, *size)
    assert result.dtype == np.uint8
    for channel in range(channels):
        assert (result[:, channel] == (channel + 1) * 50).all()


def test_sides_are_cut_off_and_nothing_is_stretched() -> None:
    picture = np.zeros((10, 30), np.uint8)
    picture[:, 10:20] = 255  # the middle square of three
    square = np.asarray(resize_image(Image.fromarray(picture), (10, 10)))
    assert (square == 255).all()


def test_many_images_stay_in_their_order() -> None:
    images = np.repeat(np.arange(1000) % 251, 16).astype(np.uint8).reshape(1000, 1, 4, 4)
    np.testing.assert_array_equal(resize_array(images, (2, 2))[:, 0, 0, 0], np.arange(1000) % 251)


def test_array_and_image_agree() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    alone = np.asarray(resize_image(Image.fromarray(pixels), (9, 9)))
    batch = resize_array(pixels.transpose(2, 0, 1)[None], (9, 9))
    np.testing.assert_array_equal(batch[0], alone.transpose(2, 0, 1))
