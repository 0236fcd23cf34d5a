"""Whether samples show the class that was asked for, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from acgan.errors import DataError

Float64s = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class ClassAgreement:
    """What a classifier saw, beside what was asked for.

    Attributes:
        overall: share of all samples read as the class asked for.
        per_class: float64 (K,), the same share within each asked class; NaN where none was asked.
        confusion: int64 (K, K), number of samples by asked class (row) and seen class (column).
    """

    overall: float
    per_class: Float64s
    confusion: npt.NDArray[np.int64]

    @property
    def worst_class(self) -> int:
        """Index of the class with the lowest share, the first of several."""
        return int(np.nanargmin(self.per_class))


def class_agreement(
    logits: npt.NDArray[Any], asked: npt.NDArray[np.integer[Any]]
) -> ClassAgreement:
    """Count the samples whose highest logit is that of the asked class.

    Args:
        logits: (N, K), of a classifier that had no part in the training of the model.
        asked: (N,), each in [0, K).

    Raises:
        DataError: there is no sample, or a logit is not finite (which argmax would hide).
    """
    if logits.ndim != 2 or asked.shape != logits.shape[:1]:
        raise ValueError(f"logits {logits.shape} and classes {asked.shape} must be (N, K), (N,)")
    count, classes = logits.shape
    if not count:
        raise DataError("there are no samples to judge; draw at least one")
    if not np.isfinite(logits).all():
        raise DataError("the classifier's logits are not all finite; its weights are damaged")
    if asked.min() < 0 or asked.max() >= classes:
        raise ValueError(f"the asked classes must lie in 0 to {classes - 1}")
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (asked, logits.argmax(axis=1)), 1)
    right, total = np.diagonal(confusion), confusion.sum(axis=1)
    per_class = np.divide(right, total, out=np.full(classes, np.nan), where=total > 0)
    return ClassAgreement(float(right.sum() / count), per_class, confusion)
