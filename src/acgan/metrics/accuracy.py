"""Accuracy per class, and two properties of a confusion matrix: Cramér's V, permuted labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.optimize import linear_sum_assignment

from acgan.metrics.arrays import Array, Float64Array, Int64Array, IntegerArray, check_logits


@final
@dataclass(frozen=True, eq=False)
class ClassAgreement:
    """Predicted against target labels.

    Attributes:
        overall: share of all samples whose predicted label is the target label.
        per_class: float64 (K,), the same per target label; NaN for a class without samples.
        confusion: int64 (K, K), number of samples by target label (row) and predicted label
            (column).
    """

    overall: float
    per_class: Float64Array
    confusion: Int64Array


def class_agreement(logits: Array, target_labels: IntegerArray) -> ClassAgreement:
    """Compare the class of the highest logit with the target label.

    Args:
        logits: (N, K), of a classifier that was not used to train the model.
        target_labels: (N,), each in [0, K).

    Raises:
        ValueError: there are no images, or a logit is not finite (which argmax would hide).
    """
    check_logits(logits, target_labels)
    count, classes = logits.shape
    if target_labels.min() < 0 or target_labels.max() >= classes:
        raise ValueError(f"target labels must be between 0 and {classes - 1}")
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (target_labels, logits.argmax(axis=1)), 1)
    right, total = np.diagonal(confusion), confusion.sum(axis=1)
    per_class = np.divide(right, total, out=np.full(classes, np.nan), where=total > 0)
    return ClassAgreement(float(right.sum() / count), per_class, confusion)


def row_shares(confusion: Int64Array) -> Float64Array:
    """Return each row divided by its sum, float64 (K, K); a row without images is 0."""
    shares: Float64Array = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares


def cramers_v(confusion: Int64Array) -> float:
    """Return Cramér's V of target and predicted labels, bias-corrected (Bergsma 2013).

    1 if every target label is predicted as one class and no two as the same, correct or not; 0 if
    the distribution of predicted labels does not depend on the target label.

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
    """Return cycles of permuted labels: each class is predicted as the next one of its cycle.

    The permutation with the highest accuracy is found by linear assignment on the row shares.

    Args:
        confusion: (K, K) counts by target label (row) and predicted label (column).
        gain: minimum increase of the mean accuracy in a cycle.
        smallest: classes with fewer samples are not permuted.
    """
    shares = row_shares(confusion)
    few = confusion.sum(axis=1) < smallest
    shares[few] = np.eye(len(shares))[few]
    # a small bonus for the identity decides ties
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
