"""Text in images: one font that every installation has, and names shortened to a width."""

from __future__ import annotations

import importlib.util
from bisect import bisect
from functools import cache
from pathlib import Path

from PIL import ImageFont


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return DejaVu Sans at ``size`` pixels, from matplotlib's wheel.

    Pillow's own font has few letters besides Latin; DejaVu adds Greek, Cyrillic and symbols. The
    better layout engine is not installed everywhere, so it would change the bytes of a grid.
    """
    package = importlib.util.find_spec("matplotlib")  # does not import it, which is slow
    if package is not None and package.origin is not None:
        path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)  # a distribution may keep its fonts elsewhere


def shorten(text: str, size: int, width: int) -> str:
    """Return one line of at most ``width`` pixels, ending in "…" if shortened."""
    line = "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
    if text_width(line, size) <= width:
        return line
    lengths = range(1, len(line) + 1)
    fitting = bisect(lengths, width, key=lambda n: text_width(f"{line[:n]}…", size))
    return f"{line[:fitting].rstrip()}…"


def text_width(text: str, size: int) -> int:
    """Return the width in pixels, rounded up."""
    return int(-(-font(size).getlength(text) // 1))


def line_height(size: int) -> int:
    """Return the height of a line in pixels."""
    face = font(size)
    if isinstance(face, ImageFont.FreeTypeFont):
        ascent, descent = face.getmetrics()
        return ascent + descent
    return int(face.getbbox("Äg")[3])
