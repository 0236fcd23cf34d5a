from __future__ import annotations

import numpy as np
import pytest

from acgan.plots.grid import to_pil


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_values_and_places_stay(channels: int, mode: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (channels, 3, 5), np.uint8)
    picture = to_pil(image)
    assert (picture.mode, picture.size) == (mode, (5, 3))
    pixels = np.asarray(picture).reshape(3, 5, channels)
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), image)
