"""Grids: images at unchanged values, enlarged by whole factors, with names beside them.

Values are never rescaled, so grids of different moments can be compared.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image

from acgan.metrics.arrays import UInt8Array
from acgan.plots.text import line_height, shorten, text_width, write


def to_pil(image: npt.NDArray[np.uint8]) -> Image.Image:
    """Convert uint8 (1, H, W) to a gray and (3, H, W) to a color image of the same values."""
    return Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1).copy())


_PAPER = "white"
_MARGIN = 10  # pixels around everything
_GAP = 3  # pixels between tiles
_NAME_SIZE = 15
_TITLE_SIZE = 17
_NAME_WIDTH = 180  # longer names are shortened
_TITLE_WIDTH = 480  # up to which a title may widen a narrow grid
_COMFORTABLE = 56  # least pixels of the shorter side of a tile
_TALLEST = 6000  # most pixels of a grid of many classes


@final
@dataclass(frozen=True)
class GridLayout:
    """Positions in a grid, in pixels.

    Attributes:
        scale: whole enlargement factor.
        tile: width and height of an enlarged image.
        origin: left and top of the first tile.
        pitch: horizontal and vertical distance of tiles.
        size: width and height of the grid.
    """

    scale: int
    tile: tuple[int, int]
    origin: tuple[int, int]
    pitch: tuple[int, int]
    size: tuple[int, int]

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom (exclusive) of one tile."""
        left = self.origin[0] + column * self.pitch[0]
        top = self.origin[1] + row * self.pitch[1]
        return left, top, left + self.tile[0], top + self.tile[1]


