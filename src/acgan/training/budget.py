"""How many images a run is to see: said in images, epochs or minutes, always counted in images.

A training step to measure: the run's own loop in a folder that is thrown away.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from acgan.data.images import DatasetSplits
from acgan.execution.execution import Execution
from acgan.runs.config import RunConfig, TrainingConfig
from acgan.runs.folder import RunFolder
from acgan.storage.disk import disk_errors
from acgan.training.display import SilentDisplay
from acgan.training.loop import Loop

_WARM_UP_STEPS = 12
_LEAST_SECONDS, _MOST_SECONDS = 2.0, 8.0


@final
@dataclass(frozen=True)
class Rate:
    """A measured speed.

    Attributes:
        images_per_second: of training alone.
        event_seconds: what a log row, a sheet and a checkpoint cost, in this order.
        measuring_seconds: how long it took to find out.
    """

    images_per_second: float
    event_seconds: tuple[float, float, float]
    measuring_seconds: float

    def to_json(self) -> dict[str, Any]:
        """As ``budget.json`` holds it."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Rate:
        """What `to_json` gave."""
        log, grid, checkpoint = values["event_seconds"]
        return Rate(
            values["images_per_second"], (log, grid, checkpoint), values["measuring_seconds"]
        )

    def images_in(self, seconds: float, every_images: tuple[int, int, int]) -> int:
        """Images that can be seen in ``seconds``, events included, at least one."""
        return max(1, int(seconds / self._seconds_per_image(every_images)))

    def seconds_for(self, images: int, every_images: tuple[int, int, int]) -> float:
        """Seconds that ``images`` take, events included."""
        return images * self._seconds_per_image(every_images)

    def _seconds_per_image(self, every_images: tuple[int, int, int]) -> float:
        return 1 / self.images_per_second + sum(
            cost / every for cost, every in zip(self.event_seconds, every_images, strict=True)
        )


def measure_images_per_second(iterate: Callable[[], int], seconds: float) -> float:
    """Speed of ``iterate``, which trains on a batch and returns its images, after a warm-up.

    Args:
        iterate: one iteration on a learner that is thrown away afterwards.
        seconds: about how long to measure.
    """
    for _ in range(_WARM_UP_STEPS):
        iterate()
    images, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        images += iterate()
    return images / elapsed


def measuring_seconds(minutes: float) -> float:
    """How long to measure for a budget: a twentieth of it, within bounds."""
    return min(_MOST_SECONDS, max(_LEAST_SECONDS, 60 * minutes / 20))


def total_images(config: TrainingConfig, train_images: int) -> int | None:
    """The budget in images where images or epochs are given; None for minutes."""
    if config.total_images is not None:
        return config.total_images
    if config.total_epochs is not None:
        return config.total_epochs * train_images
    return None


@contextmanager
def throwaway_loop(
    config: RunConfig, splits: DatasetSplits, execution: Execution, *, beside: Path | None = None
) -> Iterator[Loop]:
    """A loop as a run has it, at its first image; what it writes is gone in the end.

    Args:
        config: the run.
        splits: its data.
        execution: device, precision and threads; already applied.
        beside: folder to write in, where the kind of disk matters; by default the system's own
            for temporary files.

    Raises:
        DiskError: nothing can be written there.

    Example:
        >>> with throwaway_loop(config, parts, choices) as loop:   # doctest: +SKIP
        ...     loop.train_once()
    """
    with disk_errors(beside or Path(tempfile.gettempdir())):
        scratch = tempfile.TemporaryDirectory(
            prefix=".tmp-measure-", dir=beside, ignore_cleanup_errors=True
        )
    with scratch as path:
        loop = Loop(
            config, splits, execution, RunFolder(Path(path)), SilentDisplay(), total_images=0
        )
        with closing(loop):
            yield loop
