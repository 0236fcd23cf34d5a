from __future__ import annotations

import io
import math
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from acgan.plots.curves import curves


def row(images: int, **changes: Any) -> dict[str, Any]:
    figures = {
        "images": images,
        "step": images // 128,
        "discriminator": {"source_real": 0.6, "source_fake": 0.5, "class_real": 0.2, "total": 1.3},
        "generator": {"source": 1.2, "class": 0.3, "total": 1.5},
        "class_accuracy": {"real_train": 0.9, "real_held_out": 0.8, "fake": 0.7},
        "source_accuracy": {"real": 0.7, "fake": 0.6},
    }
    return figures | changes


def pixels(encoded: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(encoded)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def has_orange(panel: npt.NDArray[np.uint8]) -> bool:
    """Whether something of the alarm's color is there, also where it is blended with paper."""
    red, blue = panel[..., 0].astype(int), panel[..., 2].astype(int)
    return bool((red - blue > 100).any())


ROWS = [row(128 * step) for step in range(1, 20)]


@cache
def unchanged() -> bytes:
    """The curves of ROWS; drawing takes most of a second."""
    return curves(ROWS)


@pytest.mark.slow
def test_the_picture_is_wide_enough_to_read_and_equal_rows_give_equal_bytes() -> None:
    encoded = curves(ROWS, title="digits-default")
    assert pixels(encoded).shape == (900, 1400, 3)
    assert encoded == curves([dict(r) for r in ROWS], title="digits-default")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "name", "quadrant"),
    [
        ("discriminator", "source_fake", (0, 0)),
        ("generator", "class", (0, 1)),
        ("class_accuracy", "real_held_out", (1, 0)),
        ("source_accuracy", "fake", (1, 1)),
    ],
)
def test_a_changed_figure_changes_its_own_panel_only(
    group: str, name: str, quadrant: tuple[int, int]
) -> None:
    changed = [dict(r) for r in ROWS]
    # Within the range of the other curves, so that no axis moves.
    changed[9][group] = changed[9][group] | {name: changed[9][group][name] * 1.05}
    before, after = pixels(unchanged()), pixels(curves(changed))
    differing = (before != after).any(axis=-1)
    assert differing.any()
    down, across = quadrant
    elsewhere = differing.copy()
    elsewhere[down * 450 : down * 450 + 450, across * 700 : across * 700 + 700] = False
    assert not elsewhere.any()


@pytest.mark.slow
def test_an_alarm_is_marked_in_every_panel() -> None:
    rows = [
        row(n, discriminator={}, generator={}, class_accuracy={}, source_accuracy={})
        for n in (1, 9)
    ]
    alarm = {"event": "alarm", "images": 5, "message": "one class is ignored"}
    without, marked = pixels(curves(rows)), pixels(curves([*rows, alarm]))
    for down in (0, 450):
        for across in (0, 700):
            part = (slice(down + 60, down + 450), slice(across, across + 700))
            assert not has_orange(without[part])
            assert has_orange(marked[part])


@pytest.mark.slow
def test_unknown_and_non_finite_figures_leave_gaps() -> None:
    rows = [dict(r) for r in ROWS]
    rows[5]["class_accuracy"] = {"real_train": 0.9, "real_held_out": None, "fake": math.nan}
    rows[6]["generator"] = {"source": math.inf}
    del rows[7]["source_accuracy"]
    assert not np.array_equal(pixels(curves(rows)), pixels(unchanged()))


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 60])
def test_any_number_of_rows_can_be_drawn(count: int) -> None:
    rows = [row(128 * (step + 1)) for step in range(count)]
    assert pixels(curves(rows)).shape == (900, 1400, 3)


@pytest.mark.slow
def test_a_long_run_shows_its_mean_above_the_values_as_logged() -> None:
    rng = np.random.default_rng(0)
    rows = [row(100 * n, generator={"total": 1 + 0.3 * rng.normal()}) for n in range(1, 400)]
    panel = pixels(curves(rows))[100:400, 760:]
    dark = (panel < 60).all(axis=-1).sum(axis=0)  # the thick black mean; raw values are pale
    assert np.median(dark[dark > 0]) < 20


@pytest.mark.slow
def test_a_persons_own_settings_of_matplotlib_neither_matter_nor_change() -> None:
    before = unchanged()
    with mpl.rc_context({"figure.facecolor": "black", "font.size": 20.0}):
        assert curves(ROWS) == before
        assert mpl.rcParams["font.size"] == 20.0
