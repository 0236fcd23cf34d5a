"""Layers that draw random numbers in training: activation noise and dropout.

On a processor, torch takes five times as long for a normal number where maps lie channels-last as
in the order of memory, and a whole draw to drop one activation where four fit into a word. In the
networks of the ACGAN paper that was three fifths of a step (`benchmarks/random_layers.py`).
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STEPS = 2**16  # of a random number that decides whether an activation is dropped
_WORD = torch.iinfo(torch.int64)
_IN_WORD = 4  # random numbers of 16 bits in one of 64


@final
class ActivationNoise(nn.Module):
    """Adds N(0, std²) to activations of any shape in training, nothing in evaluation.

    The noise comes from torch's global random generator, in the order of memory.
    """

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, activations: Tensor) -> Tensor:
        """``activations`` plus fresh noise; the same shape, dtype and memory format."""
        if not self.training:
            return activations
        if _draws_itself(activations):
            noise = torch.empty_like(activations)
            _in_memory(noise).normal_()
        else:
            noise = torch.randn_like(activations)
        return activations.add(noise, alpha=self.std)

    def extra_repr(self) -> str:
        """The standard deviation, for printed modules."""
        return f"std={self.std}"


@final
class Dropout(nn.Module):
    """Sets each activation to 0 with a probability in training (Srivastava et al. 2014).

    What remains is divided by the share that is kept on average, so that means stay. On a processor
    a number of 16 bits decides, from torch's global random generator: there the probability is
    rounded to a multiple of 2⁻¹⁶ (.3 to .3000031), and the divisor with it.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"a probability of dropping is at least 0 and below 1: {probability}")
        self.probability = probability

    def forward(self, activations: Tensor) -> Tensor:
        """The same shape, dtype and memory format as ``activations``."""
        if not self.training:
            return activations
        if not _draws_itself(activations):
            return F.dropout(activations, self.probability)
        dropped = min(round(self.probability * _STEPS), _STEPS - 1)
        count = activations.numel()
        words = torch.empty(-(-count // _IN_WORD), dtype=torch.int64).random_(_WORD.min, None)
        kept = torch.empty_like(activations)
        lowest = dropped - _STEPS // 2
        torch.ge(words.view(torch.int16)[:count], lowest, out=_in_memory(kept))
        return activations * kept.mul_(_STEPS / (_STEPS - dropped))

    def extra_repr(self) -> str:
        """The probability, for printed modules."""
        return f"probability={self.probability}"


def _draws_itself(activations: Tensor) -> bool:
    return activations.device.type == "cpu" and not torch.compiler.is_compiling()


def _in_memory(fresh: Tensor) -> Tensor:
    """All numbers of a tensor fresh from ``empty_like``, which leaves no gaps, as one row."""
    return fresh.as_strided((fresh.numel(),), (1,))
