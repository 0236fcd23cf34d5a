"""The class loss: what D and G are told about classes, as pure functions of logits and labels.

Logits are float32 or float64 (N, K), never a softmax of them. A real image may have no label.
"""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput

UNLABELLED: Final = -1
"""In the place of the label of a real image whose class nobody has said."""


def cross_entropy_of_labelled(logits: Tensor, labels: Tensor) -> Tensor:
    """CE = −log softmax(c)_y, averaged over the labelled images (Odena et al. 2017, eq. 3).

    Args:
        logits: (N, K).
        labels: int64 (N,), each in [0, K), or `UNLABELLED`.

    Returns:
        A scalar; 0, with a gradient of 0, where no image has a label.
    """
    total = F.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp(min=1)


def class_loss(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    """`cross_entropy_of_labelled` of D's class logits.

    Args:
        output: D's answer to N images, with class logits (N, K).
        labels: int64 (N,), `UNLABELLED` where there is none.

    Raises:
        ValueError: D has no class head.
    """
    if output.class_logits is None:
        raise ValueError("a class loss needs a discriminator with a class head")
    return cross_entropy_of_labelled(output.class_logits, labels)
