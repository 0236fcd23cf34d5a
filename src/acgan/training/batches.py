"""Training batches: real images with the labels that training may use, and labels for fakes."""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.data.batches import BatchOrder, random_horizontal_flip
from acgan.data.images import DatasetSplits
from acgan.metrics.arrays import Float64Array
from acgan.objectives.classification import UNLABELED
from acgan.training.randomness import Stream, Streams


@final
class LabelSource:
    """Samples the labels of fakes.

    Args:
        policy: ``frequency`` follows the class counts of the training split, so that on imbalanced
            data the class itself is no cue for real or fake; ``uniform``; ``batch`` copies the
            labels of the real batch.
        counts: (K,), training images of each class.

    Attributes:
        real_shares: float64 (K,), share of each class among the training images.
        fake_shares: float64 (K,), share of each class among the fakes.
    """

    def __init__(
        self, policy: Literal["frequency", "uniform", "batch"], counts: npt.NDArray[Any]
    ) -> None:
        self._policy = policy
        present = torch.from_numpy(counts).double()
        weights = present if policy == "frequency" else (present > 0).double()
        edges = weights.cumsum(0)
        self._edges = edges / edges[-1]
        real = present / present.sum()
        fake = real if policy == "batch" else weights / weights.sum()
        self.real_shares: Float64Array = real.numpy()
        self.fake_shares: Float64Array = fake.numpy()

    def sample(self, size: int, generator: torch.Generator, real_labels: Tensor) -> Tensor:
        """Return labels int64 (size,); classes without training images never occur."""
        if self._policy == "batch":
            return real_labels
        uniform = torch.rand(size, dtype=torch.float64, generator=generator)
        # The inverse of the cumulative distribution, whose last edge is exactly 1.
        return torch.searchsorted(self._edges, uniform, right=True)


@final
class RealBatches:
    """Real batches, each a pure function of the random streams and the images seen before it.

    If all training images are labeled, batches are consecutive windows of one `BatchOrder`. If only
    some are, each batch combines two orders: one of the labeled images, with labels, and one of all
    training images, without labels, so that these follow the distribution of the whole split.

    Args:
        splits: the data; only the labels in `DatasetSplits.labeled` are used.
        batch_size: images in a batch.
        labeled_share: labeled share of a batch if not all images are labeled; at least one image.
        horizontal_flip: whether each image is flipped with probability ½.
    """

    def __init__(
        self, splits: DatasetSplits, *, batch_size: int, labeled_share: float, horizontal_flip: bool
    ) -> None:
        self._images, self._size = splits.train.images, batch_size
        self._rows, self._labels = splits.labeled_rows, splits.labeled.labels
        self._labeled_size = max(1, round(labeled_share * batch_size))
        self._horizontal_flip = horizontal_flip
        self._streams: Streams | None = None

    def after(self, images_seen: int, streams: Streams) -> tuple[Tensor, Tensor]:
        """Return the batch that follows ``images_seen`` images, a multiple of the batch size.

        Returns:
            Images uint8 (B, C, H, W) and labels int64 (B,) on the CPU. Labeled images come first;
            the labels of the others are `UNLABELED`.
        """
        if streams != self._streams:
            self._streams = streams
            self._order = BatchOrder(len(self._images), streams.derive(Stream.ORDER))
            labeled_seed = streams.derive(Stream.LABELED_ORDER)
            self._labeled_order = BatchOrder(len(self._labels), labeled_seed)
        if self._rows is None:
            chosen = self._order.indices(images_seen, self._size)
            labels = self._labels[chosen]
        else:
            number, known = images_seen // self._size, self._labeled_size
            unknown = self._size - known
            labeled = self._labeled_order.indices(number * known, known)
            chosen = np.concatenate(
                [self._rows[labeled], self._order.indices(number * unknown, unknown)]
            )
            labels = np.full(self._size, UNLABELED, np.int64)
            labels[:known] = self._labels[labeled]
        images = torch.from_numpy(self._images[chosen])
        if self._horizontal_flip:
            random = streams.generator(Stream.HORIZONTAL_FLIP, images_seen)
            images = random_horizontal_flip(images, random)
        return images, torch.from_numpy(labels)
