"""Callbacks through which long computations report their progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, final

Progress = Callable[[int, int], None]
"""Called with the number of finished items and their total."""

StageProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of its finished items and their total."""

Result = TypeVar("Result")


@final
class Stopwatch:
    """Measures the durations of named stages.

    Attributes:
        progress: to be called while a stage runs.
        seconds: duration of each stage; ``done`` is called with each when it ends.
    """

    def __init__(
        self,
        progress: StageProgress = lambda _stage, _done, _total: None,
        done: Callable[[str, float], None] = lambda _part, _seconds: None,
    ) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self._done = done

    def timed(self, part: str, work: Callable[[], Result]) -> Result:
        """Run ``work`` as the stage ``part`` and record its duration."""
        started = time.perf_counter()
        result = work()
        self.seconds[part] = time.perf_counter() - started
        self._done(part, self.seconds[part])
        return result
