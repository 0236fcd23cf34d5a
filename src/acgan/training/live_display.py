"""The live progress on a terminal, drawn with rich: a bar and a small table, rewritten in place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TextIO, cast, final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from acgan.training.display import Clock, Display, Level, Progress, UnbreakableStream, figures

_BETWEEN_DRAWINGS_SECONDS = 0.5
_COST_FACTOR = 250  # at least so many times a drawing's own time passes before the next


@final
class LiveDisplay(Display):
    """A bar with rate and time left, below it the latest figures; messages stay above.

    Drawing takes milliseconds, so it waits at least 250 times as long as the last one took: the
    display never costs more than 0.4 % of the run.

    Args:
        stream: a terminal; when it goes away, the run goes on unseen.
        clock: seconds, never running backwards.
        width: columns; None asks the terminal.
    """

    def __init__(
        self, stream: TextIO, clock: Clock = time.monotonic, *, width: int | None = None
    ) -> None:
        file = cast(TextIO, UnbreakableStream(stream))
        self._console = Console(file=file, force_terminal=True, width=width)
        self._clock = clock
        self._progress = Progress(clock)
        self._run = ""
        self._row: Mapping[str, Any] = {}
        self._next_drawing = 0.0
        self._live: Live | None = None

    def start(self, run: str, total_images: int, images_seen: int) -> None:
        """Take over the lower lines of the terminal."""
        self.close()
        self._run = run
        self._progress.start(total_images, images_seen)
        self._live = Live(
            self._picture(),
            console=self._console,
            auto_refresh=False,  # no thread: drawing happens in `update`, when it is due
            redirect_stdout=False,  # results go there
        )
        self._next_drawing = self._clock() + _BETWEEN_DRAWINGS_SECONDS
        self._live.start(refresh=True)
        # A run that is killed outright must not leave the terminal without its cursor.
        self._console.show_cursor(True)

    def update(self, images_seen: int) -> None:
        """Draw if it is time to."""
        self._progress.update(images_seen)
        began = self._clock()
        if self._live is not None and began >= self._next_drawing:
            self._live.update(self._picture(), refresh=True)
            ended = self._clock()
            pause = max(_BETWEEN_DRAWINGS_SECONDS, _COST_FACTOR * (ended - began))
            self._next_drawing = ended + pause

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Keep the row for the next drawing."""
        self._progress.update(row["images"])
        self._row = row

    def message(self, text: str, level: Level = "info") -> None:
        """Print above the live part, where it stays."""
        is_warning = level == "warning"
        line = Text(f"warning: {text}" if is_warning else text, "yellow" if is_warning else "")
        self._console.print(line)

    def close(self) -> None:
        """Draw the last state and give the terminal back."""
        if self._live is not None:
            live, self._live = self._live, None
            live.update(self._picture())
            live.stop()

    def _picture(self) -> Group:
        images, rate, left = self._progress.words()
        bar = Table.grid(padding=(0, 2, 0, 0), expand=True)
        bar.add_column(ratio=1, min_width=8)
        for _ in range(3):
            bar.add_column(justify="right", no_wrap=True)
        done = ProgressBar(total=max(self._progress.total, 1), completed=self._progress.seen)
        bar.add_row(done, images, rate, left)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        for group, shown in figures(self._row):
            # No break within a figure: the space between name and value does not wrap.
            splits = [
                Text.assemble((name.replace(" ", "\xa0") + "\xa0", "dim"), (value, "bold"))
                for name, value in shown
            ]
            table.add_row(group, Text("  ").join(splits))
        return Group(Text(self._run, "bold"), bar, table)
