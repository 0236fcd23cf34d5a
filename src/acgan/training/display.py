"""Progress of a run on stderr: live on a terminal (rich), lines of text elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO, cast, final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from acgan.errors import wrapped
from acgan.storage.streams import GuardedStream

Clock = Callable[[], float]

_WINDOW_SECONDS = 30.0
_SAMPLE_SECONDS = 0.5
_REDRAW_SECONDS = 0.5
_REDRAW_COST = 250  # pause between redraws, in multiples of a redraw's duration
_BAR_LEAST = 10  # characters for the bar and its gaps; without them there is no bar
_GROUPS = (
    ("discriminator", "D loss", False),
    ("generator", "G loss", False),
    ("class_accuracy", "class accuracy", True),
    ("source_accuracy", "source accuracy", True),
)


@final
class Progress:
    """Images done, and the rate over the last 30 seconds, events (grids, checkpoints) included."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self.total = 0
        self.seen = 0

    def start(self, total_images: int, images_seen: int) -> None:
        """Start the measurement."""
        self.total, self.seen = total_images, images_seen
        self._samples = deque([(self._clock(), images_seen)])

    def update(self, images_seen: int) -> None:
        """Record the position of the run; well under a microsecond in most calls."""
        if images_seen < self.seen:  # an earlier state was restored
            self.start(self.total, images_seen)
        self.seen = images_seen
        now = self._clock()
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, images_seen))
            # The first sample stays until the second one covers the window.
            while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_SECONDS:
                self._samples.popleft()

    @property
    def images_per_second(self) -> float | None:
        """The rate, or None while it is unknown."""
        if not self._samples:
            return None
        then, images = self._samples[0]
        seconds = self._clock() - then
        return (self.seen - images) / seconds if seconds > 0 and self.seen > images else None

    @property
    def seconds_left(self) -> float | None:
        """Remaining time at this rate, or None while the rate is unknown."""
        rate = self.images_per_second
        return max(self.total - self.seen, 0) / rate if rate else None

    def format(self) -> tuple[str, str, str]:
        """Return images with share, rate, and time left as text."""
        rate, left = self.images_per_second, self.seconds_left
        share = min(self.seen / self.total, 1.0) if self.total else 0.0
        return (
            f"{self.seen:,}/{self.total:,} images ({_percent(share)})",
            "– images/s" if rate is None else f"{rate:,.{1 if rate < 10 else 0}f} images/s",
            "– left" if left is None else f"{duration(left)} left",
        )


def duration(seconds: float) -> str:
    """Format seconds as ``0:07``, ``12:34`` or ``3:04:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_metrics(row: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Format a row of ``metrics.jsonl`` as (group, [(name, value)]), in reading order.

    Losses have three decimals, accuracies are percentages, unknown values are dashes.
    """
    shown = []
    for group, title, is_share in _GROUPS:
        if values := row.get(group):
            names = [name.replace("_", " ").replace("held out", "held-out") for name in values]
            texts = [_value(value, is_share) for value in values.values()]
            shown.append((title, list(zip(names, texts, strict=True))))
    return shown


