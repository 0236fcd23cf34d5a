"""The progress of a run on stderr: live on a terminal, one line per logged row anywhere else."""

from __future__ import annotations

import io
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TextIO, final

from acgan.training.progress import Clock, Progress, figures

Level = Literal["info", "warning"]


class Display(ABC):
    """Shows how far a run is. Nothing it meets (a closed pipe, say) ever stops the run."""

    @abstractmethod
    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Begin: the run's name, its budget, and where it starts or was resumed."""

    @abstractmethod
    def update(self, images_seen: int) -> None:
        """Say how far the run is; cheap enough for every step."""

    @abstractmethod
    def metrics(self, row: Mapping[str, Any]) -> None:
        """Show a row of ``metrics.jsonl``."""

    @abstractmethod
    def message(self, text: str, level: Level = "info") -> None:
        """Say something that stays readable above the progress: an alarm, a skipped update."""

    @abstractmethod
    def close(self) -> None:
        """End; the last state stays on the screen. More than once does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def make_display(stream: TextIO | None = None) -> Display:
    """The display that fits a stream: live on a terminal, plain lines elsewhere.

    Pipes, files, notebooks and terminals that call themselves dumb get plain lines without escape
    codes. NO_COLOR takes the colours away, not the liveliness.

    Args:
        stream: where to write; None is stderr, so that stdout stays free for results.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty() and os.environ.get("TERM", "").casefold() not in {"dumb", "unknown"}:
        from acgan.training.live_display import LiveDisplay

        return LiveDisplay(stream)
    return PlainDisplay(stream)


@final
class SilentDisplay(Display):
    """Shows nothing."""

    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Nothing."""

    def update(self, images_seen: int) -> None:
        """Nothing."""

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Nothing."""

    def message(self, text: str, level: Level = "info") -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@final
class PlainDisplay(Display):
    """One line per logged row and per message, flushed at once.

    Args:
        stream: where the lines go.
        clock: seconds, for the rate.
    """

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = UnbreakableStream(stream)
        self._progress = Progress(clock)

    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Say which run begins or goes on."""
        self._progress.start(total_images, images_seen)
        resumed = f", goes on from {images_seen:,}" if images_seen else ""
        self._line(f"{run}: {total_images:,} images{resumed}")

    def update(self, images_seen: int) -> None:
        """Measure the rate; prints nothing."""
        self._progress.update(images_seen)

    def metrics(self, row: Mapping[str, Any]) -> None:
        """One line with everything."""
        self._progress.update(row["images"])
        parts = ["  ".join(self._progress.words())]
        for group, shown in figures(row):
            parts.append(f"{group}: " + "  ".join(f"{name} {value}" for name, value in shown))
        self._line(" | ".join(parts))

    def message(self, text: str, level: Level = "info") -> None:
        """One line."""
        self._line(f"warning: {text}" if level == "warning" else text)

    def close(self) -> None:
        """Nothing is pending."""

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


@final
class UnbreakableStream(io.TextIOBase):
    """A stream that goes quiet when the one below it breaks.

    A reader that went away (``| head``), a closed terminal or a full disk under a log file is no
    reason to end a run of hours; rich would even end the process itself.

    Args:
        stream: where text goes as long as it can.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        """That of the stream below; rich asks for it."""
        return self._encoding

    def write(self, text: str) -> int:
        """Pass the text on, if there is still somebody."""
        self._guarded(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream below."""
        self._guarded(lambda stream: stream.flush())

    def _guarded(self, action: Callable[[TextIO], object]) -> None:
        if self._stream is not None:
            try:
                action(self._stream)
            except (OSError, ValueError):  # ValueError: the stream is closed
                self._stream = None
