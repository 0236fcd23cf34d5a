"""How many images a run is to see: said in images, epochs or minutes, always counted in images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, final

from acgan.run_config import TrainingConfig

_WARM_UP_STEPS = 12
_LEAST_SECONDS, _MOST_SECONDS = 2.0, 8.0


@final
@dataclass(frozen=True)
class Rate:
    """A measured speed.

    Attributes:
        images_per_second: of training alone.
        event_seconds: what a log row, a sheet and a checkpoint cost, in this order.
    """

    images_per_second: float
    event_seconds: tuple[float, float, float]

    def to_json(self) -> dict[str, Any]:
        """As ``budget.json`` holds it."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Rate:
        """What `to_json` gave."""
        log, sheet, checkpoint = values["event_seconds"]
        return Rate(values["images_per_second"], (log, sheet, checkpoint))

    def images_in(self, seconds: float, every_images: tuple[int, int, int]) -> int:
        """Images that can be seen in ``seconds``, events included, at least one."""
        per_image = 1 / self.images_per_second + sum(
            cost / every for cost, every in zip(self.event_seconds, every_images, strict=True)
        )
        return max(1, int(seconds / per_image))


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


def batches_in(images: int, images_per_iteration: int) -> int:
    """Iterations that a budget takes; the last one may overshoot, never fall short."""
    return math.ceil(images / images_per_iteration)
