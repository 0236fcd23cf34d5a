from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from acgan.evaluation.charts import distance_chart, neighbor_grid, similarity_chart

RANDOM = np.random.default_rng(0)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_in_the_grid_with_its_own_pixels(channels: int) -> None:
    shape = (channels, 28, 28)
    samples = [RANDOM.integers(0, 256, (count, *shape), dtype=np.uint8) for count in (2, 1)]
    found = [each // 2 for each in samples]
    grid = opened(neighbor_grid(["a", "long name"], samples, [("pixels", found)]))
    assert grid.mode == ("L" if channels == 1 else "RGB")
    pixels = np.asarray(grid).reshape(grid.height, grid.width, -1)
    for image in (*samples[0], *samples[1], *found[0], *found[1]):
        tile = np.moveaxis(image, 0, -1).repeat(2, axis=0).repeat(2, axis=1)
        places = np.lib.stride_tricks.sliding_window_view(
            pixels[:, :, 0], (1, tile.shape[1])
        )  # look for the first row of the tile, then compare the whole
        rows, columns = np.nonzero((places[:, :, 0] == tile[0, :, 0]).all(axis=2))
        height, width = tile.shape[:2]
        assert any(
            np.array_equal(pixels[row : row + height, column : column + width], tile)
            for row, column in zip(rows, columns, strict=True)
        )


@pytest.mark.slow
def test_charts_are_images_for_any_number_of_classes_and_any_name() -> None:
    for count in (1, 10, 100):
        names = tuple(f"${index}^" for index in range(count))
        values = RANDOM.random((2, count))
        values[0, 1:2] = np.nan
        chart = similarity_chart("MS-SSIM, 2 scales, window 11", names, *values)
        assert opened(chart.png).height < 2500
        assert similarity_chart("MS-SSIM, 2 scales, window 11", names, *values) == chart


def test_distances_of_zero_or_infinity_can_be_plotted() -> None:
    values = np.array([0.0, 0.5, 1.0, np.inf])
    chart = distance_chart([("Pixels", values, values + 1), ("features", values, values)])
    assert opened(chart.png).width > 600
