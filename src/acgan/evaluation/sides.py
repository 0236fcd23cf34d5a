"""Features of samples and of two real parts, and subsets of equal size of all three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared: samples with test images, and as the floor validation with test images.

    Attributes:
        samples: features of the samples, (N, F).
        test: of the real images that samples are held against, (M, F).
        validation: of real images that are neither among these nor learned from, (V, F).
    """

    samples: Array
    test: Array
    validation: Array

    @property
    def counts(self) -> tuple[int, int, int]:
        """Images of samples, test and validation."""
        return len(self.samples), len(self.test), len(self.validation)

    def enough(self, least: int) -> bool:
        """Whether samples and test images are that many."""
        return min(len(self.samples), len(self.test)) >= least

    def equal(self, least: int, *, seed: tuple[int, ...]) -> Sides | None:
        """Random subsets of one size, as large as the smallest side allows.

        A measure that depends on the number of images may then be held against its floor.

        Args:
            least: images a side that the measure takes.
            seed: of the subsets, which are drawn without replacement.

        Returns:
            The subsets; without validation images where there are fewer than ``least`` (the floor
            falls away, the measure does not); None where samples or test images are too few.
        """
        if not self.enough(least):
            return None
        has_floor = len(self.validation) >= least
        count = min(self.counts if has_floor else self.counts[:2])
        random = np.random.default_rng(seed)
        return Sides(
            _some(self.samples, count, random),
            _some(self.test, count, random),
            _some(self.validation, count if has_floor else 0, random),
        )


def _some(features: Array, count: int, random: np.random.Generator) -> Array:
    if len(features) == count:
        return features
    chosen: Array = features[random.permutation(len(features))[:count]]
    return chosen
