"""The display of long work in named stages: how far the current one is, and how long each took."""

from __future__ import annotations

import time
from typing import TextIO, final

_REFRESH_SECONDS = 0.2  # on a terminal, where a line is overwritten
_LINE_SECONDS = 15.0  # elsewhere, where every line stays


@final
class Stages:
    """Writes to a stream; on a terminal one line moves, elsewhere now and then a line is added.

    Args:
        stream: usually stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._told = time.monotonic()
        self._width = 0

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far a stage is; most calls write nothing."""
        now = time.monotonic()
        if now - self._told < (_REFRESH_SECONDS if self._moving else _LINE_SECONDS):
            return
        self._told = now
        line = f"  {stage}: {done:,} of {total:,}"
        if self._moving:
            self._stream.write(f"\r{line.ljust(self._width)}")
            self._width = len(line)
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def done(self, part: str, seconds: float) -> None:
        """A part ended, after so many seconds; this line stays."""
        line = f"  {part}: {seconds:.1f} s"
        self._stream.write(f"\r{line.ljust(self._width)}\n" if self._moving else f"{line}\n")
        self._stream.flush()
        self._width, self._told = 0, time.monotonic()
