"""Shared by tests of single iterations: a context that writes nothing, a bench, a monitor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, final

import torch
from torch import Tensor

from acgan.data.images import DatasetSplits
from acgan.execution.execution import choose_execution
from acgan.networks.interface import Discriminator, Generator
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.display import SilentDisplay
from acgan.training.learner import Learner
from acgan.training.monitor import Monitor
from acgan.training.randomness import Streams
from acgan.training.state import Counters, Meters, RunContext
from acgan.training.step import Stepper


def make_context(config: RunConfig, splits: DatasetSplits) -> RunContext:
    """A context whose folder does not exist."""
    execution = choose_execution(config.execution)
    return RunContext(config, splits, execution, RunFolder(Path("none")), SilentDisplay())


@final
class Bench:
    """A learner and its stepper, iterating on the first images of the training split."""

    def __init__(self, config: RunConfig, splits: DatasetSplits) -> None:
        self.config = config
        self.splits = splits
        context = make_context(config, splits)
        self.learner = Learner(context)
        self.learner.set_rates(1.0)
        self.stepper = Stepper(context, self.learner)
        self.meters = Meters()
        self.done = 0

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """One batch per D step, the same in every iteration."""
        size, steps = self.config.training.batch_size, self.config.training.discriminator_steps
        slices = [slice(index * size, (index + 1) * size) for index in range(steps)]
        train = self.splits.train
        return [
            (torch.from_numpy(train.images[at]), torch.from_numpy(train.labels[at]))
            for at in slices
        ]

    def iterate(self) -> list[str]:
        """One iteration; what was skipped."""
        skipped = self.stepper.iterate(
            self.batches(),
            Streams(self.config.seed),
            self.meters,
            images_seen=self.done
            * self.config.training.batch_size
            * self.config.training.discriminator_steps,
            step=self.done,
        )
        self.done += 1
        return skipped


def make_monitor(
    config: RunConfig,
    splits: DatasetSplits,
    generator: Generator,
    discriminator: Discriminator,
    *,
    source_accuracy: Mapping[str, float] | None = None,
    rows: list[Mapping[str, Any]] | None = None,
) -> Monitor:
    """A monitor of networks that do not learn; its rows go to ``rows``."""
    counters = Counters()
    counters.images_seen, counters.step = 640, 10
    counters.source_accuracy = dict(source_accuracy or {})
    learner = SimpleNamespace(
        generator=generator, discriminator=discriminator, augmentation_metrics=dict
    )
    logger = SimpleNamespace(row=(rows if rows is not None else []).append)
    return Monitor(make_context(config, splits), cast(Any, learner), counters, cast(Any, logger))
