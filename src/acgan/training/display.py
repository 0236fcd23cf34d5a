"""How far a run is, how fast, how long it takes still; and its figures in words.

The progress of a run on stderr: live on a terminal, one line per logged row anywhere else.
"""

from __future__ import annotations

import io
import math
import os
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TextIO, final

Clock = Callable[[], float]

_WINDOW_SECONDS = 30.0
_SAMPLE_SECONDS = 0.5
_GROUPS = (
    ("discriminator", "D loss", False),
    ("generator", "G loss", False),
    ("class_accuracy", "class accuracy", True),
    ("source_accuracy", "source accuracy", True),
)


@final
class Progress:
    """Images done of images to do, and the rate over the last 30 seconds of wall clock.

    Everything that happens in these seconds counts (sheets, checkpoints, held-out figures), so the
    time left is the time that a person will wait.

    Args:
        clock: seconds, never running backwards.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self.total = 0
        self.seen = 0

    def start(self, total_images: int, images_seen: int) -> None:
        """Begin to measure."""
        self.total, self.seen = total_images, images_seen
        self._samples.clear()
        self._samples.append((self._clock(), images_seen))

    def update(self, images_seen: int) -> None:
        """Take note of where the run is; well under a microsecond in most calls."""
        if images_seen < self.seen:  # an earlier state was restored
            self.start(self.total, images_seen)
        self.seen = images_seen
        now = self._clock()
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, images_seen))
            # The second sample may be too young for the window only if the first one is kept.
            while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_SECONDS:
                self._samples.popleft()

    @property
    def share(self) -> float:
        """Part that is done, in [0, 1]."""
        return min(self.seen / self.total, 1.0) if self.total else 0.0

    @property
    def images_per_second(self) -> float | None:
        """The rate, or None before it is known."""
        if not self._samples:
            return None
        then, images = self._samples[0]
        seconds = self._clock() - then
        return (self.seen - images) / seconds if seconds > 0 and self.seen > images else None

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at this rate, or None before the rate is known."""
        rate = self.images_per_second
        return max(self.total - self.seen, 0) / rate if rate else None

    def words(self) -> tuple[str, str, str]:
        """Images with share, rate, time left, ready to be shown."""
        rate, left = self.images_per_second, self.seconds_left
        return (
            f"{self.seen:,}/{self.total:,} images ({_percent(self.share)})",
            "– images/s" if rate is None else f"{rate:,.{1 if rate < 10 else 0}f} images/s",
            "– left" if left is None else f"{duration(left)} left",
        )


def duration(seconds: float) -> str:
    """``0:07``, ``12:34`` or ``3:04:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def figures(row: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The figures of a row of ``metrics.jsonl`` as (group, [(name, value)]), in reading order.

    Losses have three decimals, accuracies are percentages; what is not known is a dash.
    """
    return [
        (
            title,
            [
                (name.replace("_", " ").replace("held out", "held-out"), _value(value, is_share))
                for name, value in row[group].items()
            ],
        )
        for group, title, is_share in _GROUPS
        if row.get(group)
    ]


def _value(value: float | None, is_share: bool) -> str:
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if is_share:
        return _percent(value)
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def _percent(share: float) -> str:
    """Rounded to a tenth, but never to 100 % or 0 % what is not quite."""
    tenths = round(share * 1000)
    if tenths == 1000 and share < 1:
        tenths = 999
    if tenths == 0 and share > 0:
        tenths = 1
    return f"{tenths / 10:.1f} %"


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
    codes. NO_COLOR takes the colors away, not the liveliness.

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
        splits = ["  ".join(self._progress.words())]
        for group, shown in figures(row):
            splits.append(f"{group}: " + "  ".join(f"{name} {value}" for name, value in shown))
        self._line(" | ".join(splits))

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
