"""Exponential moving average of the generator's weights, with a ramp for short runs."""

from __future__ import annotations

import copy
from typing import final

import torch

from acgan.networks.interface import Generator


@final
class MovingAverage:
    """The averaged generator (Yazıcı et al. 2019), its half-life counted in images.

    Buffers are not averaged: batch-norm statistics belong to the weights that they were measured
    with, so each snapshot measures its own (`acgan.training.snapshot`).

    Args:
        generator: the generator to follow; the average starts at its weights.
        half_life_images: images after which an old weight counts half; 0 follows without delay.
        ramp: the half-life is at most this share of the images seen (Karras et al. 2022, app. F).
    """

    def __init__(
        self, generator: Generator, *, half_life_images: float, ramp: float | None
    ) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False).eval()
        self._half_life = half_life_images
        self._ramp = ramp

    def decay(self, images_seen: int, batch: int) -> float:
        """β of this step: ½^(batch / half-life), in [0, 1)."""
        half_life = self._half_life
        if self._ramp is not None:
            half_life = min(half_life, self._ramp * images_seen)
        return 0.5 ** (batch / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, generator: Generator, *, images_seen: int, batch: int) -> None:
        """Move towards ``generator``'s weights: average ← β·average + (1 − β)·weights."""
        weight = 1.0 - self.decay(images_seen, batch)
        torch._foreach_lerp_(
            list(self.generator.parameters()), [p.detach() for p in generator.parameters()], weight
        )
