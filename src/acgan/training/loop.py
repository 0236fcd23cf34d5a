"""The training loop: iterations until the budget is used, with events at image counts in between.

Events (a metrics row, a sample grid, a checkpoint) never change the trajectory. The saved state is
everything that the trajectory depends on, so a killed and resumed run continues bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import final

from acgan.errors import DivergedError
from acgan.training.batches import RealBatches
from acgan.training.checkpoint_manager import CheckpointManager
from acgan.training.learner import Learner, schedule_factor
from acgan.training.monitor import Monitor
from acgan.training.randomness import Streams
from acgan.training.run_logger import RunLogger
from acgan.training.signals import InterruptedRunError, stop_request
from acgan.training.state import Counters, RunContext
from acgan.training.step import Stepper

MAX_RETRIES = 3


@final
class Loop:
    """One run, from its newest checkpoint to its budget. The caller closes it.

    Args:
        context: the run.
        total_images: the budget; 0 while it is not measured yet.
        initialize: sets the weights of a new run that do not start at random.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        total_images: int,
        initialize: Callable[[Learner], None] = lambda _learner: None,
    ) -> None:
        self._config, self._folder, self._display = context.config, context.folder, context.display
        self._total = total_images
        self._counters = Counters()
        self._learner = Learner(context)
        self._stepper = Stepper(context, self._learner)
        training = context.config.training
        self._batches = RealBatches(
            context.splits,
            batch_size=training.batch_size,
            labeled_share=training.labeled_share,
            horizontal_flip=training.horizontal_flip == "always"
            or (training.horizontal_flip == "auto" and context.splits.flip_keeps_class),
        )
        self._checkpoints = CheckpointManager(context, self._learner, self._counters)
        state = self._checkpoints.store.newest()
        self._is_new = state is None
        if state is None:
            initialize(self._learner)
        else:
            self._checkpoints.restore(state)
        self._logger = RunLogger(
            context.folder,
            context.display,
            saved=state.counters if state else {},
            images_seen=self.images_seen,
        )
        self._monitor = Monitor(context, self._learner, self._counters, self._logger)
        for event in state.counters["unlogged"] if state else ():
            self._logger.event(event)

    @property
    def images_seen(self) -> int:
        """Real images used in D's steps so far."""
        return self._counters.images_seen

    def run(self) -> None:
        """Train until the budget is used; end with a sample grid, a checkpoint and ``model/``.

        A run whose budget is used already repeats only its end, which a kill may have interrupted.

        Raises:
            InterruptedRunError: a signal arrived; the state is saved.
            DivergedError: all retries failed.
            DiskError: something could not be written; the last checkpoint stays valid.
        """
        counters, reporting = self._counters, self._config.reporting
        row_interval = reporting.row_interval(self._total)
        self._display.start(str(self._folder.path), self._total, counters.images_seen)
        with stop_request() as stop:
            if self._is_new:
                self._monitor.real_grid()
                self._monitor.grid()
                self._save(scheduled=True)
            self._write_status("training")
            while counters.images_seen < self._total:
                before = counters.images_seen
                skipped = self.train_once()
                self._display.update(counters.images_seen)
                counters.skipped_in_row = counters.skipped_in_row + 1 if skipped else 0
                for problem in skipped:
                    message = f"{problem} is not finite; the update was skipped"
                    event = {"images": self.images_seen, "event": "skipped", "message": message}
                    self._logger.event(event)
                if counters.skipped_in_row >= self._config.training.skips_before_restore:
                    self._restore_last_good(skipped[0])
                else:
                    if self._crossed(before, row_interval) or self._is_last_row():
                        self._monitor.row()
                    # A diverging state may have no valid samples, and is no state to return to.
                    if not skipped and self._crossed(before, reporting.grid_every_images):
                        self._monitor.grid(alarms=True)
                    if self._crossed(before, reporting.checkpoint_every_images):
                        self._save(scheduled=not skipped)
                if stop.signal_number is not None and counters.images_seen < self._total:
                    self._stop(stop.signal_number)
            self._monitor.grid()
            self._save(scheduled=False)
            self._write_status("complete")

    def train_once(self) -> list[str]:
        """Run one iteration without events; return the non-finite quantity of skipped updates."""
        training, counters, learner = self._config.training, self._counters, self._learner
        factor = schedule_factor(self._config.optimizer, counters.images_seen, self._total)
        learner.set_rates(factor * 0.5**counters.retry)
        streams = Streams(self._config.seed, counters.retry)
        batch = training.batch_size * training.discriminator_steps
        starts = range(counters.images_seen, counters.images_seen + batch, training.batch_size)
        skipped = self._stepper.iterate(
            [self._batches.after(start, streams) for start in starts],
            streams,
            counters.meters,
            images_seen=counters.images_seen,
            step=counters.step,
        )
        counters.images_seen += batch
        counters.step += 1
        learner.update_average(images_seen=counters.images_seen, batch=batch)
        return skipped

    def time_events(self) -> tuple[float, float, float]:
        """Return the seconds that a metrics row, a sample grid and a checkpoint take."""

        def timed(event: Callable[[], None]) -> float:
            start = time.perf_counter()
            event()
            return time.perf_counter() - start

        save = partial(self._save, scheduled=True)
        return timed(self._monitor.row), timed(self._monitor.grid), timed(save)

    def close(self) -> None:
        """Close the logs."""
        self._logger.close()

    def _is_last_row(self) -> bool:
        """Return whether this is the end; a set interval has no row there, so it can be raised."""
        return (
            self._config.reporting.log_every_images is None
            and self._counters.images_seen >= self._total
        )

    def _crossed(self, before: int, every: int) -> bool:
        return before // every != self.images_seen // every

    def _save(self, *, scheduled: bool) -> None:
        self._checkpoints.save_checkpoint(self._logger.sync(), scheduled=scheduled)
        self._checkpoints.save_model()
        self._write_status("training")

    def _write_status(self, state: str) -> None:
        self._folder.write_status(state, self.images_seen, self._total)

    def _stop(self, signal_number: int) -> None:
        self._save(scheduled=False)
        self._write_status("stopped")
        raise InterruptedRunError(
            f"stopped at {self.images_seen:,} of {self._total:,} images; everything is saved in "
            f"{self._folder.path}, and the same command resumes the run",
            signal_number,
        )

    def _restore_last_good(self, problem: str) -> None:
        """Go back to the last scheduled checkpoint with new random numbers and half the rates."""
        counters, diverged_at = self._counters, self.images_seen
        retry = counters.retry + 1
        state = self._checkpoints.store.newest(scheduled=True)
        if retry > MAX_RETRIES or state is None:
            self._write_status("diverged")
            raise DivergedError(
                f"training diverged at {diverged_at:,} images: {problem} was not finite in "
                f"{counters.skipped_in_row} consecutive iterations, and {counters.retry} retries "
                "from an earlier state at lower rates failed; start a new run with lower learning "
                "rates (optimizer.generator_lr, optimizer.discriminator_lr) or with --precision "
                "fp32"
            )
        self._checkpoints.restore(state)
        counters.retry, counters.skipped_in_row = retry, 0
        event = {
            "images": self.images_seen,
            "event": "restored",
            "message": f"{problem} was not finite in consecutive iterations at {diverged_at:,} "
            f"images; back to {self.images_seen:,} images, retry {retry} of {MAX_RETRIES} with new "
            f"random numbers and learning rates times {0.5**retry:g}",
        }
        # The state first: a kill in between must not leave a log shorter than its newest state's.
        log = {key: value for key, value in state.counters.items() if key.startswith("metrics_")}
        earlier = state.counters["unlogged"]  # restores that led to this state before
        self._checkpoints.save_checkpoint(log, scheduled=True, unlogged=[*earlier, event])
        self._logger.rewind(log, self.images_seen)
        for shown_before in earlier:
            self._logger.event(shown_before, show=False)
        self._logger.event(event)
        self._checkpoints.save_model()
