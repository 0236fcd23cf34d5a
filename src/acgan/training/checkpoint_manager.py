"""The generator as a person gets it: averaged weights with batch-norm statistics of their own.

What a run keeps of itself: checkpoints to go on from, and ``model/`` for everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from acgan.data.images import DatasetSplits
from acgan.execution.execution import Execution
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.networks.interface import Generator
from acgan.networks.statistics import reestimate_statistics
from acgan.runs.checkpoint import CheckpointStore, TrainingState
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.batches import LabelSource
from acgan.training.counters import Counters
from acgan.training.display import Display
from acgan.training.learner import Learner
from acgan.training.randomness import Streams

_BATCHES, _BATCH = 8, 128


@final
class Snapshots:
    """Makes the averaged generator ready to draw.

    Its statistics are measured over latents and labels that stay the same throughout the run, and
    they are no part of the training state: when snapshots are taken changes nothing else.
    """

    def __init__(
        self, learner: Learner, labels: LabelSource, execution: Execution, streams: Streams
    ) -> None:
        self._learner = learner
        self._labels = labels
        self._execution = execution
        self._streams = streams
        self._taken_at = -1

    def take(self, images_seen: int) -> Generator:
        """The averaged generator in evaluation mode, measured once per ``images_seen``."""
        generator = self._learner.average.generator
        if self._taken_at != images_seen:
            own, live = dict(generator.named_buffers()), self._learner.generator.named_buffers()
            for name, buffer in live:
                own[name].copy_(buffer)
            with self._execution.autocast():
                reestimate_statistics(generator, self._batches())
            generator.eval()
            self._taken_at = images_seen
        return generator

    def forget(self) -> None:
        """The weights were replaced: measure anew next time."""
        self._taken_at = -1

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in range(_BATCHES):
            latents = torch.randn(
                _BATCH,
                self._learner.generator.latent_size,
                generator=self._streams.generator("statistics-latents", index),
            )
            labels = self._labels.draw(
                _BATCH,
                self._streams.generator("statistics-labels", index),
                torch.arange(_BATCH) % self._learner.generator.classes,
            )
            yield latents.to(self._execution.device), labels.to(self._execution.device)


@final
class CheckpointManager:
    """Saves and finds the states of one run.

    Args:
        config: the run.
        splits: the data.
        folder: where it is kept.
        display: told of damaged checkpoints.
        learner: weights and moments.
        counters: everything else that a state consists of.
        snapshots: the averaged generator as a person gets it.
    """

    def __init__(
        self,
        config: RunConfig,
        splits: DatasetSplits,
        folder: RunFolder,
        display: Display,
        learner: Learner,
        counters: Counters,
        snapshots: Snapshots,
    ) -> None:
        self._config = config
        self._splits = splits
        self._folder = folder
        self._learner = learner
        self._counters = counters
        self._snapshots = snapshots
        self._store = CheckpointStore(
            folder.checkpoints,
            keep_last=config.reporting.keep_checkpoints,
            on_damage=lambda warning: display.message(warning, "warning"),
        )

    def newest(self) -> TrainingState | None:
        """The latest undamaged state, or None."""
        return self._store.newest()

    def newest_scheduled(self) -> TrainingState | None:
        """The latest undamaged state that was saved because its image count was due, or None."""
        return self._store.newest_scheduled()

    def save_checkpoint(
        self, metrics_bytes: int, *, scheduled: bool, unlogged: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Commit the present state.

        Args:
            metrics_bytes: length of metrics.jsonl that belongs to it.
            scheduled: its image count was due.
            unlogged: events that follow in metrics.jsonl and may not be there yet.

        Raises:
            DiskError: it could not be written; earlier ones are good.
        """
        images_seen = self._counters.images_seen
        # First, so that the average's statistics in a checkpoint are those of its weights,
        # whenever the snapshot before this one was taken.
        self._snapshots.take(images_seen)
        interval = images_seen // self._config.reporting.checkpoint_every_images
        logs = {"metrics_bytes": metrics_bytes, "unlogged": list(unlogged)}
        self._store.save(
            TrainingState(self._learner.tensors(), {**self._counters.state(), **logs}),
            scheduled=scheduled,
            milestone=scheduled and interval & (interval - 1) == 0,
        )

    def save_model(self) -> None:
        """Renew ``model/``.

        Raises:
            DiskError: it could not be written; the one before is good.
        """
        images_seen = self._counters.images_seen
        save_model(
            self._folder.model,
            ModelInfo(
                config=self._config,
                shape=self._splits.shape,
                classes=self._splits.classes,
                split=self._splits.split_record(),
                data_name=self._splits.name,
                images_seen=images_seen,
            ),
            generator_state=self._snapshots.take(images_seen).state_dict(),
            discriminator_state=self._learner.discriminator.state_dict(),
        )
