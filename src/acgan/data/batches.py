"""BatchOrder: which images make up a batch, as a pure function of the seed and of images seen.

Mirrored images: whether they keep their class, and mirroring at random in training.
"""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.data.images import ImageShape
from acgan.data.source import NAMED_SETS
from acgan.data.split import random_order

_KEPT_EPOCHS = 2  # a batch that crosses into the next epoch needs both


@final
class BatchOrder:
    """The endless sequence of one fresh permutation of all images after the other.

    A batch is a window of that sequence, so it never is partial, every image is seen once before
    any is seen again, and to resume needs the number of images seen and nothing else.

    Args:
        count: images in the set.
        seed: seed of every permutation.
    """

    def __init__(self, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError("there are no images to put in order")
        self._count = count
        self._seed = seed
        self._epochs: dict[int, npt.NDArray[np.int64]] = {}

    def indices(self, start: int, size: int) -> npt.NDArray[np.int64]:
        """Positions ``start`` to ``start + size`` of the sequence, int64 (size,), in [0, count)."""
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

    def _permutation(self, epoch: int) -> npt.NDArray[np.int64]:
        if epoch not in self._epochs:
            while len(self._epochs) >= _KEPT_EPOCHS:
                del self._epochs[min(self._epochs)]
            self._epochs[epoch] = random_order(self._count, "batches", self._seed, epoch)
        return self._epochs[epoch]


_KEEP_CLASS = {"cifar10", "cifar100", "fashion-mnist", "stl10"}


def flip_keeps_class(source: str, shape: ImageShape) -> bool:
    """Yes for photographs and clothes, no for digits and letters.

    Of named sets it is known. A person's own color pictures are taken for photographs and gray
    ones for something that may be text; who knows better should be able to say so.

    Args:
        source: `DataConfig.source`.
        shape: of the images.
    """
    return source in _KEEP_CLASS if source in NAMED_SETS else shape.channels == 3


def random_horizontal_flip(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images (N, C, H, W) on the CPU, each mirrored left to right with probability ½.

    The coins are tossed by ``generator``, or by torch's global one.
    """
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(3), images)
