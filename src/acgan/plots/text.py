"""Text in pictures: one font that every installation has, and names cut to a width."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from PIL import ImageFont

_ELLIPSIS = "…"


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans at ``size`` pixels, from matplotlib's wheel.

    Pillow's own font knows hardly more than Latin letters; DejaVu adds Greek, Cyrillic, symbols and
    more. Basic layout, because the better one depends on a library that is not installed everywhere
    and the same sheet must have the same bytes.
    """
    package = importlib.util.find_spec("matplotlib")  # finding is fast, importing is not
    if package is not None and package.origin is not None:
        path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)  # a distribution may keep its fonts elsewhere


def shorten(text: str, size: int, width: int) -> str:
    """``text`` on one line of at most ``width`` pixels: cut with "…", control characters shown."""
    line = "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
    if text_width(line, size) <= width:
        return line
    low, high = 0, len(line)
    while low < high:  # the longest beginning that fits together with the ellipsis
        middle = (low + high + 1) // 2
        if text_width(line[:middle] + _ELLIPSIS, size) <= width:
            low = middle
        else:
            high = middle - 1
    return line[:low].rstrip() + _ELLIPSIS


def text_width(text: str, size: int) -> int:
    """Width in pixels, rounded up."""
    return int(-(-font(size).getlength(text) // 1))


def line_height(size: int) -> int:
    """Pixels from the highest to the lowest point that a letter can reach."""
    face = font(size)
    if isinstance(face, ImageFont.FreeTypeFont):
        ascent, descent = face.getmetrics()
        return ascent + descent
    return int(face.getbbox("Äg")[3])
