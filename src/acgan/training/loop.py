"""How far a run is: the counters that, with all weights and moments, make up the training state.

A run's iterations: which images and which randomness each of them gets, and at which rates.

All of it is a function of the counters and the learner's state; events are for the loop.

The loop: iterations until the budget is seen, with events at image counts in between.

Events (a metrics row, a sheet, a checkpoint) never change the trajectory. The state is everything
that the trajectory depends on, so a run that is killed and resumed goes on bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor

from acgan.data.batches import flip_keeps_class, random_horizontal_flip
from acgan.data.images import DatasetSplits
from acgan.errors import DivergedError
from acgan.execution.execution import Execution
from acgan.model.model import Model
from acgan.runs.checkpoint import TrainingState
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.batches import LabelSource, RealBatches
from acgan.training.checkpoint_manager import CheckpointManager, Snapshots
from acgan.training.counters import Counters
from acgan.training.display import Display
from acgan.training.learner import Learner, schedule_factor
from acgan.training.monitor import Monitor
from acgan.training.randomness import Streams
from acgan.training.run_logger import RunLogger
from acgan.training.signals import InterruptedRunError, StopRequest
from acgan.training.step import Stepper


@final
class Iterations:
    """Trains a learner from where the counters are.

    Args:
        config: the run.
        splits: the data.
        execution: device, precision, threads.
        learner: weights and moments; trained in place.
        labels: draws the classes of fakes.
        counters: of the run; moved on by every iteration.
    """

    def __init__(
        self,
        config: RunConfig,
        splits: DatasetSplits,
        execution: Execution,
        learner: Learner,
        labels: LabelSource,
        counters: Counters,
    ) -> None:
        self._config = config
        self._splits = splits
        self._learner = learner
        self._counters = counters
        self._stepper = Stepper(learner, config.training, execution, labels)
        self._horizontal_flip = config.training.horizontal_flip == "always" or (
            config.training.horizontal_flip == "auto"
            and flip_keeps_class(config.data.source, splits.shape)
        )
        self.begin()

    def begin(self) -> None:
        """Take up the randomness of this retry: to be called whenever the counter has changed."""
        training = self._config.training
        self._streams = Streams(self._config.seed, self._counters.retry)
        self._batches = RealBatches(
            self._splits,
            self._streams,
            batch_size=training.batch_size,
            labeled_share=training.labeled_share,
        )

    def train_once(self, total_images: int) -> list[str]:
        """One iteration; returns what was skipped because it was not finite.

        Args:
            total_images: the budget, by which rates fall; 0 where it is still to be measured.
        """
        training, counters = self._config.training, self._counters
        factor = schedule_factor(self._config.optimizer, counters.images_seen, total_images)
        self._learner.set_rates(factor * 0.5**counters.retry)
        skipped = self._stepper.iterate(
            [self._batch(index) for index in range(training.discriminator_steps)],
            self._streams,
            counters.meters,
            images_seen=counters.images_seen,
            step=counters.step,
        )
        batch = training.batch_size * training.discriminator_steps
        counters.images_seen += batch
        counters.step += 1
        self._learner.average.update(
            self._learner.generator, images_seen=counters.images_seen, batch=batch
        )
        return skipped

    def _batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Real images uint8 (B, C, H, W) and labels int64 (B,) of a D step of this iteration."""
        start = self._counters.images_seen + index * self._config.training.batch_size
        pixels, labels = self._batches.after(start)
        images = torch.from_numpy(pixels)
        if self._horizontal_flip:
            images = random_horizontal_flip(images, self._streams.generator("mirror", start))
        return images, torch.from_numpy(labels)


MOST_RETRIES = 3


