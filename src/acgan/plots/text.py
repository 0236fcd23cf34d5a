"""Text in images: drawn with installed fonts that have its characters, shortened to a width.

Plain text is drawn by Pillow in DejaVu Sans, which comes with matplotlib. Other characters, and
scripts that join, stack or reorder letters, are drawn by matplotlib's text engine, which needs
neither a system library nor one font for all. Characters that no font has become escapes;
`acgan.data.images.find_class` accepts these.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from acgan.errors import printable, quoted

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

_INK = "#282828"
_STYLED = re.compile("bold|italic|oblique|light|thin|black|mono|serif|condensed", re.IGNORECASE)
_BOXES = re.compile("lastresort|blank|notdef", re.IGNORECASE)  # a box for every character
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")  # starts of names of characters


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return DejaVu Sans at ``size`` pixels.

    Pillow's own font has few letters besides Latin; DejaVu adds Greek, Cyrillic and symbols. The
    better layout engine is not installed everywhere, so it would change the bytes of a grid.
    """
    if path := _dejavu():
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)  # a distribution may keep its fonts elsewhere


@cache
def _dejavu() -> str:
    package = importlib.util.find_spec("matplotlib")  # does not import it, which is slow
    if package is None or package.origin is None:
        return ""
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return str(path) if path.is_file() else ""


@cache
def _installed_fonts() -> tuple[str, ...]:
    """Return the paths of this machine's fonts: Noto Sans first, then upright regular ones."""
    from matplotlib.font_manager import findSystemFonts  # slow; few names need it

    def rank(path: str) -> tuple[bool, bool, str]:
        name = Path(path).stem
        return not name.startswith("NotoSans"), _STYLED.search(name) is not None, path

    found = [path for path in findSystemFonts() if not _BOXES.search(Path(path).stem)]
    return (_dejavu(), *sorted(found, key=rank))


_font_of: dict[str, str | None] = {}
"""Path of the font that has a character, or None, for all characters looked up so far."""


def _fonts(text: str) -> list[str | None]:
    """Return the font of each character of a text."""
    unknown = set(text) - _font_of.keys()
    for path in _installed_fonts() if unknown else ():
        if (face := _opened(path)) is not None:
            found = {c for c in unknown if face.get_char_index(ord(c))}
            _font_of.update(dict.fromkeys(found, path))
            unknown -= found
            if not unknown:
                break
    _font_of.update(dict.fromkeys(unknown))
    return [_font_of[c] for c in text]


def _opened(path: str) -> FT2Font | None:
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(path)
    except (OSError, RuntimeError, ValueError):
        return None
    return face if face.scalable else None  # color emoji are bitmaps of one size


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def _lost(line: str) -> set[str]:
    """Return the characters that no font has."""
    fonts = () if line.isascii() else _fonts(line)
    return {c for c, path in zip(line, fonts, strict=False) if path is None}


def legible(text: str) -> str:
    r"""Return a text as one line, with escapes for characters that cannot be drawn.

    >>> legible("two\nlines \ue000")
    'two lines \\ue000'
    """
    line = _line(text)
    lost = _lost(line)
    if lost and _is_right_to_left(line):  # an escape between such letters would be torn apart
        lost |= {c for c in line if not c.isascii()}
    return "".join(ascii(c)[1:-1] if c in lost else c for c in line)


def class_labels(names: Sequence[str]) -> list[str]:
    """Return what images show for each class: its name, or index and escapes without a font."""
    lost = _lost("".join(map(_line, names)))  # looks all characters up at once
    return [
        f"{k}: {legible(name)}" if lost.intersection(_line(name)) else legible(name)
        for k, name in enumerate(names)
    ]


