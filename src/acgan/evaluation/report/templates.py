"""Pages from the templates beside this module: every value is escaped, nothing is fetched."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Not allowed in HTML, or (half of a pair of surrogates, from a folder's name) not in UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PNG_HEADER = b"\x89PNG\r\n\x1a\n"


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
    """Width and height from the header of a PNG, so that a page need not move when it loads."""
    if not png.startswith(_PNG_HEADER) or len(png) < 24:
        return None
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


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
