"""Checkpoints to resume from, and ``model/`` for all other commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from acgan.data.images import DatasetSplits
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.runs.checkpoint import CheckpointStore, TrainingState
from acgan.runs.config import RunConfig
from acgan.training.learner import Learner
from acgan.training.state import Counters, RunContext


def model_info(config: RunConfig, splits: DatasetSplits, images_seen: int) -> ModelInfo:
    """Return what a model folder states about a run."""
    record = splits.split_record()
    return ModelInfo(config, splits.shape, splits.classes, record, splits.name, images_seen)


@final
class CheckpointManager:
    """Saves and restores the training state of a run: its learner and its counters.

    Attributes:
        store: the checkpoints on disk.
    """

    def __init__(self, context: RunContext, learner: Learner, counters: Counters) -> None:
        self._context, self._learner, self._counters = context, learner, counters
        context.splits.statistics  # noqa: B018  # measured now, not within the first checkpoint
        self.store = CheckpointStore(
            context.folder.checkpoints,
            keep_last=context.config.reporting.keep_checkpoints,
            on_damage=lambda warning: context.display.message(warning, "warning"),
        )

    def restore(self, state: TrainingState) -> None:
        """Set learner and counters to a saved state."""
        self._learner.restore(dict(state.tensors))
        self._counters.restore(state.counters)

    def save_checkpoint(
        self, log: Mapping[str, Any], *, scheduled: bool, unlogged: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Save the current state.

        Args:
            log: length and hash of metrics.jsonl (`RunLogger.sync`).
            scheduled: whether the checkpoint was due at this image count.
            unlogged: events that follow in metrics.jsonl and may be missing there.

        Raises:
            DiskError: it could not be written; earlier checkpoints stay valid.
        """
        # First, so that a checkpoint always holds the statistics that belong to the average's
        # weights, independently of when the last snapshot was made.
        self._learner.snapshot()
        every = self._context.config.reporting.checkpoint_every_images
        interval = self._counters.images_seen // every
        logs = {**log, "unlogged": list(unlogged)}
        self.store.save(
            TrainingState(self._learner.tensors(), {**self._counters.state(), **logs}),
            scheduled=scheduled,
            milestone=scheduled and interval & (interval - 1) == 0,
        )

    def save_model(self) -> None:
        """Replace ``model/`` by the current model.

        Raises:
            DiskError: it could not be written; the previous model stays valid.
        """
        save_model(
            self._context.folder.model,
            model_info(self._context.config, self._context.splits, self._counters.images_seen),
            generator_state=self._learner.snapshot().state_dict(),
            discriminator_state=self._learner.discriminator.state_dict(),
            statistics=self._context.splits.statistics,
        )
