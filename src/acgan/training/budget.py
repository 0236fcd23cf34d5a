"""The budget of a run: given in images, epochs or minutes, always counted in images.

Minutes are converted once, by measuring the run's own loop in a temporary folder.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from acgan.data.images import DatasetSplits
from acgan.execution.execution import Execution
from acgan.runs.config import ReportingConfig, RunConfig, TrainingConfig
from acgan.runs.folder import RunFolder
from acgan.storage.disk import disk_errors
from acgan.storage.files import temporary_sibling
from acgan.training.display import SilentDisplay, duration
from acgan.training.loop import Loop
from acgan.training.state import RunContext

_WARM_UP_STEPS = 12
_MIN_SECONDS, _MAX_SECONDS = 2.0, 8.0
_ESTIMATE_SECONDS = 1.5


@final
@dataclass(frozen=True)
class Rate:
    """A measured speed; the content of ``budget.json``.

    Attributes:
        images_per_second: of training without events.
        event_seconds: cost of a log row, a sample grid and a checkpoint, in this order.
        measuring_seconds: duration of the measurement.
    """

    images_per_second: float
    event_seconds: Sequence[float]
    measuring_seconds: float

    def images_in(self, seconds: float, reporting: ReportingConfig) -> int:
        """Return how many images fit into ``seconds``, events included; at least 1."""
        return max(1, int(seconds / self.seconds_per_image(reporting)))

    def seconds_per_image(self, reporting: ReportingConfig) -> float:
        """Return the duration of an image with its share of the events."""
        log, grid, checkpoint = self.event_seconds
        return 1 / self.images_per_second + (
            log / reporting.log_every_images
            + grid / reporting.grid_every_images
            + checkpoint / reporting.checkpoint_every_images
        )


def budget_images(context: RunContext) -> int:
    """Return the budget in images; minutes are converted once and saved in budget.json."""
    training, folder = context.config.training, context.folder
    total = total_images(training, len(context.splits.train))
    if total is not None:
        return total
    minutes = training.max_minutes
    assert minutes is not None  # RunConfig has exactly one budget
    if (saved := folder.read(folder.budget)) is not None:
        rate = Rate(**saved)
    else:
        rate = measure_rate(context, measuring_seconds(minutes))
        folder.write(folder.budget, asdict(rate))
    total = rate.images_in(60 * minutes - rate.measuring_seconds, context.config.reporting)
    context.display.message(
        f"{minutes:g} minutes are {total:,} images at the {rate.images_per_second:,.0f} images/s "
        "measured at the first start"
    )
    return total


def announce_duration(context: RunContext, images: int) -> None:
    """Show how long ``images`` will take, from a short measurement."""
    rate, execution = measure_rate(context, _ESTIMATE_SECONDS), context.execution
    seconds = images * rate.seconds_per_image(context.config.reporting)
    context.display.message(
        f"{images:,} images will take about {duration(seconds)} on this {execution.device} in "
        f"{execution.precision} ({rate.images_per_second:,.0f} images/s, measured just now; "
        "--images or --max-minutes sets another budget)"
    )


def total_images(config: TrainingConfig, train_images: int) -> int | None:
    """Return a budget given in images or epochs as images; None for minutes."""
    if config.total_epochs is not None:
        return config.total_epochs * train_images
    return config.total_images


def measuring_seconds(minutes: float) -> float:
    """Return how long to measure for a budget in minutes: 5 % of it, within bounds."""
    return min(_MAX_SECONDS, max(_MIN_SECONDS, 60 * minutes / 20))


def measure_rate(context: RunContext, seconds: float) -> Rate:
    """Measure a temporary copy of the run for about ``seconds``."""
    start = time.perf_counter()
    config, splits, execution = context.config, context.splits, context.execution
    with throwaway_loop(config, splits, execution, beside=context.folder.path) as loop:

        def iterate() -> int:
            before = loop.images_seen
            loop.train_once()
            return loop.images_seen - before

        speed = measure_images_per_second(iterate, seconds)
        events = loop.time_events()
    return Rate(speed, events, time.perf_counter() - start)


def measure_images_per_second(iterate: Callable[[], int], seconds: float) -> float:
    """Measure for about ``seconds``, after a warm-up, how fast ``iterate`` trains on images.

    Each call of ``iterate`` trains on one batch and returns its number of images.
    """
    for _ in range(_WARM_UP_STEPS):
        iterate()
    images, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        images += iterate()
    return images / elapsed


@contextmanager
def throwaway_loop(
    config: RunConfig, splits: DatasetSplits, execution: Execution, *, beside: Path | None = None
) -> Iterator[Loop]:
    """Yield the loop of a run at its first image; its files are removed at the end.

    The execution must already be applied. The temporary folder is created in ``beside``, because
    the kind of disk matters; by default it is the system's.

    Raises:
        DiskError: the folder cannot be written.
    """
    folder = beside or Path(tempfile.gettempdir())
    path = temporary_sibling(folder / "measure")
    with disk_errors(folder):
        path.mkdir(0o700)
    try:
        context = RunContext(config, splits, execution, RunFolder(path), SilentDisplay())
        with closing(Loop(context, total_images=0)) as loop:
            yield loop
    finally:
        shutil.rmtree(path, ignore_errors=True)