def comfortable_scale(height: int, width: int, *, rows: int = 1) -> int:
    """Return the enlargement at which small images are easy to see: 2 for 28 px, 1 from 56 px on.

    It is less for very many rows, because viewers refuse very tall images.
    """
    wanted = -(-_COMFORTABLE // min(height, width))
    return max(1, min(wanted, _TALLEST // (rows * height)))


def grid_layout(
    shape: tuple[int, int],
    columns: int,
    names: Sequence[str],
    *,
    scale: int | None = None,
    title: str | None = None,
) -> GridLayout:
    """Return the layout of a grid with one row per name.

    Args:
        shape: height and width of one image.
        columns: images in the longest row.
        names: one per row; without space for names if all are empty.
        scale: whole enlargement factor, or None for `comfortable_scale`.
        title: a line above, or None.
    """
    height, width = shape
    scale = scale or comfortable_scale(height, width, rows=len(names))
    tile = (width * scale, height * scale)
    shown = [shorten(name, _NAME_SIZE, _NAME_WIDTH) for name in names]
    name_width = max((text_width(name, _NAME_SIZE) for name in shown), default=0)
    left = _MARGIN + (name_width + _MARGIN if name_width else 0)
    top = _MARGIN + (line_height(_TITLE_SIZE) + _MARGIN // 2 if title else 0)
    row_height = max(tile[1], line_height(_NAME_SIZE)) if name_width else tile[1]
    pitch = (tile[0] + _GAP, row_height + _GAP)
    right = left + max(columns, 1) * pitch[0] - _GAP
    if title:
        right = max(right, _MARGIN + min(text_width(title, _TITLE_SIZE), _TITLE_WIDTH))
    bottom = top + (row_height - tile[1]) // 2 + max(len(names), 1) * pitch[1] - _GAP
    return GridLayout(
        scale=scale,
        tile=tile,
        origin=(left, top + (row_height - tile[1]) // 2),
        pitch=pitch,
        size=(right + _MARGIN, bottom + _MARGIN),
    )


def class_grid(
    images: UInt8Array | Sequence[UInt8Array],
    names: Sequence[str],
    *,
    scale: int | None = None,
    title: str | None = None,
) -> Image.Image:
    """Return a grid with one row of images per class, and the class names at the left.

    Args:
        images: uint8 (K, n, C, H, W), or K arrays (n_k, C, H, W) of different lengths; C is 1
            (gray) or 3 (color).
        names: the K class names in label order; long ones are shortened.
        scale: whole enlargement factor (nearest neighbor), or None for `comfortable_scale`.
        title: a line above the rows.

    Returns:
        A gray (``L``) or color (``RGB``) image with all given pixels unchanged.

    Raises:
        ValueError: not uint8, other channels than 1 or 3, no rows, or another number of names.
    """
    rows = [np.asarray(row) for row in images]
    shape = _common_shape(rows)
    if len(names) != len(rows):
        raise ValueError(f"{len(rows)} rows of images need as many names, not {len(names)}")
    layout = grid_layout(shape[1:], max(len(row) for row in rows), names, scale=scale, title=title)
    grid = Image.new("L" if shape[0] == 1 else "RGB", layout.size, _PAPER)
    if title:
        text = shorten(title, _TITLE_SIZE, grid.width - 2 * _MARGIN)
        write(grid, (_MARGIN, _MARGIN), text, _TITLE_SIZE, "la")
    for index, (name, row) in enumerate(zip(names, rows, strict=True)):
        for column, image in enumerate(row):
            tile = to_pil(image).resize(layout.tile, Image.Resampling.NEAREST)
            grid.paste(tile, layout.box(index, column))
        at = layout.origin[0] - _MARGIN, layout.box(index, 0)[1] + layout.tile[1] // 2
        text = shorten(name, _NAME_SIZE, _NAME_WIDTH)
        write(grid, at, text, _NAME_SIZE, "rm")
    return grid


def strip(
    images: UInt8Array, *, scale: int | None = None, columns: int | None = None
) -> Image.Image:
    """Return images side by side without names, in lines of ``columns``.

    Args:
        images: uint8 (n, C, H, W), C 1 or 3.
        scale: as in `class_grid`.
        columns: images per line; None for a single line.
    """
    columns = columns or max(len(images), 1)
    rows = [images[start : start + columns] for start in range(0, max(len(images), 1), columns)]
    return class_grid(rows, [""] * len(rows), scale=scale)


def side_by_side(images: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Return images side by side at their own size, tops aligned, with a caption above each.

    Raises:
        ValueError: no images, or another number of captions.
    """
    if not images or len(images) != len(captions):
        raise ValueError(f"{len(images)} images need as many captions, not {len(captions)}")
    mode = "L" if all(image.mode == "L" for image in images) else "RGB"
    top = _MARGIN + line_height(_TITLE_SIZE)
    height = top + max(image.height for image in images)
    widths = [
        max(image.width, 2 * _MARGIN + min(text_width(caption, _TITLE_SIZE), _TITLE_WIDTH))
        for image, caption in zip(images, captions, strict=True)
    ]
    result = Image.new(mode, (sum(widths), height), _PAPER)
    left = 0
    for image, caption, width in zip(images, captions, widths, strict=True):
        result.paste(image.convert(mode), (left, top))
        text = shorten(caption, _TITLE_SIZE, width - 2 * _MARGIN)
        write(result, (left + _MARGIN, _MARGIN), text, _TITLE_SIZE, "la")
        left += width
    return result


def png_bytes(image: Image.Image) -> bytes:
    """Return the image as PNG; equal pixels give equal bytes (no time, no software name)."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _common_shape(rows: Sequence[npt.NDArray[Any]]) -> tuple[int, int, int]:
    shapes = {row.shape[1:] for row in rows}
    if len(shapes) != 1 or any(row.dtype != np.uint8 or row.ndim != 4 for row in rows):
        found = ", ".join(f"{row.dtype} {row.shape}" for row in rows[:3]) or "no rows"
        raise ValueError(f"a grid needs uint8 rows (n, C, H, W) of one size, not {found}")
    channels, height, width = shapes.pop()
    if channels not in {1, 3}:
        raise ValueError(f"an image has 1 or 3 channels, not {channels}")
    return channels, height, width
