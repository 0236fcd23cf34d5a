"""The class loss: what D and G are told about classes, as pure functions of logits and labels.

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
"""In the place of the label of a real image whose class nobody has said."""


def cross_entropy_of_labeled(logits: Tensor, labels: Tensor) -> Tensor:
    """CE = −log softmax(c)_y, averaged over the labeled images (Odena et al. 2017, eq. 3).

    Args:
        logits: (N, K).
        labels: int64 (N,), each in [0, K), or `UNLABELED`.

    Returns:
        A scalar; 0, with a gradient of 0, where no image has a label.
    """
    total = F.cross_entropy(logits, labels, ignore_index=UNLABELED, reduction="sum")
    return total / (labels != UNLABELED).sum().clamp(min=1)


def double_softmax_of_labeled(logits: Tensor, labels: Tensor) -> Tensor:
    """Wrong on purpose: the softmax of the logits handed to a loss that takes a softmax itself.

    The bug of the popular tutorials, where D ends in a softmax and ``CrossEntropyLoss`` follows:
    −log softmax(softmax(c))_y, averaged over the labeled images. A right and sure answer still
    costs `double_softmax_floor`, and the more sure a wrong one is, the less it is corrected.

    Args:
        logits: (N, K).
        labels: int64 (N,), each in [0, K), or `UNLABELED`.
    """
    return cross_entropy_of_labeled(F.softmax(logits, dim=1), labels)


def double_softmax_floor(classes: int) -> float:
    """The least that `double_softmax_of_labeled` can be: log(1 + (K − 1)/e); 1.46 of ten classes.

    A softmax is at most 1 for one class and then 0 for the others: −log(e / (e + K − 1)).
    """
    return math.log1p((classes - 1) / math.e)


ClassLossName = Literal["cross-entropy", "double-softmax"]
CLASS_LOSSES: Mapping[ClassLossName, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy_of_labeled,
    "double-softmax": double_softmax_of_labeled,
}
"""Of logits (N, K) and labels (N,). All but the first are faults, kept to be looked at."""


def class_loss(
    output: DiscriminatorOutput, labels: Tensor, kind: ClassLossName = "cross-entropy"
) -> Tensor:
    """One of `CLASS_LOSSES`, of D's class logits.

    Args:
        output: D's answer to N images, with class logits (N, K).
        labels: int64 (N,), `UNLABELED` where there is none.
        kind: which.

    Raises:
        ValueError: D has no class head.
    """
    if output.class_logits is None:
        raise ValueError("a class loss needs a discriminator with a class head")
    return CLASS_LOSSES[kind](output.class_logits, labels)
