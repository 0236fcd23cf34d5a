"""The images of a batch, as a pure function of seed and position; random horizontal flips."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from acgan.data.split import random_order
from acgan.metrics.arrays import Int64Array

_CACHED_EPOCHS = 2  # a batch that crosses into the next epoch needs both


@final
class BatchOrder:
    """An endless sequence of permutations of all images, one for each epoch.

    A batch is a window of that sequence: it is never partial, every image occurs once before any
    occurs again, and resuming needs only the number of images seen.

    Args:
        count: number of images.
        seed: seed of all permutations.

    >>> BatchOrder(count=3, seed=0).indices(start=0, size=3)
    array([0, 2, 1])
    """

    def __init__(self, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError("there are no images to put in order")
        self._count = count
        self._seed = seed
        self._epochs: dict[int, Int64Array] = {}

    def indices(self, start: int, size: int) -> Int64Array:
        """Return positions ``start`` to ``start + size``, int64 (size,), each in [0, count)."""
        if start < 0 or size < 0:
            raise ValueError(f"start {start} and size {size} must not be negative")
        result = np.empty(size, np.int64)
        filled = 0
        while filled < size:
            epoch, offset = divmod(start + filled, self._count)
            piece = self._permutation(epoch)[offset : offset + size - filled]
            result[filled : filled + len(piece)] = piece
            filled += len(piece)
        return result

    def _permutation(self, epoch: int) -> Int64Array:
        if epoch not in self._epochs:
            while len(self._epochs) >= _CACHED_EPOCHS:
                del self._epochs[min(self._epochs)]
            self._epochs[epoch] = random_order(self._count, "batches", self._seed, epoch)
        return self._epochs[epoch]


def random_horizontal_flip(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Flip each image left to right with probability ½.

    Args:
        images: (N, C, H, W), on the CPU.
        generator: source of randomness; None for torch's global generator.
    """
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(3), images)
