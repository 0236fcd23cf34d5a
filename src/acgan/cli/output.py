"""Output of commands: results on stdout, as text or JSON; progress and notes on stderr."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

import typer

from acgan.errors import LINE_CHARACTERS, UsageError, escaped, shortened

if TYPE_CHECKING:
    from acgan.training.display import Progress


def result(values: Any, text: str, *, as_json: bool) -> None:
    """Print a command's result on stdout: ``values`` as JSON, or ``text``."""
    print(json_text(values) if as_json else escaped(text), flush=True)


def json_text(values: Any) -> str:
    """Return valid JSON for stdout: NaN and infinity become null; ASCII if stdout needs it."""
    plain = json.dumps(values, default=str)
    finite = json.loads(plain, parse_constant=lambda _: None)
    text = json.dumps(finite, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(finite, indent=2)
    return text


def say(message: str) -> None:
    """Print a message on stderr."""
    print(escaped(message), file=sys.stderr)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; ``yes`` is the answer of the option --yes.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{question} Add --yes to confirm")
    if not typer.confirm(question, err=True):
        raise UsageError("nothing was changed")


def write(path: Path, content: bytes | str, option: str = "--out") -> None:
    """Write a file; ``option`` names the option that chooses its path, for the message."""
    from acgan.storage.disk import disk_errors, require_windows_path
    from acgan.storage.files import write_atomic

    require_windows_path(path, option=option)
    with disk_errors(path, option=option):
        write_atomic(path, content)


def counter(what: str) -> Callable[[int, int], None]:
    """Return a callback that shows ``done of total`` on stderr if that is a terminal."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty() and (done % 100 == 0 or done == total):
            end = "\n" if done == total else ""
            print(f"\r{what}: {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)

    return show


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    """Return aligned columns of plain text.

    Args:
        header: names of the columns.
        rows: one cell per column.
        numbers: the columns to align to the right.
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


_BARE = re.compile(r"[A-Za-z_][\w./:-]*")
_KEYWORDS = {"true", "false", "none", "inf", "nan"}  # not strings unless quoted


def settings(config: Mapping[str, Any]) -> str:
    """Return every setting as a line ``section.key=value``, in the form that ``-o`` takes."""
    from acgan.config import flatten

    return "\n".join(f"{key}={_outermost(value)}" for key, value in flatten(config))


def _outermost(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in _KEYWORDS:
        return value
    return _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        # TOML has no null; a missing key has its default, None
        inner = (f"{key} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(inner)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def command_lines(words: Sequence[str]) -> list[str]:
    """Return a command that works as pasted into a shell, in lines of at most 120 characters.

    Backslashes at their ends join the lines; a longer word is divided too, into quoted pieces.
    """
    lines = [""]
    for word in words:
        text = shlex.quote(word)
        pieces = [text]
        if len(text) > LINE_CHARACTERS - 6:  # a quote of the word takes at most 5 characters
            pieces = [shlex.quote(word[at : at + 20]) for at in range(0, len(word), 20)]
        for index, piece in enumerate(pieces):
            gap = "" if index else "  " if lines == [""] else " "
            if len(lines[-1]) + len(gap) + len(piece) > LINE_CHARACTERS - 2:
                lines[-1] += f"{gap}\\"
                lines.append("")
                gap = ""
            lines[-1] += f"{gap}{piece}"
    return lines


_REFRESH_SECONDS = 0.2  # on a terminal, which overwrites the line
_LINE_SECONDS = 15.0  # elsewhere, since every line stays


@final
class Stages:
    """Progress of long work in named stages: one line that changes, or a line every 15 seconds.

    Args:
        stream: usually stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._written = time.monotonic()
        self._width = 0
        self._rate: Progress | None = None

    def progress(self, stage: str, done: int, total: int) -> None:
        """Show the finished items of a stage, their share and the time left, by the recent rate.

        Most calls write nothing.
        """
        if self._rate is None or self._rate.total != total:
            from acgan.training.display import Progress

            self._rate = Progress(time.monotonic)
            self._rate.start(total, done)
        self._rate.update(done)
        now = time.monotonic()
        if now - self._written < (_REFRESH_SECONDS if self._moving else _LINE_SECONDS):
            return
        self._written = now
        line = f"  {stage}: {done:,} of {total:,}"
        if total and (left := self._rate.seconds_left) is not None:
            from acgan.training.display import duration

            line += f" ({done / total:.0%}, {duration(left)} left)"
        line = shortened(line)
        if self._moving:
            self._stream.write(f"\r{line.ljust(self._width)}")
            self._width = len(line)
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def done(self, stage: str, seconds: float) -> None:
        """Write that a stage is complete; this line stays."""
        line = shortened(f"  {stage}: {seconds:.1f} s")
        self._rate = None
        self._stream.write(f"\r{line.ljust(self._width)}\n" if self._moving else f"{line}\n")
        self._stream.flush()
        self._width, self._written = 0, time.monotonic()
