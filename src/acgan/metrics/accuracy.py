"""Whether samples show the class that was asked for, class by class.

What a confusion matrix shows as a whole: dependence on what was asked for, exchanged names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from acgan.metrics.arrays import Float64Array, Int64Array


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
    per_class: Float64Array
    confusion: npt.NDArray[np.int64]

    @property
    def worst_class(self) -> int:
        """Index of the class with the lowest share, the first of several."""
        return int(np.nanargmin(self.per_class))


def class_agreement(
    logits: npt.NDArray[Any], target_labels: npt.NDArray[np.integer[Any]]
) -> ClassAgreement:
    """Count the samples whose highest logit is that of the asked class.

    Args:
        logits: (N, K), of a classifier that had no part in the training of the model.
        target_labels: (N,), each in [0, K).

    Raises:
        ValueError: there is no sample, or a logit is not finite (which argmax would hide).
    """
    if logits.ndim != 2 or target_labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits {logits.shape} and classes {target_labels.shape} must be (N, K), (N,)"
        )
    count, classes = logits.shape
    if not count:
        raise ValueError("there are no samples to judge; draw at least one")
    if not np.isfinite(logits).all():
        raise ValueError("the classifier's logits are not all finite; its weights are damaged")
    if target_labels.min() < 0 or target_labels.max() >= classes:
        raise ValueError(f"the asked classes must lie in 0 to {classes - 1}")
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (target_labels, logits.argmax(axis=1)), 1)
    right, total = np.diagonal(confusion), confusion.sum(axis=1)
    per_class = np.divide(right, total, out=np.full(classes, np.nan), where=total > 0)
    return ClassAgreement(float(right.sum() / count), per_class, confusion)


def row_shares(confusion: Int64Array) -> Float64Array:
    """Each row as shares of its sum, float64 (K, K); a row without images is all zeros."""
    shares: Float64Array = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares


def association(confusion: Int64Array) -> float:
    """How much the asked class says of the seen one: Cramér's V, bias-corrected (Bergsma 2013).

    1 where each asked class is seen as one class and each as another, be it the right one or not; 0
    where the seen classes are distributed alike whatever was asked, however few the samples.

    Args:
        confusion: (K, K) counts.
    """
    table = confusion[confusion.sum(axis=1) > 0][:, confusion.sum(axis=0) > 0].astype(np.float64)
    rows, columns = table.shape
    count = table.sum()
    if min(rows, columns) < 2:
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / count
    squared = float((np.square(table - expected) / expected).sum() / count)
    corrected = max(0.0, squared - (rows - 1) * (columns - 1) / (count - 1))
    sides = [side - (side - 1) ** 2 / (count - 1) for side in (rows, columns)]
    return min(1.0, math.sqrt(corrected / (min(sides) - 1))) if min(sides) > 1 else 0.0


def permuted_cycles(confusion: Int64Array, *, gain: float, smallest: int) -> list[list[int]]:
    """Classes whose names are exchanged: k is seen as the next of its cycle, the last as the first.

    The exchange of names that makes most samples right is found by linear assignment on the rows'
    shares.

    Args:
        confusion: (K, K) counts by asked class (row) and seen class (column).
        gain: by how much the exchange must raise the mean share that is right in a cycle.
        smallest: samples of a class below which it stays itself.
    """
    shares = row_shares(confusion)
    few = confusion.sum(axis=1) < smallest
    shares[few] = np.eye(len(shares))[few]
    # a hair for the identity, so that equals stay where they are
    _, predicted = linear_sum_assignment(shares + 1e-9 * np.eye(len(shares)), maximize=True)
    cycles, done = [], set[int]()
    for start in range(len(predicted)):
        cycle, here = [], start
        while here not in done:
            done.add(here)
            cycle.append(here)
            here = int(predicted[here])
        if len(cycle) > 1:
            gained = np.mean([shares[k, predicted[k]] - shares[k, k] for k in cycle])
            if gained >= gain:
                cycles.append(cycle)
    return cycles
