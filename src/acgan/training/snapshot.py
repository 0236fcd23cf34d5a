"""The generator as a person gets it: averaged weights with batch-norm statistics of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from acgan.networks.interface import Generator
from acgan.networks.statistics import reestimate_statistics
from acgan.training.device import Choices
from acgan.training.labels import LabelSource
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
        self, learner: Learner, labels: LabelSource, choices: Choices, streams: Streams
    ) -> None:
        self._learner = learner
        self._labels = labels
        self._choices = choices
        self._streams = streams
        self._taken_at = -1

    def take(self, images_seen: int) -> Generator:
        """The averaged generator in evaluation mode, measured once per ``images_seen``."""
        generator = self._learner.average.generator
        if self._taken_at != images_seen:
            own, live = dict(generator.named_buffers()), self._learner.generator.named_buffers()
            for name, buffer in live:
                own[name].copy_(buffer)
            with self._choices.autocast():
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
            yield latents.to(self._choices.device), labels.to(self._choices.device)
