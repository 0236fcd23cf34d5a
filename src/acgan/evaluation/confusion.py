"""What a confusion matrix shows as a whole: dependence on what was asked for, exchanged names."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Confusion = npt.NDArray[np.int64]
"""(K, K) counts by asked class (row) and seen class (column)."""
Shares = npt.NDArray[np.float64]


def row_shares(confusion: Confusion) -> Shares:
    """Each row as shares of its sum, float64 (K, K); a row without images is all zeros."""
    shares: Shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares


def association(confusion: Confusion) -> float:
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


def permuted_cycles(confusion: Confusion, *, gain: float, smallest: int) -> list[list[int]]:
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
    _, seen = linear_sum_assignment(shares + 1e-9 * np.eye(len(shares)), maximize=True)
    cycles, done = [], set[int]()
    for start in range(len(seen)):
        cycle, here = [], start
        while here not in done:
            done.add(here)
            cycle.append(here)
            here = int(seen[here])
        if len(cycle) > 1:
            gained = np.mean([shares[k, seen[k]] - shares[k, k] for k in cycle])
            if gained >= gain:
                cycles.append(cycle)
    return cycles
