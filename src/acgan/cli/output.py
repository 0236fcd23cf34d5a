"""What commands print: results on stdout, as text or JSON; everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def result(values: Any, text: str, *, as_json: bool) -> None:
    """Print a command's result on stdout: ``values`` as JSON, or ``text``."""
    if as_json:
        text = json.dumps(values, indent=2, ensure_ascii=False, default=str)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(message: str) -> None:
    """A sentence for the person, on stderr."""
    print(message, file=sys.stderr)


def counter(what: str) -> Callable[[int, int], None]:
    """A callback that shows ``done of total`` on stderr, if that is a terminal."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty() and (done % 100 == 0 or done == total):
            end = "\n" if done == total else ""
            print(f"\r{what}: {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)

    return show


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    """Aligned columns of plain text.

    Args:
        header: names of the columns.
        rows: as many cells each.
        numbers: the columns that are aligned to the right.
    """
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        ).rstrip()
        for line in lines
    )
