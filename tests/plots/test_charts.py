from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from acgan.plots.charts import class_bars

NAMES = (
    "cat",
    "$x_2$ 犬",
    "T-shirt/top",
    "a class with a name so long that no chart has room for it",
)


def bars() -> bytes:
    values = {"samples": (0.5, None, 0.25, 0.0), "real": (1.0, 0.9, 0.8, 0.7)}
    return class_bars(NAMES, values, axis="share", baseline=(0.9, 0.9, None, 0.8), mark=1.0)


def log_bars() -> bytes:
    return class_bars(NAMES, {"samples": (0.5, None, 20.0, 0.0)}, axis="Fréchet", log=True)


CHARTS = pytest.mark.parametrize("draw", [bars, log_bars])


@CHARTS
def test_a_png_of_the_reports_width_with_ink_on_it(draw: Callable[[], bytes]) -> None:
    with Image.open(io.BytesIO(draw())) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1080
        gray = np.asarray(picture.convert("L"))
    assert (gray[0] == 255).all()  # a margin of white paper
    assert (gray < 128).mean() > 0.003


@pytest.mark.slow
@CHARTS
def test_equal_values_equal_bytes_whatever_a_person_has_set(draw: Callable[[], bytes]) -> None:
    first = draw()
    with mpl.rc_context({"font.size": 25, "axes.facecolor": "red"}):
        assert draw() == first


def test_a_value_shows() -> None:
    low = class_bars(("a",), {"x": (0.1,)}, axis="share", mark=1.0)
    high = class_bars(("a",), {"x": (0.9,)}, axis="share", mark=1.0)
    assert _blue(high) > 5 * _blue(low)


def _blue(png: bytes) -> int:
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return int((np.abs(pixels - (0, 114, 178)).max(axis=-1) < 3).sum())
