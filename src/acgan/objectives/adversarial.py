"""Source losses (real or fake) as pure functions of the source logit s.

Logits are float32 or float64 (N,), positive for real; each function returns a scalar mean.
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
    """A source loss.

    Attributes:
        real: (logits, target) -> scalar, the discriminator's term on real images.
        fake: (logits, target) -> scalar, its term on fake images.
        generator: logits of fake images -> scalar, the generator's term.
        smoothable: whether it is defined for targets other than 1 and 0.
    """

    real: Callable[[Tensor, float], Tensor]
    fake: Callable[[Tensor, float], Tensor]
    generator: Callable[[Tensor], Tensor]
    smoothable: bool


def bce(logits: Tensor, target: float) -> Tensor:
    """Return the binary cross-entropy −[t·log σ(s) + (1−t)·log(1−σ(s))], without overflow.

    Goodfellow et al. 2014, eq. 1; soft targets as in Salimans et al. 2016, §3.4.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def bce_generator(logits: Tensor) -> Tensor:
    """Return the non-saturating loss −log σ(s) (Goodfellow et al. 2014, §3)."""
    return bce(logits, 1.0)


def hinge_real(logits: Tensor, _target: float) -> Tensor:
    """Return max(0, 1 − s) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1.0 - logits).mean()


def hinge_fake(logits: Tensor, _target: float) -> Tensor:
    """Return max(0, 1 + s) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1.0 + logits).mean()


def hinge_generator(logits: Tensor) -> Tensor:
    """Return −s (Miyato et al. 2018, eq. 17)."""
    return -logits.mean()


def least_squares(logits: Tensor, target: float) -> Tensor:
    """Return ½(s − t)² (Mao et al. 2017, eq. 2, with targets 1 for real and 0 for fake)."""
    return 0.5 * (logits - target).square().mean()


def least_squares_generator(logits: Tensor) -> Tensor:
    """Return ½(s − 1)² (Mao et al. 2017, eq. 2)."""
    return least_squares(logits, 1.0)


SOURCE_LOSSES: dict[SourceLossName, SourceLoss] = {
    "bce": SourceLoss(bce, bce, bce_generator, smoothable=True),
    "hinge": SourceLoss(hinge_real, hinge_fake, hinge_generator, smoothable=False),
    "least-squares": SourceLoss(
        least_squares, least_squares, least_squares_generator, smoothable=True
    ),
}
