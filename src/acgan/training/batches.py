"""Which classes the generator is asked for in training.

Batches of real images with the labels that training may know: the one way labels enter training.

Where only some training images are labeled, a plain batch would hardly ever hold one of them.
"""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.data.batches import BatchOrder
from acgan.data.images import DatasetSplits, Images, Labels
from acgan.metrics.arrays import Float64Array
from acgan.objectives.classification import UNLABELED
from acgan.training.randomness import Streams


@final
class LabelSource:
    """Draws labels of fakes.

    Args:
        policy: ``frequency`` follows the training part's class counts, so that the class itself is
            no cue of real or fake on skewed data; ``uniform``; ``batch`` takes the real batch's.
        counts: (K,), training images of each class.

    Attributes:
        real: float64 (K,), each class's share of the training images.
        asked: float64 (K,), its share of the fakes.
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
        self.real: Float64Array = real.numpy()
        self.asked: Float64Array = (real if policy == "batch" else weights / weights.sum()).numpy()

    def draw(self, size: int, generator: torch.Generator, real_labels: Tensor) -> Tensor:
        """Labels int64 (size,); classes without training images are never asked for."""
        if self._policy == "batch":
            return real_labels
        drawn = torch.rand(size, dtype=torch.float64, generator=generator)
        # The inverse of the cumulative distribution, whose last edge is exactly 1.
        return torch.searchsorted(self._edges, drawn, right=True)


@final
class RealBatches:
    """Each batch is a pure function of the seed and of the real images seen before it.

    Where all training images are labeled, batches are windows of one `BatchOrder`. Where not, a
    part of each batch comes, with labels, from an order of the labeled images alone, and the rest,
    without, from an order of all training images, the labeled ones among them: so what has no
    label is distributed as the training part is.

    Args:
        splits: the data; of labels, `DatasetSplits.labeled` is all that is looked at.
        streams: of the run.
        batch_size: images in a batch.
        labeled_share: of a batch, where not all are labeled; rounded, but at least one image.
    """

    def __init__(
        self, splits: DatasetSplits, streams: Streams, *, batch_size: int, labeled_share: float
    ) -> None:
        self._images, self._size = splits.train.images, batch_size
        self._rows, self._labels = splits.labeled_rows, splits.labeled.labels
        self._order = BatchOrder(len(splits.train), streams.derive("order"))
        self._labeled_order = BatchOrder(len(splits.labeled), streams.derive("labelled-order"))
        partial = self._rows is not None
        self._with_label = max(1, round(labeled_share * batch_size)) if partial else batch_size

    def after(self, images_seen: int) -> tuple[Images, Labels]:
        """The batch that comes after so many images, a multiple of the batch size.

        Returns:
            Images uint8 (B, C, H, W), and labels int64 (B,), `UNLABELED` where there is none; the
            labeled images come first.
        """
        if self._rows is None:
            chosen = self._order.indices(images_seen, self._size)
            return self._images[chosen], self._labels[chosen]
        number, known = images_seen // self._size, self._with_label
        unknown = self._size - known
        of_labeled = self._labeled_order.indices(number * known, known)
        of_all = self._order.indices(number * unknown, unknown)
        labels = np.full(self._size, UNLABELED, np.int64)
        labels[:known] = self._labels[of_labeled]
        return self._images[np.concatenate([self._rows[of_labeled], of_all])], labels
