"""Which classes the generator is asked for in training."""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Shares = npt.NDArray[np.float64]


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
        self.real: Shares = real.numpy()
        self.asked: Shares = (real if policy == "batch" else weights / weights.sum()).numpy()

    def draw(self, size: int, generator: torch.Generator, real_labels: Tensor) -> Tensor:
        """Labels int64 (size,); classes without training images are never asked for."""
        if self._policy == "batch":
            return real_labels
        drawn = torch.rand(size, dtype=torch.float64, generator=generator)
        # The inverse of the cumulative distribution, whose last edge is exactly 1.
        return torch.searchsorted(self._edges, drawn, right=True)