def missing_fonts_note(names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for the user if images cannot show some class names."""
    if lost := _lost("".join(map(_line, names))):
        few = [name for name in names if lost.intersection(_line(name))]
        yield (
            f"no font for {quoted(few)}: images show index and escapes; "
            f"install {', '.join(sorted(set(map(_package, lost))))} (named as in Debian)"
        )


def _package(character: str) -> str:
    """Return the package of Debian with a font for a character."""
    if unicodedata.category(character).startswith("S"):
        return "fonts-symbola"  # fonts-noto-color-emoji has bitmaps of one size
    is_cjk = unicodedata.name(character, "").startswith(_CJK)
    return "fonts-noto-cjk" if is_cjk else "fonts-noto-core"


def _is_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(c) in {"R", "AL"} for c in text)


def _is_plain(line: str) -> bool:
    """Return whether Pillow's simple layout in DejaVu Sans draws a line correctly."""
    return line.isascii() or (
        set(_fonts(line)) == {_dejavu()}
        and not _is_right_to_left(line)
        and not any(unicodedata.category(c)[0] == "M" or c in "\u200c\u200d" for c in line)
    )


def font_families(lines: Iterable[str]) -> list[str]:
    """Return the names by which matplotlib finds the fonts of all lines, DejaVu Sans first."""
    text = "".join(line for line in lines if not line.isascii())
    return ["DejaVu Sans", *(_family(path) for path in dict.fromkeys(_fonts(text)) if path)]


@cache
def _family(path: str) -> str:
    from matplotlib.font_manager import FontProperties, fontManager

    fontManager.addfont(path)  # its own list is as old as its cache
    name: str = FontProperties(fname=path).get_name()
    return name


def _shaped(line: str, size: int) -> FT2Font:
    """Return matplotlib's engine with a line laid out, in the fonts of its characters."""
    from matplotlib.font_manager import get_font

    found = dict.fromkeys(path for path in (_dejavu(), *_fonts(line)) if path)
    face = get_font(list(found))
    face.set_size(size, 72)  # at 72 pixels per inch, points are pixels
    face.set_text(line, 0.0)
    return face


def write(image: Image.Image, at: tuple[float, float], line: str, size: int, anchor: str) -> None:
    """Draw a result of `shorten` onto an image; ``anchor`` is one of Pillow's, such as ``la``."""
    if _is_plain(line):
        ImageDraw.Draw(image).text(at, line, fill=_INK, font=font(size), anchor=anchor)
        return
    face = _shaped(line, size)
    face.draw_glyphs_to_bitmap()
    ink = np.asarray(face.get_image())
    height, width = ink.shape
    ascent, descent = _extent(size)
    left = at[0] - {"l": 0, "m": width / 2, "r": width}[anchor[0]]
    line_top = at[1] - {"a": 0, "m": (ascent + descent) / 2, "b": ascent + descent}[anchor[1]]
    top = line_top + ascent + face.get_descent() / 64 - height
    image.paste(_INK, (round(left), round(top)), Image.fromarray(ink))


def shorten(text: str, size: int, width: int) -> str:
    """Return one `legible` line of at most ``width`` pixels, ending in "…" if shortened."""
    line = legible(text)
    if text_width(line, size) <= width:
        return line
    lengths = range(1, len(line) + 1)
    fitting = bisect(lengths, width, key=lambda n: text_width(f"{line[:n]}…", size))
    return f"{line[:fitting].rstrip()}…"


def text_width(text: str, size: int) -> int:
    """Return the width of a text as `legible` line in pixels, rounded up."""
    line = legible(text)
    if _is_plain(line):
        return int(-(-font(size).getlength(line) // 1))
    return int(-(-_shaped(line, size).get_width_height()[0] // 64))


def line_height(size: int) -> int:
    """Return the height of a line in pixels."""
    return sum(_extent(size))


def _extent(size: int) -> tuple[int, int]:
    """Return ascent and descent in pixels."""
    face = font(size)
    if isinstance(face, ImageFont.FreeTypeFont):
        return face.getmetrics()
    return int(face.getbbox("Äg")[3]), 0
