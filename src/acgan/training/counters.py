"""Counters of a run: with weights and moments they are its whole training state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from acgan.training.alarms import AlarmTracker
from acgan.training.run_logger import Meters


@final
class Counters:
    """Counters of a run.

    Attributes:
        images_seen: real images that D has seen; the clock.
        step: iterations done.
        retry: how often a diverged run went back; salts every random stream, halves the rates.
        skipped_in_row: iterations with a skipped update since the last one without.
        meters: sums since the last metrics row.
        source_accuracy: D's, over the last whole interval.
        class_loss: D's on real images over the same interval (`acgan.training.alarms`).
        class_accuracy: D's on the same images.
        bell: which alarms have been seen how often.
    """

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
        """For a checkpoint, as JSON values."""
        return {
            "images_seen": self.images_seen,
            "step": self.step,
            "retry": self.retry,
            "skipped_in_row": self.skipped_in_row,
            "meters": self.meters.state(),
            "source_accuracy": self.source_accuracy,
            "class_loss": self.class_loss,
            "class_accuracy": self.class_accuracy,
            "alarms": self.alarm_tracker.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.images_seen = state["images_seen"]
        self.step = state["step"]
        self.retry = state["retry"]
        self.skipped_in_row = state["skipped_in_row"]
        self.meters.restore(state["meters"])
        self.source_accuracy = dict(state["source_accuracy"])
        self.class_loss = state.get("class_loss")
        self.class_accuracy = state.get("class_accuracy")
        self.alarm_tracker.restore(state["alarms"])
