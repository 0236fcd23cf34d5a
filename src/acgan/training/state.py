"""The state of a run: `RunContext` (fixed) and `Counters` (saved in each checkpoint)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from acgan.data.images import DatasetSplits
from acgan.execution.execution import Execution
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.alarms import AlarmTracker
from acgan.training.batches import LabelSource
from acgan.training.display import Display


@final
@dataclass(frozen=True)
class RunContext:
    """Everything about a run that stays fixed while it trains.

    Attributes:
        config: the configuration.
        splits: the data.
        execution: device, precision, layout and threads, as decided at the first start.
        folder: the run folder.
        display: shows progress and messages.
    """

    config: RunConfig
    splits: DatasetSplits
    execution: Execution
    folder: RunFolder
    display: Display

    @cached_property
    def fake_labels(self) -> LabelSource:
        """Source of the labels of fakes."""
        return LabelSource(self.config.training.fake_labels, self.splits.labeled.class_counts)


@final
class Meters:
    """Weighted float64 sums of scalars by dotted name (``discriminator.source_real``).

    A name may end in ``#k`` for class k. The mean of such a name is the mean over its classes of
    their means, so that a class counts as much as another one, however many images it has.

    The sums are part of the training state: an interval that a kill interrupts logs the same mean
    as in an uninterrupted run.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, name: str, total: float, count: int = 1) -> None:
        """Add ``total``, the sum of ``count`` observations."""
        old_total, old_count = self._sums.get(name, (0.0, 0))
        self._sums[name] = old_total + total, old_count + count

    def means(self) -> dict[str, Any]:
        """Return the means so far, nested by the dots in their names."""
        parts: dict[str, list[float]] = {}
        for name, (total, count) in self._sums.items():
            parts.setdefault(name.partition("#")[0], []).append(total / count)
        nested: dict[str, Any] = {}
        for name, means in parts.items():
            *sections, key = name.split(".")
            node = nested
            for section in sections:
                node = node.setdefault(section, {})
            node[key] = sum(means) / len(means)
        return nested

    def clear(self) -> None:
        """Start a new interval."""
        self._sums.clear()

    def state(self) -> dict[str, list[float]]:
        """Return ``{name: [sum, count]}``; JSON keeps a float64 exactly."""
        return {name: [total, count] for name, (total, count) in self._sums.items()}

    def restore(self, state: Mapping[str, list[float]]) -> None:
        """Restore the result of `state`."""
        self._sums = {name: (float(total), int(count)) for name, (total, count) in state.items()}


@final
class Counters:
    """The training state besides weights and moments.

    Attributes:
        images_seen: real images used in D's steps so far; the clock of the run.
        step: iterations so far.
        retry: how often the run went back to an earlier state after diverging.
        skipped_in_row: consecutive iterations with a skipped update.
        meters: sums since the last row of metrics.
        source_accuracy: D's source accuracy over the last full interval.
        class_loss: D's unweighted class loss on real images over the same interval.
        class_accuracy: D's class accuracy on the same images.
        alarm_tracker: how often each alarm has occurred in a row.
    """

    _PLAIN = (
        *("images_seen", "step", "retry", "skipped_in_row"),
        *("source_accuracy", "class_loss", "class_accuracy"),
    )

    def __init__(self) -> None:
        self.images_seen = 0
        self.step = 0
        self.retry = 0
        self.skipped_in_row = 0
        self.meters = Meters()
        self.source_accuracy: dict[str, float] = {}
        self.class_loss: float | None = None
        self.class_accuracy: float | None = None
        self.alarm_tracker = AlarmTracker()

    def state(self) -> dict[str, Any]:
        """Return JSON values for a checkpoint."""
        plain = {name: getattr(self, name) for name in self._PLAIN}
        return {**plain, "meters": self.meters.state(), "alarms": self.alarm_tracker.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state`."""
        for name in self._PLAIN:
            setattr(self, name, state[name])
        self.meters.restore(state["meters"])
        self.alarm_tracker.restore(state["alarms"])
