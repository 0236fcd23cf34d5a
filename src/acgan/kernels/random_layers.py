"""Layers with random numbers in training: activation noise and dropout.

On a CPU, torch takes five times as long for a normal number in channels-last order as in memory
order, and one random number per activation for dropout, where a 64-bit word is enough for four.
`benchmarks/fast_paths.py` measures the gain of a training step.
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STEPS = 2**16  # possible values of the 16-bit number that decides on one activation
_WORD = torch.iinfo(torch.int64)
_IN_WORD = 4  # random numbers of 16 bits in one of 64


@final
class ActivationNoise(nn.Module):
    """Adds N(0, std²) to activations of any shape in training, nothing in evaluation.

    The noise comes from torch's global random generator; on a CPU in memory order.
    """

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, activations: Tensor) -> Tensor:
        """``activations`` plus fresh noise; the same shape, dtype and memory format."""
        if not self.training:
            return activations
        if in_memory_order(activations):
            noise = torch.empty_like(activations)
            _as_row(noise).normal_()
        else:
            noise = torch.randn_like(activations)
        return activations.add(noise, alpha=self.std)

    def extra_repr(self) -> str:
        """The standard deviation, for printed modules."""
        return f"std={self.std}"


@final
class Dropout(nn.Module):
    """Sets each activation to 0 with a probability in training (Srivastava et al. 2014).

    The remaining activations are divided by the expected share of them, which preserves means. On a
    CPU a 16-bit number from torch's global random generator decides: the probability and the
    divisor are rounded to a multiple of 2⁻¹⁶ (0.3 to 0.3000031).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"the dropout probability must be in [0, 1), not {probability}")
        self.probability = probability

    def forward(self, activations: Tensor) -> Tensor:
        """The same shape, dtype and memory format as ``activations``."""
        if not self.training:
            return activations
        if not in_memory_order(activations):
            return F.dropout(activations, self.probability)
        dropped = min(round(self.probability * _STEPS), _STEPS - 1)
        count = activations.numel()
        words = torch.empty(-(-count // _IN_WORD), dtype=torch.int64).random_(_WORD.min, None)
        kept = torch.empty_like(activations)
        lowest = dropped - _STEPS // 2
        torch.ge(words.view(torch.int16)[:count], lowest, out=_as_row(kept))
        return activations * kept.mul_(_STEPS / (_STEPS - dropped))

    def extra_repr(self) -> str:
        """The probability, for printed modules."""
        return f"probability={self.probability}"


def in_memory_order(activations: Tensor) -> bool:
    """Whether to generate random numbers for ``activations`` in memory order."""
    return activations.device.type == "cpu" and not torch.compiler.is_compiling()


def _as_row(fresh: Tensor) -> Tensor:
    """Return all numbers of a tensor from ``empty_like``, which leaves no gaps, as one row."""
    return fresh.as_strided((fresh.numel(),), (1,))
