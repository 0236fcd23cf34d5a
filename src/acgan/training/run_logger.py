"""Means of named figures over a logging interval.

Everything that a run writes down while it goes on: metric rows, times, sheets, TensorBoard.

Rows of metrics.jsonl hold no wall-clock, so that equal trajectories give equal bytes; times go to
timing.jsonl.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, final

from PIL import Image

from acgan.plots.grid import png_bytes
from acgan.runs.folder import RunFolder
from acgan.storage.files import write_atomic
from acgan.storage.line_log import LineLog
from acgan.training.display import Display
from acgan.training.tensorboard import TensorBoardLog


@final
class Meters:
    """Weighted sums of scalars by dotted name (``discriminator.source_real``), in float64.

    The sums are part of the training state: an interval that a kill cuts in two still logs the
    mean that an uninterrupted run logs.
    """

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, total: float, count: int = 1) -> None:
        """Add ``total``, the sum of ``count`` observations."""
        self._sums[name] = self._sums.get(name, 0.0) + total
        self._counts[name] = self._counts.get(name, 0) + count

    def means(self) -> dict[str, Any]:
        """The means so far, nested by the dots in their names."""
        nested: dict[str, Any] = {}
        for name, total in self._sums.items():
            *sections, key = name.split(".")
            node = nested
            for section in sections:
                node = node.setdefault(section, {})
            node[key] = total / self._counts[name]
        return nested

    def clear(self) -> None:
        """Begin a new interval."""
        self._sums.clear()
        self._counts.clear()

    def state(self) -> dict[str, list[float]]:
        """``{name: [sum, count]}``; JSON keeps a float64 exactly."""
        return {name: [total, self._counts[name]] for name, total in self._sums.items()}

    def restore(self, state: Mapping[str, list[float]]) -> None:
        """Take over what `state` gave."""
        self._sums = {name: float(total) for name, (total, _) in state.items()}
        self._counts = {name: int(count) for name, (_, count) in state.items()}


@final
class RunLogger:
    """The open logs of a run.

    Args:
        folder: the run's.
        display: shown what is written.
        metrics_bytes: length of metrics.jsonl at the state that the run goes on from; what was
            written after it is cut off and will be written again.
        images_seen: where the run goes on.

    Raises:
        DiskError: a log cannot be opened or is shorter than it was.
    """

    def __init__(
        self, folder: RunFolder, display: Display, *, metrics_bytes: int, images_seen: int
    ) -> None:
        self._folder = folder
        self._display = display
        self._metrics = LineLog(folder.metrics, keep_bytes=metrics_bytes)
        try:
            self._timing = LineLog(folder.timing)
        except BaseException:
            self._metrics.close()
            raise
        self._tensorboard: TensorBoardLog | None = None
        self._first_image = images_seen

    def row(self, row: Mapping[str, Any]) -> None:
        """Write one row of figures; ``images`` says at which count."""
        self._metrics.append(row)
        self._timing.append({"images": row["images"], "unix_seconds": round(time.time(), 3)})
        figures = {key: value for key, value in row.items() if isinstance(value, Mapping)}
        self._events().scalars(row["images"], figures)
        self._display.metrics(row)

    def event(self, event: Mapping[str, Any], *, say: bool = True) -> None:
        """Write an event (``images``, ``event``, ``message``) and, unless it has been, say it."""
        self._metrics.append(event)
        if say:
            self._display.message(event["message"], "warning")

    def picture(self, name: str, picture: Image.Image, images_seen: int) -> None:
        """Write ``samples/NAME.png`` and show it in TensorBoard."""
        write_atomic(self._folder.samples / f"{name}.png", png_bytes(picture))
        tag = "samples" if name.isdecimal() else name
        self._events().image(images_seen, tag, picture)

    def sync(self) -> int:
        """Make the metrics durable; their length in bytes."""
        return self._metrics.sync()

    def rewind(self, metrics_bytes: int, images_seen: int) -> None:
        """Go back to a length of metrics.jsonl that `sync` gave at ``images_seen``."""
        cut = LineLog(self._folder.metrics, keep_bytes=metrics_bytes)
        self._metrics.close()
        self._metrics = cut
        self._close_events()
        self._first_image = images_seen

    def close(self) -> None:
        """Close all logs."""
        self._metrics.close()
        self._timing.close()
        self._close_events()

    def _events(self) -> TensorBoardLog:
        """TensorBoard's file of this start; made when there is something to write."""
        if self._tensorboard is None:
            self._tensorboard = TensorBoardLog(
                self._folder.tensorboard, first_image=self._first_image
            )
        return self._tensorboard

    def _close_events(self) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None