@final
class Loop:
    """One run, from its newest checkpoint to its budget; to be closed.

    Args:
        config: the run.
        splits: the data.
        execution: device, precision, threads.
        folder: where everything is written.
        display: what a person sees meanwhile.
        total_images: the budget; 0 where it is still to be measured.
        start_from: a model whose weights a new run starts from.
        feature_network: gives the state of D's trunk that a new run starts with, if it has a
        trained one.
    """

    def __init__(
        self,
        config: RunConfig,
        splits: DatasetSplits,
        execution: Execution,
        folder: RunFolder,
        display: Display,
        *,
        total_images: int,
        start_from: Model | None = None,
        feature_network: Callable[[], dict[str, torch.Tensor] | None] = lambda: None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._display = display
        self._total = total_images
        self._counters = Counters()
        self._learner = Learner(config, splits.shape, len(splits.classes), execution)
        if start_from is not None:
            self._learner.start_from(start_from.generator, start_from.discriminator)
        labels = LabelSource(config.training.fake_labels, splits.labeled.class_counts)
        self._snapshots = Snapshots(self._learner, labels, execution, Streams(config.seed))
        self._checkpoint_manager = CheckpointManager(
            config, splits, folder, display, self._learner, self._counters, self._snapshots
        )
        self._iterations = Iterations(
            config, splits, execution, self._learner, labels, self._counters
        )
        state = self._resume()
        self._fresh = state is None
        if self._fresh and (trained := feature_network()) is not None:
            self._learner.start_feature_network(trained)
        self._logger = RunLogger(
            folder,
            display,
            metrics_bytes=int(state["metrics_bytes"]) if state else 0,
            images_seen=self.images_seen,
        )
        self._monitor = Monitor(
            config,
            splits,
            execution,
            self._learner,
            labels,
            self._counters,
            self._snapshots,
            self._logger,
        )
        for event in state["unlogged"] if state else ():
            self._logger.event(event)

    @property
    def images_seen(self) -> int:
        """Real images that D has seen so far."""
        return self._counters.images_seen

    def run(self) -> None:
        """Train until the budget is seen; ends with a sheet, a checkpoint and ``model/``.

        Of a run whose budget is seen already it does the end again, which a kill may have cut.

        Raises:
            InterruptedRunError: a signal came; the state is saved.
            DivergedError: the retries are used up.
            DiskError: something could not be written; the last checkpoint is good.
        """
        self._display.start(str(self._folder.path), self._total, self.images_seen)
        with StopRequest() as stop:
            if self._fresh:
                self._begin()
            self._status("training")
            while self.images_seen < self._total:
                self._iterate()
                if stop.signal_number is not None and self.images_seen < self._total:
                    self._stop(stop.signal_number)
            self._monitor.grid()
            self._save(scheduled=False)
            self._status("complete")

    def close(self) -> None:
        """Close the logs."""
        self._logger.close()

    def rehearse(self) -> tuple[float, float, float]:
        """Seconds that a metrics row, a sheet and a checkpoint take; for measuring a rate."""
        seconds, report = [], self._monitor
        for event in (report.row, report.grid, lambda: self._save(scheduled=True)):
            start = time.perf_counter()
            event()
            seconds.append(time.perf_counter() - start)
        return seconds[0], seconds[1], seconds[2]

    def train_once(self) -> list[str]:
        """One iteration without events; returns what was skipped because it was not finite."""
        return self._iterations.train_once(self._total)

    def _iterate(self) -> None:
        before, counters = self.images_seen, self._counters
        skipped = self.train_once()
        self._display.update(self.images_seen)
        counters.skipped_in_row = counters.skipped_in_row + 1 if skipped else 0
        for problem in skipped:
            self._event("skipped", f"{problem} is not finite; this update was skipped")
        if counters.skipped_in_row >= self._config.training.skips_before_restore:
            self._restore_last_good(skipped[0])
            return
        healthy = not skipped
        reporting = self._config.reporting
        if self._crossed(before, reporting.log_every_images):
            self._monitor.row()
        # What diverges may be unable to draw, and is no state to go back to.
        if healthy and self._crossed(before, reporting.grid_every_images):
            self._monitor.grid(alarms=True)
        if self._crossed(before, reporting.checkpoint_every_images):
            self._save(scheduled=healthy)

    def _crossed(self, before: int, every: int) -> bool:
        return before // every != self.images_seen // every

    def _begin(self) -> None:
        """Real images, the untrained generator's samples, and a first state to go back to."""
        self._monitor.real_grid()
        self._monitor.grid()
        self._save(scheduled=True)

    def _event(self, kind: str, message: str) -> None:
        self._logger.event({"images": self.images_seen, "event": kind, "message": message})

    def _save(self, *, scheduled: bool) -> None:
        self._checkpoint_manager.save_checkpoint(self._logger.sync(), scheduled=scheduled)
        self._checkpoint_manager.save_model()
        self._status("training")

    def _status(self, state: str) -> None:
        self._folder.write_status(state, self.images_seen, self._total)

    def _stop(self, signal_number: int) -> None:
        self._save(scheduled=False)
        self._status("stopped")
        raise InterruptedRunError(
            f"stopped at {self.images_seen:,} of {self._total:,} images; everything is saved in "
            f"{self._folder.path}, and the same command goes on from there",
            signal_number,
        )

    def _resume(self) -> Mapping[str, Any] | None:
        """Take over the newest state; its counters."""
        state = self._checkpoint_manager.newest()
        if state is None:
            return None
        self._take_over(state)
        return state.counters

    def _take_over(self, state: TrainingState) -> None:
        self._learner.restore(dict(state.tensors))
        self._counters.restore(state.counters)
        self._iterations.begin()
        self._snapshots.forget()

    def _restore_last_good(self, problem: str) -> None:
        """Back to the last scheduled checkpoint with new randomness and half the rate."""
        retry = self._counters.retry + 1
        state = self._checkpoint_manager.newest_scheduled()
        if retry > MOST_RETRIES or state is None:
            self._status("diverged")
            raise DivergedError(
                f"training diverged at {self.images_seen:,} images: {problem} was not finite in "
                f"{self._counters.skipped_in_row} iterations in a row, and going back "
                f"{self._counters.retry} times at lower rates did not help; start a new run with "
                "lower learning rates (optimizer.generator_lr, optimizer.discriminator_lr) "
                "or with --precision fp32"
            )
        diverged_at = self.images_seen
        self._take_over(state)
        self._counters.retry = retry
        self._counters.skipped_in_row = 0
        self._iterations.begin()
        event = {
            "images": self.images_seen,
            "event": "restored",
            "message": f"{problem} was not finite again and again at {diverged_at:,} images; back "
            f"to {self.images_seen:,} images, retry {retry} of {MOST_RETRIES} with new randomness "
            f"and learning rates times {0.5**retry:g}",
        }
        # The state first: a kill in between must not find a log shorter than its newest state's.
        kept_bytes = int(state.counters["metrics_bytes"])
        earlier = state.counters["unlogged"]  # restores that led to this state before
        self._checkpoint_manager.save_checkpoint(
            kept_bytes, scheduled=True, unlogged=[*earlier, event]
        )
        self._logger.rewind(kept_bytes, self.images_seen)
        for told in earlier:
            self._logger.event(told, say=False)
        self._logger.event(event)
        self._checkpoint_manager.save_model()
