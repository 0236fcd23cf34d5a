"""Images as arrays become Pillow's.

Sheets: pixels as they are, enlarged by whole factors, on white paper with names beside them.

No value is ever rescaled: the same gray in two sheets is the same number, so sheets of different
moments can be compared.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from acgan.metrics.arrays import UInt8Array
from acgan.plots.text import font, line_height, shorten, text_width


def to_pil(image: npt.NDArray[np.uint8]) -> Image.Image:
    """uint8 (1, H, W) as a gray and (3, H, W) as a color picture, of the same values."""
    return Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1).copy())


_PAPER = 255
_INK = 40
_MARGIN = 10  # pixels around everything
_GAP = 3  # pixels between tiles
_NAME_SIZE = 15
_TITLE_SIZE = 17
_NAME_WIDTH = 180  # a longer name is cut
_TITLE_WIDTH = 480  # a title may widen a narrow picture up to this
_COMFORTABLE = 56  # pixels that the shorter side of a tile should have
_TALLEST = 6000  # pixels that a sheet of many classes should not exceed


@final
@dataclass(frozen=True)
class GridLayout:
    """Where everything lies on a sheet; all in pixels.

    Attributes:
        scale: whole factor by which images are enlarged.
        tile: width and height of an enlarged image.
        origin: left and top of the first tile.
        pitch: distance from one tile to the next, across and down.
        size: width and height of the sheet.
    """

    scale: int
    tile: tuple[int, int]
    origin: tuple[int, int]
    pitch: tuple[int, int]
    size: tuple[int, int]

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom (exclusive) of one tile."""
        left = self.origin[0] + column * self.pitch[0]
        top = self.origin[1] + row * self.pitch[1]
        return left, top, left + self.tile[0], top + self.tile[1]


def comfortable_scale(height: int, width: int, *, rows: int = 1) -> int:
    """The whole factor that makes small images comfortably visible: 2 for 28 px, 1 from 56 px on.

    With very many rows it is less, so that the sheet stays a picture that viewers open.
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
    """The layout of a sheet with one row per name.

    Args:
        shape: height and width of one image.
        columns: images in the longest row.
        names: one per row; all empty means no room for names.
        scale: whole enlargement, or None for `comfortable_scale`.
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
    """One row of images per class, with the class's name at its left.

    Args:
        images: uint8 (K, n, C, H, W), or K arrays (n_k, C, H, W) where classes differ in number;
            C is 1 (gray) or 3 (color).
        names: the K class names in label order; long ones are cut with "…".
        scale: whole enlargement (nearest neighbor); None makes small images comfortably visible.
        title: a line above the rows.

    Returns:
        A gray (``L``) or color (``RGB``) picture in which every given pixel is found unchanged.

    Raises:
        ValueError: not uint8, other channels than 1 or 3, no rows, or another number of names.
    """
    rows = [np.asarray(row) for row in images]
    shape = _common_shape(rows)
    if len(names) != len(rows):
        raise ValueError(f"{len(rows)} rows of images need as many names, not {len(names)}")
    layout = grid_layout(shape[1:], max(len(row) for row in rows), names, scale=scale, title=title)
    mode = "L" if shape[0] == 1 else "RGB"
    width, height = layout.size
    paper = np.full((height, width) if mode == "L" else (height, width, 3), _PAPER, dtype=np.uint8)
    for index, row in enumerate(rows):
        for column, image in enumerate(_enlarged(row, layout.scale)):
            left, top, right, bottom = layout.box(index, column)
            paper[top:bottom, left:right] = image
    picture = Image.fromarray(paper)
    pen = ImageDraw.Draw(picture)
    if title:
        text = shorten(title, _TITLE_SIZE, width - 2 * _MARGIN)
        pen.text((_MARGIN, _MARGIN), text, fill=_ink(mode), font=font(_TITLE_SIZE), anchor="la")
    for index, name in enumerate(names):
        text = shorten(name, _NAME_SIZE, _NAME_WIDTH)
        middle = layout.box(index, 0)[1] + layout.tile[1] // 2
        pen.text(
            (layout.origin[0] - _MARGIN, middle),
            text,
            fill=_ink(mode),
            font=font(_NAME_SIZE),
            anchor="rm",
        )
    return picture


def strip(
    images: UInt8Array, *, scale: int | None = None, columns: int | None = None
) -> Image.Image:
    """Images side by side without names, for an interpolation; several lines with ``columns``.

    Args:
        images: uint8 (n, C, H, W), C 1 or 3.
        scale: as in `class_grid`.
        columns: images in a line; None puts all into one.
    """
    columns = columns or max(len(images), 1)
    rows = [images[start : start + columns] for start in range(0, max(len(images), 1), columns)]
    return class_grid(rows, [""] * len(rows), scale=scale)


def side_by_side(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Pictures from left to right at their own size, tops aligned, a caption above each.

    Raises:
        ValueError: no pictures, or another number of captions.
    """
    if not pictures or len(pictures) != len(captions):
        raise ValueError(f"{len(pictures)} pictures need as many captions, not {len(captions)}")
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    top = _MARGIN + line_height(_TITLE_SIZE)
    height = top + max(picture.height for picture in pictures)
    widths = [
        max(picture.width, 2 * _MARGIN + min(text_width(caption, _TITLE_SIZE), _TITLE_WIDTH))
        for picture, caption in zip(pictures, captions, strict=True)
    ]
    result = Image.new(mode, (sum(widths), height), _paper(mode))
    pen = ImageDraw.Draw(result)
    left = 0
    for picture, caption, width in zip(pictures, captions, widths, strict=True):
        result.paste(picture.convert(mode), (left, top))
        text = shorten(caption, _TITLE_SIZE, width - 2 * _MARGIN)
        pen.text((left + _MARGIN, _MARGIN), text, fill=_ink(mode), font=font(_TITLE_SIZE))
        left += width
    return result


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as PNG: equal pixels, equal bytes (no time, no software name)."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _common_shape(rows: Sequence[npt.NDArray[Any]]) -> tuple[int, int, int]:
    shapes = {row.shape[1:] for row in rows}
    if len(shapes) != 1 or any(row.dtype != np.uint8 or row.ndim != 4 for row in rows):
        found = ", ".join(f"{row.dtype} {row.shape}" for row in rows[:3]) or "no rows"
        raise ValueError(f"a sheet needs uint8 rows (n, C, H, W) of one size, not {found}")
    channels, height, width = shapes.pop()
    if channels not in {1, 3}:
        raise ValueError(f"a picture has 1 or 3 channels, not {channels}")
    return channels, height, width


def _enlarged(row: UInt8Array, scale: int) -> UInt8Array:
    """(n, C, H, W) as (n, H·scale, W·scale) or (n, H·scale, W·scale, 3), nearest neighbor."""
    large = row.repeat(scale, axis=2).repeat(scale, axis=3)
    return large[:, 0] if row.shape[1] == 1 else np.moveaxis(large, 1, -1)


def _ink(mode: str) -> int | tuple[int, int, int]:
    return _INK if mode == "L" else (_INK, _INK, _INK)


def _paper(mode: str) -> int | tuple[int, int, int]:
    return _PAPER if mode == "L" else (_PAPER, _PAPER, _PAPER)
