from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from acgan.plots.animation import animation
from acgan.plots.grid import class_grid


def frames(count: int, channels: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    grids = rng.integers(0, 256, (count, 2, 3, channels, 28, 28), dtype=np.uint8)
    return [class_grid(grid, ["a", "b"]) for grid in grids]


def played(encoded: bytes) -> list[tuple[Image.Image, int]]:
    with Image.open(io.BytesIO(encoded)) as film:
        assert film.format == "GIF"
        assert film.info["loop"] == 0
        return [(f.convert("RGB"), f.info["duration"]) for f in ImageSequence.Iterator(film)]


def test_gray_frames_keep_every_value_and_the_last_one_stays_longer() -> None:
    given = frames(5, 1)
    shown = played(animation(given, frame_milliseconds=120, last_milliseconds=2000))
    assert [duration for _, duration in shown] == [120, 120, 120, 120, 2000]
    for before, (after, _) in zip(given, shown, strict=True):
        assert np.array_equal(np.asarray(before.convert("RGB")), np.asarray(after))


def test_color_frames_are_close_and_their_paper_is_white() -> None:
    ramp = np.linspace(0, 255, 28).astype(np.uint8)
    image = np.stack(
        [np.tile(ramp, (28, 1)), np.tile(ramp[:, None], (1, 28)), np.full((28, 28), 90)]
    )
    image[:, :3] = [[[250]], [[253]], [[254]]]  # must not pass for paper, nor paper for it
    grids = [
        class_grid(np.roll(image.astype(np.uint8), shift, axis=-1)[None, None], ["a"])
        for shift in (0, 5, 9)
    ]
    for before, (after, _) in zip(grids, played(animation(grids)), strict=True):
        difference = np.asarray(before).astype(int) - np.asarray(after).astype(int)
        assert np.abs(difference).mean() < 8
        paper = (np.asarray(before) == 255).all(axis=-1)
        assert (np.asarray(after)[paper] == 255).all()


def test_captions_stand_above_the_frames_and_differ() -> None:
    given = frames(1, 1) * 2
    (first, _), (second, _) = played(animation(given, ["0 images", "12,800 images"]))
    height = given[0].height
    assert first.height > height
    top = first.height - height
    assert np.array_equal(np.asarray(first)[top:], np.asarray(second)[top:])
    assert not np.array_equal(np.asarray(first)[:top], np.asarray(second)[:top])


def test_frames_that_do_not_change_keep_their_time() -> None:
    given = frames(1, 1) * 3
    shown = played(animation(given, frame_milliseconds=100, last_milliseconds=500))
    assert sum(duration for _, duration in shown) == 700


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_frames_give_equal_bytes(channels: int) -> None:
    assert animation(frames(3, channels)) == animation(frames(3, channels))


def test_one_frame_is_enough_and_none_is_not() -> None:
    assert len(played(animation(frames(1, 3), ["end"]))) == 1
    with pytest.raises(ValueError, match="needs frames"):
        animation([])
    with pytest.raises(ValueError, match="one size and mode"):
        animation([*frames(1, 1), *frames(1, 3)])
    with pytest.raises(ValueError, match="captions"):
        animation(frames(2, 1), ["one"])
