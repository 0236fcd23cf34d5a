"""Class losses as pure functions of logits and labels.

Logits are float32 or float64 (N, K), never a softmax of them. A real image may have no label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Literal

import torch.nn.functional as F
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput

UNLABELED: Final = -1
"""Label of a real image without a label."""


def cross_entropy_of_labeled(logits: Tensor, labels: Tensor) -> Tensor:
    """Return CE = −log softmax(c)_y, averaged over the labeled images (Odena et al. 2017, eq. 3).

    Args:
        logits: (N, K).
        labels: int64 (N,), each in [0, K), or `UNLABELED`.

    Returns:
        A scalar; 0, with a gradient of 0, if no image has a label.
    """
    total = F.cross_entropy(logits, labels, ignore_index=UNLABELED, reduction="sum")
    return total / (labels != UNLABELED).sum().clamp(min=1)


def double_softmax_of_labeled(logits: Tensor, labels: Tensor) -> Tensor:
    """Return −log softmax(softmax(c))_y, averaged over the labeled images; wrong on purpose.

    The fault of popular tutorials: the discriminator ends in a softmax, and ``CrossEntropyLoss``
    applies another one. A correct and certain prediction costs `double_softmax_minimum`, and the
    gradient vanishes for certain and wrong predictions.

    Args:
        logits: (N, K).
        labels: int64 (N,), each in [0, K), or `UNLABELED`.
    """
    return cross_entropy_of_labeled(F.softmax(logits, dim=1), labels)


def double_softmax_minimum(classes: int) -> float:
    """Return the minimum of `double_softmax_of_labeled`: log(1 + (K − 1)/e), 1.46 for K = 10.

    The inner softmax is at most 1 for one class and then 0 for the others: −log(e / (e + K − 1)).
    """
    return math.log1p((classes - 1) / math.e)


ClassLossName = Literal["cross-entropy", "double-softmax"]
CLASS_LOSSES: Mapping[ClassLossName, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy_of_labeled,
    "double-softmax": double_softmax_of_labeled,
}
"""Functions of logits (N, K) and labels (N,). ``double-softmax`` is a fault, for teaching."""


def class_loss(
    output: DiscriminatorOutput, labels: Tensor, kind: ClassLossName = "cross-entropy"
) -> Tensor:
    """Return a class loss of the discriminator's class logits, a scalar.

    Args:
        output: discriminator output for N images, with class logits (N, K).
        labels: int64 (N,), each in [0, K), or `UNLABELED`.
        kind: key of `CLASS_LOSSES`.

    Raises:
        ValueError: the discriminator has no class head.
    """
    if output.class_logits is None:
        raise ValueError("a class loss needs a discriminator with a class head")
    return CLASS_LOSSES[kind](output.class_logits, labels)
