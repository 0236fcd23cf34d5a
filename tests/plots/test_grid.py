from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from acgan.plots.grid import (
    GridLayout,
    class_grid,
    comfortable_scale,
    grid_layout,
    png_bytes,
    side_by_side,
    strip,
)

Pixels = npt.NDArray[np.uint8]


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def tile(picture: Image.Image, layout: GridLayout, row: int, column: int) -> Pixels:
    """The tile's pixels at their own size as (C, H, W); fails where an enlarged pixel is uneven."""
    pixels = np.asarray(picture.crop(layout.box(row, column)))
    pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    small: Pixels = pixels[:, :: layout.scale, :: layout.scale]
    assert np.array_equal(small.repeat(layout.scale, 1).repeat(layout.scale, 2), pixels)
    return small


def margin(picture: Image.Image, layout: GridLayout, row: int) -> Pixels:
    """What is left of a row: the name's place."""
    _, top, _, bottom = layout.box(row, 0)
    return np.asarray(picture.convert("L").crop((0, top, layout.origin[0], bottom)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 36), (64, 48), (5, 7), (130, 90)])
@pytest.mark.parametrize("scale", [None, 1, 3])
def test_every_pixel_is_found_unchanged_at_its_place(
    channels: int, height: int, width: int, scale: int | None
) -> None:
    images = noise(3, 4, channels, height, width)
    names = ["zero", "T-shirt/top", "2"]
    layout = grid_layout((height, width), 4, names, scale=scale, title="1,000 images")
    picture = class_grid(images, names, scale=scale, title="1,000 images")
    assert picture.size == layout.size
    assert picture.mode == ("L" if channels == 1 else "RGB")
    for row in range(3):
        for column in range(4):
            assert np.array_equal(tile(picture, layout, row, column), images[row, column])


def test_the_value_range_is_fixed_not_stretched_to_what_a_sheet_holds() -> None:
    images = np.full((1, 1, 1, 28, 28), 100, dtype=np.uint8)
    images[..., 0, 0] = 120
    picture = class_grid(images, ["gray"])
    shown = tile(picture, grid_layout((28, 28), 1, ["gray"]), 0, 0)
    assert sorted(set(shown.ravel().tolist())) == [100, 120]


def test_tiles_do_not_touch_each_other_or_the_names() -> None:
    layout = grid_layout((28, 28), 3, ["a", "b"])
    boxes = [layout.box(row, column) for row in range(2) for column in range(3)]
    picture = np.asarray(class_grid(np.zeros((2, 3, 1, 28, 28), np.uint8), ["a", "b"])).copy()
    assert all(box[2] < layout.size[0] and box[3] < layout.size[1] for box in boxes)
    for left, top, right, bottom in boxes:
        assert (picture[top:bottom, left:right] == 0).all()
        picture[top:bottom, left:right] = 255
    # What remains is paper and, left of the first column, the names.
    assert (picture[:, layout.origin[0] :] == 255).all()
    assert (picture[:, : layout.origin[0]] < 128).any()


def test_each_row_has_its_own_name_beside_it() -> None:
    images = noise(3, 2, 1, 28, 28)
    names = ["zero", "seven", "zero"]
    layout = grid_layout((28, 28), 2, names)
    picture = class_grid(images, names)
    first, second, third = (margin(picture, layout, row) for row in range(3))
    assert (first < 128).sum() > 30
    assert not np.array_equal(first, second)
    assert np.array_equal(first, third)


@pytest.mark.parametrize(
    "name",
    ["Ωμέγα", "кошка", "七", "é" * 400, "a\nb\tc", "\x00\x07", "🐈", "مرحبا", "w" * 400, "\ud800"],
)
def test_any_name_can_be_drawn_within_its_margin(name: str) -> None:
    images = noise(2, 2, 1, 8, 8)
    layout = grid_layout((8, 8), 2, [name, "b"])
    picture = class_grid(images, [name, "b"])
    left = margin(picture, layout, 0)
    assert (left < 128).any()
    assert (left[:, :5] == 255).all()
    assert picture.width < 400
    assert np.array_equal(tile(picture, layout, 0, 0), images[0, 0])


def test_long_names_are_cut_but_their_beginnings_still_tell_them_apart() -> None:
    names = ["aardvark " * 20, "zebra " * 20]
    layout = grid_layout((28, 28), 1, names)
    picture = class_grid(noise(2, 1, 1, 28, 28), names)
    assert not np.array_equal(margin(picture, layout, 0), margin(picture, layout, 1))