def _group_lines(row: Mapping[str, Any]) -> list[str]:
    """Return a text for each group; no-break spaces join a name and its value."""
    return [
        f"{group}: ".replace(" ", "\xa0")
        + "  ".join(f"{name} {value}".replace(" ", "\xa0") for name, value in shown)
        for group, shown in format_metrics(row)
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
    """Round to a tenth of a percent; only exact values become 100 % or 0 %."""
    tenths = round(share * 1000)
    if 0 < share < 1:
        tenths = min(max(tenths, 1), 999)
    return f"{tenths / 10:.1f} %"


Level = Literal["info", "warning"]


class Display(ABC):
    """Shows the progress of a run. A failing display (a closed pipe) never stops the run."""

    @abstractmethod
    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Start: the run's name, its budget, and the images seen at its start or resume."""

    @abstractmethod
    def update(self, images_seen: int) -> None:
        """Set the images seen; cheap enough for every step."""

    @abstractmethod
    def metrics(self, row: Mapping[str, Any]) -> None:
        """Show a row of ``metrics.jsonl``."""

    @abstractmethod
    def message(self, text: str, level: Level = "info") -> None:
        """Show a message that stays above the progress: an alarm, a skipped update."""

    @abstractmethod
    def close(self) -> None:
        """End; the last state stays on the screen. Repeated calls have no effect."""


def make_display(stream: TextIO | None = None) -> Display:
    """Return the display for a stream: live on a terminal, plain lines elsewhere.

    Pipes, files, notebooks and dumb terminals get plain lines without escape codes. NO_COLOR only
    removes colors.

    Args:
        stream: output; None is stderr, so that stdout stays free for results.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty() and os.environ.get("TERM", "").casefold() not in {"dumb", "unknown"}:
        return LiveDisplay(stream)
    return PlainDisplay(stream)


@final
class SilentDisplay(Display):
    """Shows nothing."""

    def _nothing(self, *_arguments: Any, **_options: Any) -> None:
        pass

    start = update = metrics = message = close = _nothing


@final
class PlainDisplay(Display):
    """Prints each logged row and message in lines of at most 120 characters, without buffering."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = GuardedStream(stream)
        self._progress = Progress(clock)

    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Print which run starts or resumes."""
        self._progress.start(total_images, images_seen)
        resumed = f", resumed at {images_seen:,}" if images_seen else ""
        self._line(f"{run}: {total_images:,} images{resumed}")

    def update(self, images_seen: int) -> None:
        """Update the rate; prints nothing."""
        self._progress.update(images_seen)

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Print one line with progress and metrics."""
        self._progress.update(row["images"])
        parts = ["  ".join(self._progress.format())]
        self._line(" | ".join([*parts, *_group_lines(row)]))

    def message(self, text: str, level: Level = "info") -> None:
        """Print one line."""
        self._line(f"warning: {text}" if level == "warning" else text)

    def close(self) -> None:
        """No output is pending."""

    def _line(self, text: str) -> None:
        self._stream.write("\n".join(map(wrapped, text.splitlines())) + "\n")
        self._stream.flush()


@final
class LiveDisplay(Display):
    """Shows a bar with rate and time left, the latest metrics below, and messages above.

    Its redraws take at most 0.4 % of the run's time. If the terminal is closed, the run continues.
    """

    def __init__(
        self, stream: TextIO, clock: Clock = time.monotonic, *, width: int | None = None
    ) -> None:
        file = cast(TextIO, GuardedStream(stream))
        self._console = Console(file=file, force_terminal=True, width=width)
        self._clock = clock
        self._progress = Progress(clock)
        self._run = ""
        self._row: Mapping[str, Any] = {}
        self._next_redraw = 0.0
        self._live: Live | None = None

    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Start the live area in the lower lines of the terminal."""
        self.close()
        self._run = run
        self._progress.start(total_images, images_seen)
        # No thread: `update` redraws when it is due. Results go to stdout, so it stays unchanged.
        self._live = Live(
            self._render(), console=self._console, auto_refresh=False, redirect_stdout=False
        )
        self._next_redraw = self._clock() + _REDRAW_SECONDS
        self._live.start(refresh=True)
        # A killed run must not leave the terminal without a cursor.
        self._console.show_cursor(True)

    def update(self, images_seen: int) -> None:
        """Redraw if it is due."""
        self._progress.update(images_seen)
        began = self._clock()
        if self._live is not None and began >= self._next_redraw:
            self._live.update(self._render(), refresh=True)
            ended = self._clock()
            self._next_redraw = ended + max(_REDRAW_SECONDS, _REDRAW_COST * (ended - began))

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Save the row for the next redraw."""
        self._progress.update(row["images"])
        self._row = row

    def message(self, text: str, level: Level = "info") -> None:
        """Print above the live area."""
        warning = Text(f"warning: {text}", "yellow")
        self._console.print(warning if level == "warning" else Text(text))

    def close(self) -> None:
        """Draw the last state and end the live area."""
        if self._live is not None:
            live, self._live = self._live, None
            live.update(self._render())
            live.stop()

    def _render(self) -> Group:
        shown, width = self._progress.format(), self._console.width
        text = "  ".join(shown)
        progress: Table | Text = Text(wrapped(text, width))
        if len(text) + _BAR_LEAST <= width:
            progress = Table.grid(padding=(0, 2, 0, 0), expand=True)
            progress.add_column(ratio=1)
            for _ in shown:
                progress.add_column(justify="right", no_wrap=True)
            done = ProgressBar(total=max(self._progress.total, 1), completed=self._progress.seen)
            progress.add_row(done, *shown)
        metrics = Text("\n".join(wrapped(each, width) for each in _group_lines(self._row)), "dim")
        metrics.highlight_regex(r"(?<=\s)[-\d]\S*( %)?", "not dim bold")
        return Group(Text(self._run, "bold"), progress, metrics)
