"""The Markdown of our documents as plain text of a terminal's width."""

from __future__ import annotations

import html
import re
import shutil
import textwrap

_NARROWEST, _WIDEST = 60, 100


def terminal_width() -> int:
    """Columns to write in: the terminal's, but from 60 to 100; 80 where there is none."""
    return min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size().columns))


def plain(markdown: str, width: int) -> str:
    """Paragraphs and lists wrapped, marks taken away, formulas on lines of their own.

    Args:
        markdown: paragraphs, lists of ``*``, and formulas indented by four columns.
        width: columns.
    """
    return "\n\n".join(_block(block, width) for block in re.split(r"\n\s*\n", markdown.strip("\n")))


def unmarked(markdown: str) -> str:
    """Without the marks of code and emphasis."""
    text = re.sub(r"`([^`]*)`", r"\1", markdown)
    text = re.sub(r"(\*{1,2})(?=\S)(.+?)(?<=\S)\1", r"\2", text, flags=re.DOTALL)
    return html.unescape(text)


def _block(block: str, width: int) -> str:
    lines = block.splitlines()
    if all(line.startswith("    ") for line in lines):
        return "\n".join(part for line in lines for part in _formula(line, width))
    if lines[0].startswith("* "):
        items = re.split(r"^\* ", block, flags=re.MULTILINE)[1:]
        return "\n".join(_wrapped(item, width, "* ", "  ") for item in items)
    return _wrapped(block, width)


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        unmarked(" ".join(text.split())),
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _formula(line: str, width: int) -> list[str]:
    """A formula; too wide, it has its columns closed up and is broken before a ``+``."""
    if len(line) <= width:
        return [html.unescape(line)]
    lines = [""]
    for part in re.split(r"(?=  \+  )", re.sub(r"(?<=\S) {3,}", "  ", line)):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append(" " * 10 + part.strip())
        else:
            lines[-1] += part
    return [html.unescape(line) for line in lines]
