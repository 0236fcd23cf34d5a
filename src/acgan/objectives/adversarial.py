"""The source loss: what D and G are told about real and fake, as pure functions of logits.

Logits are float32 or float64 (N,), positive means real; every function returns a scalar mean.
Notation as in docs/objective.md: ``s`` is the source logit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

SourceLossName = Literal["bce", "hinge", "least-squares"]


@final
@dataclass(frozen=True)
class SourceLoss:
    """One source loss: D's term on reals, D's term on fakes, G's term on fakes.

    Attributes:
        real: (logits, target) -> scalar, D's term on real images.
        fake: (logits, target) -> scalar, D's term on fake images.
        generator: logits of fakes -> scalar, G's term.
        smoothable: whether targets other than 1 and 0 have a meaning for it.
    """

    real: Callable[[Tensor, float], Tensor]
    fake: Callable[[Tensor, float], Tensor]
    generator: Callable[[Tensor], Tensor]
    smoothable: bool


def bce(logits: Tensor, target: float) -> Tensor:
    """Binary cross-entropy −[t·log σ(s) + (1−t)·log(1−σ(s))]; from logits, so without overflow.

    Goodfellow et al. 2014, eq. 1; soft targets as in Salimans et al. 2016, §3.4.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def bce_generator(logits: Tensor) -> Tensor:
    """The non-saturating loss −log σ(s) (Goodfellow et al. 2014, §3): fakes called real."""
    return bce(logits, 1.0)


def hinge_real(logits: Tensor, _target: float) -> Tensor:
    """max(0, 1 − s) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1.0 - logits).mean()


def hinge_fake(logits: Tensor, _target: float) -> Tensor:
    """max(0, 1 + s) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1.0 + logits).mean()


def hinge_generator(logits: Tensor) -> Tensor:
    """−s (Miyato et al. 2018, eq. 17)."""
    return -logits.mean()


def least_squares(logits: Tensor, target: float) -> Tensor:
    """½(s − t)² (Mao et al. 2017, eq. 2, with targets 1 for real and 0 for fake)."""
    return 0.5 * (logits - target).square().mean()


def least_squares_generator(logits: Tensor) -> Tensor:
    """½(s − 1)² (Mao et al. 2017, eq. 2)."""
    return least_squares(logits, 1.0)


SOURCE_LOSSES: dict[SourceLossName, SourceLoss] = {
    "bce": SourceLoss(bce, bce, bce_generator, smoothable=True),
    "hinge": SourceLoss(hinge_real, hinge_fake, hinge_generator, smoothable=False),
    "least-squares": SourceLoss(
        least_squares, least_squares, least_squares_generator, smoothable=True
    ),
}
