"""The budget of a run, and the measurement at its start that the budget and the threads need.

A throwaway copy of the run trains in a temporary folder, with one thread and with more in turns.
This one measurement decides the number of threads, converts minutes into images and estimates the
duration. It takes at most a tenth of the budget, and never touches the run's state.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import final

import torch

from acgan.data.images import DatasetSplits
from acgan.errors import counted
from acgan.execution.execution import Execution
from acgan.runs.config import LEAST_ROWS, ROW_IMAGES, ReportingConfig, RunConfig, TrainingConfig
from acgan.runs.folder import RunFolder
from acgan.storage.disk import disk_errors
from acgan.storage.files import temporary_sibling
from acgan.training.display import SilentDisplay
from acgan.training.loop import Loop
from acgan.training.state import RunContext

MAX_SECONDS = 15.0  # reached on slow machines only
_SHARE = 0.1  # of the budget
_TURN_SECONDS = 0.4
_TURNS = 5  # of each number of threads; the first one is a warm-up
_SLOW = 0.7  # of the fastest rate: a number of threads below it is not measured again
_EQUAL = 0.95  # of the fastest rate: fewer threads are as good
# Training images that take as long as a log row, a grid and a checkpoint, where there is no time to
# measure these: forward passes of 500 and of about 1,300 images at a tenth of an image each.
_EVENT_IMAGES = (50, 130, 0)
_USEFUL_IMAGES = 10_000


@final
@dataclass(frozen=True)
class Rate:
    """A measured speed; the content of ``budget.json``.

    Attributes:
        images_per_second: of training without events.
        event_seconds: cost of a log row, a sample grid and a checkpoint, in this order.
        measuring_seconds: duration of the measurement.
        by_threads: images per second by the number of threads (text, as JSON has it).
    """

    images_per_second: float
    event_seconds: Sequence[float]
    measuring_seconds: float
    by_threads: Mapping[str, float] = field(default_factory=dict)

    @property
    def best_threads(self) -> int:
        """The smallest number of threads that is about as fast as the fastest."""
        fastest = max(self.by_threads.values())
        return min(int(n) for n, rate in self.by_threads.items() if rate >= _EQUAL * fastest)

    def images_in(self, seconds: float, reporting: ReportingConfig) -> int:
        """Return how many images fit into ``seconds``, events included; at least 1."""
        log, grid, checkpoint = self.event_seconds
        left = seconds - 2 * (grid + checkpoint)  # at the start and at the end
        images = left / self._seconds_per_image(reporting, reporting.log_every_images or ROW_IMAGES)
        if reporting.log_every_images is None:
            rows = LEAST_ROWS * log
            images = min(images, (left - rows) / self._seconds_per_image(reporting, math.inf))
        return max(1, int(images))

    def seconds(self, images: int, reporting: ReportingConfig) -> float:
        """Return the duration of a budget, without its start and end."""
        return images * self._seconds_per_image(reporting, reporting.row_interval(images))

    def _seconds_per_image(self, reporting: ReportingConfig, row_interval: float) -> float:
        log, grid, checkpoint = self.event_seconds
        return 1 / self.images_per_second + (
            log / row_interval
            + grid / reporting.grid_every_images
            + checkpoint / reporting.checkpoint_every_images
        )


def total_images(config: TrainingConfig, train_images: int) -> int | None:
    """Return a budget given in images or epochs as images; None for minutes."""
    if config.total_epochs is not None:
        return config.total_epochs * train_images
    return config.total_images


def least_useful_budget(train_images: int) -> int:
    """Return the smallest budget to learn from: one pass over the data, and 10,000 images."""
    return max(_USEFUL_IMAGES, train_images)


def describe_training(
    images: int, train_images: int, recipe_images: int | None = None, *, too_little: bool
) -> str:
    """Return how much training a budget in images is, for the start and the end of a run.

    Args:
        images: the budget, or images seen.
        train_images: in the training split.
        recipe_images: the budget of the recipe for this data, if known.
        too_little: whether that is the verdict.
    """
    text = (
        f"{'too little training' if too_little else 'training'}: {counted(images, 'image')}, "
        f"{_figure(images / train_images)} passes over {counted(train_images, 'training image')}"
    )
    if recipe_images is not None:
        text += f", {_figure(100 * images / recipe_images)} % of the recipe's {recipe_images:,}"
    return text


def _figure(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def thread_counts(most: int) -> list[int]:
    """Return the numbers of threads to compare: 1, 2, 4 … and ``most``."""
    return sorted({*(2**power for power in range(most.bit_length())), most})


def measuring_seconds(minutes: float | None) -> float:
    """Return the limit of a measurement for a budget in minutes, or in images (None)."""
    return MAX_SECONDS if minutes is None else min(MAX_SECONDS, _SHARE * 60 * minutes)


def measure_rate(
    config: RunConfig,
    splits: DatasetSplits,
    execution: Execution,
    seconds: float,
    *,
    counts: Sequence[int],
    beside: Path,
) -> Rate:
    """Measure a throwaway copy of the run with each number of threads.

    It takes ``seconds``, or a tenth of a budget in images. Building the networks for the first time
    takes seconds, which the run itself then saves: at least half of the time is for steps, and two
    steps always run. The number of threads of the process is another one afterwards.
    """
    start = time.perf_counter()
    images = total_images(config.training, len(splits.train))
    with throwaway_loop(config, splits, execution, beside=beside) as loop:

        def iterate() -> int:
            before = loop.images_seen
            loop.train_once()
            return loop.images_seen - before

        built = time.perf_counter()
        seconds = max(seconds - (built - start), seconds / 2)
        rates = rates_by_threads(iterate, counts, seconds, images=images)
        fastest = max(rates.values())
        events = tuple(count / fastest for count in _EVENT_IMAGES)
        if sum(events) <= _left(built, seconds, images, fastest):
            torch.set_num_threads(max(rates, key=lambda threads: rates[threads]))
            events = loop.time_events()
    by_threads = {str(threads): rate for threads, rate in rates.items()}
    return Rate(fastest, events, time.perf_counter() - start, by_threads)


def rates_by_threads(
    iterate: Callable[[], int],
    counts: Sequence[int],
    seconds: float,
    *,
    images: int | None = None,
) -> dict[int, float]:
    """Return training images per second by number of threads, measured in turns.

    Args:
        iterate: trains on one batch and returns its number of images.
        counts: the numbers of threads; without time for all, the last ones are left out.
        seconds: limit; two calls of ``iterate`` may take longer.
        images: a budget in images; the measurement takes at most a tenth of its duration.
    """
    start = time.perf_counter()
    turns: dict[int, list[float]] = {}
    rates: dict[int, float] = {}
    torch.set_num_threads(counts[0])
    iterate()  # a cold step, which takes several times as long
    for turn in range(_TURNS):
        fastest = max(rates.values(), default=0.0)
        for threads in counts:
            if turn > 1 and rates.get(threads, 0.0) < _SLOW * fastest:
                continue
            left = _left(start, seconds, images, max(rates.values())) if rates else 0.0
            if rates and left <= 0:
                return rates
            torch.set_num_threads(threads)
            trained, began = 0, time.perf_counter()
            end = began + min(left, _TURN_SECONDS if turn else 0.0)  # a warm-up is one step
            while not trained or time.perf_counter() < end:
                trained += iterate()
            turns.setdefault(threads, []).append(trained / (time.perf_counter() - began))
            rates[threads] = median(turns[threads][1:] or turns[threads])
    return rates


def _left(start: float, seconds: float, images: int | None, rate: float) -> float:
    """Return the seconds that are left for measuring."""
    limit = seconds if images is None else min(seconds, _SHARE * images / rate)
    return limit - (time.perf_counter() - start)


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
