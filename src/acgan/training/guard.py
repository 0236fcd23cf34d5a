"""The guard: nothing that is not finite ever reaches weights, moments or running statistics.

It never waits for the device: what it finds stays there, and there the optimizer and the running
statistics obey it. Only a sentence about it needs to be read out, at the end of an iteration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

LARGEST = 2.0**60
"""About 10¹⁸. A gradient beyond it would make a second moment infinite for good: Adam squares
gradients, and float32 ends at 3·10³⁸. What is larger counts as infinite."""


@final
@dataclass(frozen=True)
class NonFinite:
    """What an update looks like, before it is made.

    Attributes:
        names: what was measured, in words: loss terms, then gradients, then running statistics.
        sizes: (len(names),), on the device: values of the terms, Euclidean norms of the rest.
        spoiled: bool, a scalar on the device: whether one of them is not finite.
    """

    names: tuple[str, ...]
    sizes: Tensor
    spoiled: Tensor

    def problem(self, sizes: Sequence[float]) -> str | None:
        """Name of the first of ``sizes``, as read out, that is not finite, or None."""
        named = zip(self.names, sizes, strict=True)
        return next((name for name, size in named if not abs(size) < LARGEST), None)


@final
class Guard:
    """Watches over the updates of one network.

    Args:
        network: on its device already.
        memory: what else has buffers that move when the network is updated; likewise.
    """

    def __init__(self, network: nn.Module, memory: nn.Module | None = None) -> None:
        self._parameters = [(f"the gradient of {n}", p) for n, p in network.named_parameters()]
        named = [*network.named_buffers(), *(memory.named_buffers() if memory else ())]
        self._buffers = [buffer for _, buffer in named]
        self._kept = [buffer.clone() for buffer in self._buffers]
        self._statistics = [
            (f"the running statistic {name}", buffer)
            for name, buffer in named
            if buffer.is_floating_point()
        ]

    @torch.no_grad()
    def keep(self) -> None:
        """Remember the buffers as they are now, before an update moves them."""
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def look(self, terms: Mapping[str, Tensor]) -> NonFinite:
        """Measure loss terms, the gradients that they left, and running statistics."""
        named = [(name, p.grad) for name, p in self._parameters if p.grad is not None]
        named += self._statistics
        # Not the maximum: on CPUs torch takes twenty times as long for that.
        norms = torch._foreach_norm([value for _, value in named])
        names = (*(f"the loss term {term}" for term in terms), *(name for name, _ in named))
        sizes = torch.cat([torch.stack(list(terms.values())), torch.stack(norms)])
        # So written that what is not a number is found, too.
        return NonFinite(names, sizes, ~(sizes.abs() < LARGEST).all())

    @torch.no_grad()
    def undo(self, spoiled: Tensor) -> None:
        """Put the remembered buffers back where ``spoiled`` says so, bit for bit."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            torch.where(spoiled, kept, buffer, out=buffer)
