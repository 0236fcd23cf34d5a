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
    """Times named parts of the work, one after the other.

    Args:
        progress: told a stage's name, how much of it is done, and its total, while it runs.
        done: told a part's name and its seconds when it ends.

    Attributes:
        progress: as given.
        seconds: by part, in the order in which they ended.
    """

    def __init__(
        self,
        progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
        done: Callable[[str, float], None] = lambda _part, _seconds: None,
    ) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self._done = done

    def timed(self, part: str, work: Callable[[], Result]) -> Result:
        """Do the work, and note how long it took."""
        started = time.perf_counter()
        result = work()
        self.seconds[part] = time.perf_counter() - started
        self._done(part, self.seconds[part])
        return result
