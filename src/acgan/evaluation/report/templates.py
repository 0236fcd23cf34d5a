"""Pages from the templates beside this module: every value is escaped, nothing is fetched."""

from __future__ import annotations

import base64
import re
import struct
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Not allowed in HTML, or (half of a pair of surrogates, from a folder's name) not in UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PNG_HEADER = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33  # signature and the chunk IHDR
_DENSITY_WITHIN = 1024  # the chunk pHYs comes before the pixels
_PER_METRE = 1  # its only unit
_PAGE_PIXELS_PER_METRE = 96 / 0.0254


def render(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: name of its file.
        values: what it shows; all text is escaped.
    """
    return _environment().get_template(template).render(**values)


def data_uri(png: bytes) -> str:
    """A picture as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def png_size(png: bytes) -> tuple[int, int] | None:
    """Width and height in the page's pixels (96 to the inch), so that nothing moves as it loads.

    A picture that says how many of its own pixels an inch has (charts do) is laid out at its size
    in inches; others pixel by pixel. None for what is no PNG.
    """
    if not png.startswith(_PNG_HEADER) or len(png) < _HEADER_BYTES:
        return None
    width, height = struct.unpack(">II", png[16:24])
    place = png.find(b"pHYs", _HEADER_BYTES, _DENSITY_WITHIN)
    if place < 0 or len(png) < place + 13:
        return width, height
    across, _, unit = struct.unpack(">IIB", png[place + 4 : place + 13])
    scale = _PAGE_PIXELS_PER_METRE / across if unit == _PER_METRE and across else 1.0
    return round(width * scale), round(height * scale)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("acgan.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: Any) -> Any:
    """Text in which every character may stand in a page; the template's own is left as it is."""
    return value if isinstance(value, Markup) else _FORBIDDEN.sub("�", str(value))
