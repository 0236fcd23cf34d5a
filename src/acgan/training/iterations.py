"""A run's iterations: which images and which randomness each of them gets, and at which rates.

All of it is a function of the counters and the learner's state; events are for the loop.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from acgan.data.images import DataParts
from acgan.data.mirror import mirror_keeps_class, mirrored_at_random
from acgan.run_config import RunConfig
from acgan.training.counters import Counters
from acgan.training.device import Choices
from acgan.training.labels import LabelSource
from acgan.training.learner import Learner, schedule_factor
from acgan.training.randomness import Streams
from acgan.training.real_batches import RealBatches
from acgan.training.step import Stepper


@final
class Iterations:
    """Trains a learner from where the counters are.

    Args:
        config: the run.
        parts: the data.
        choices: device, precision, threads.
        learner: weights and moments; trained in place.
        labels: draws the classes of fakes.
        counters: of the run; moved on by every iteration.
    """

    def __init__(
        self,
        config: RunConfig,
        parts: DataParts,
        choices: Choices,
        learner: Learner,
        labels: LabelSource,
        counters: Counters,
    ) -> None:
        self._config = config
        self._parts = parts
        self._learner = learner
        self._counters = counters
        self._stepper = Stepper(learner, config.training, choices, labels)
        self._mirror = config.training.mirror == "always" or (
            config.training.mirror == "auto" and mirror_keeps_class(config.data.source, parts.shape)
        )
        self.begin()

    def begin(self) -> None:
        """Take up the randomness of this retry: to be called whenever the counter has changed."""
        training = self._config.training
        self._streams = Streams(self._config.seed, self._counters.retry)
        self._batches = RealBatches(
            self._parts,
            self._streams,
            batch_size=training.batch_size,
            labelled_share=training.labelled_share,
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
        if self._mirror:
            images = mirrored_at_random(images, self._streams.generator("mirror", start))
        return images, torch.from_numpy(labels)