@pytest.mark.parametrize("classes", [1, 100])
def test_one_class_and_a_hundred(classes: int) -> None:
    images = noise(classes, 3, 3, 32, 32)
    names = [f"class {index}" for index in range(classes)]
    layout = grid_layout((32, 32), 3, names)
    picture = class_grid(images, names)
    last = classes - 1
    assert np.array_equal(tile(picture, layout, last, 2), images[last, 2])
    assert picture.height < 6500


def test_classes_may_have_different_numbers_of_images() -> None:
    rows = [noise(3, 1, 28, 28), noise(1, 1, 28, 28), np.zeros((0, 1, 28, 28), np.uint8)]
    names = ["a", "b", "c"]
    layout = grid_layout((28, 28), 3, names)
    picture = class_grid(rows, names)
    assert np.array_equal(tile(picture, layout, 1, 0), rows[1][0])
    assert (np.asarray(picture.crop(layout.box(1, 1))) == 255).all()
    assert (np.asarray(picture.crop(layout.box(2, 0))) == 255).all()


def test_names_keep_apart_where_images_are_smaller_than_letters() -> None:
    layout = grid_layout((4, 4), 1, ["a", "b"], scale=1)
    assert layout.pitch[1] >= 15


@pytest.mark.parametrize(
    ("images", "names", "sentence"),
    [
        (np.zeros((1, 1, 1, 4, 4), np.float32), ["a"], "uint8"),
        (np.zeros((1, 1, 2, 4, 4), np.uint8), ["a"], "1 or 3 channels"),
        (np.zeros((2, 1, 1, 4, 4), np.uint8), ["a"], "2 rows"),
        ([], [], "no rows"),
        (
            [np.zeros((1, 1, 4, 4), np.uint8), np.zeros((1, 1, 4, 5), np.uint8)],
            ["a", "b"],
            "one size",
        ),
    ],
)
def test_what_is_no_sheet_is_refused(images: list[Pixels], names: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        class_grid(images, names)


def test_small_images_are_enlarged_and_large_ones_are_left() -> None:
    assert [comfortable_scale(side, side) for side in (8, 28, 32, 56, 64, 512)] == [
        7,
        2,
        2,
        1,
        1,
        1,
    ]
    assert comfortable_scale(28, 200) == 2
    assert comfortable_scale(32, 32, rows=1000) == 1


def test_a_strip_is_one_line_or_several() -> None:
    images = noise(5, 3, 28, 28)
    line, block = strip(images, scale=2), strip(images, scale=2, columns=3)
    assert np.array_equal(tile(line, grid_layout((28, 28), 5, [""], scale=2), 0, 4), images[4])
    two_rows = grid_layout((28, 28), 3, ["", ""], scale=2)
    assert np.array_equal(tile(block, two_rows, 1, 1), images[4])
    assert block.size == two_rows.size


def test_side_by_side_keeps_both_pictures_and_says_which_is_which() -> None:
    first = Image.fromarray(noise(40, 60))
    second = Image.fromarray(noise(50, 90, 3))
    both = side_by_side([first, second], ["first", "last"])
    assert both.mode == "RGB"
    top = both.height - 50
    color = np.asarray(both)
    assert np.array_equal(color[top : top + 40, :60], np.asarray(first.convert("RGB")))
    start = both.width - 90
    assert np.array_equal(color[top:, start:], np.asarray(second))
    assert (color[:top, :start] < 128).any()
    assert (color[:top, start:] < 128).any()
    with pytest.raises(ValueError, match="captions"):
        side_by_side([first, second], ["first"])


def test_a_caption_wider_than_its_picture_is_not_lost() -> None:
    narrow = Image.new("L", (20, 20))
    assert side_by_side([narrow], ["12,800 images"]).width > 100


def test_png_gives_the_same_pixels_back_and_the_same_bytes_again() -> None:
    images = noise(2, 2, 3, 28, 28)
    picture = class_grid(images, ["a", "b"])
    encoded = png_bytes(picture)
    assert encoded == png_bytes(class_grid(images.copy(), ["a", "b"]))
    with Image.open(io.BytesIO(encoded)) as again:
        assert np.array_equal(np.asarray(again), np.asarray(picture))
        assert not again.info
