"""Guard against non-finite updates: weights, moments and running statistics always stay finite.

The guard never synchronizes with the device. The result of its check stays there and controls the
optimizer and the running statistics; only the message is read at the end of an iteration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

LARGEST = 2.0**60
"""About 10¹⁸; larger values count as infinite. Adam squares gradients and float32 ends at 3·10³⁸,
so a larger gradient would make a second moment infinite for good."""


@final
@dataclass(frozen=True)
class FiniteCheck:
    """Result of the check of one update, before it is applied.

    Attributes:
        names: checked quantities in words: loss terms, then gradients, then running statistics.
        sizes: (len(names),), on the device: values of the terms, Euclidean norms of the rest.
        failed: bool scalar on the device: whether any of them is not finite.
    """

    names: tuple[str, ...]
    sizes: Tensor
    failed: Tensor

    def problem(self, sizes: Sequence[float]) -> str | None:
        """Return the name of the first non-finite entry of ``sizes`` (read out), or None."""
        named = zip(self.names, sizes, strict=True)
        return next((name for name, size in named if not abs(size) < LARGEST), None)


@final
class Guard:
    """Checks the updates of a network on its device, and restores buffers after a failed one.

    ``extra_state`` has further buffers that change with these updates.
    """

    def __init__(self, network: nn.Module, extra_state: nn.Module | None = None) -> None:
        self._parameters = [(f"the gradient of {n}", p) for n, p in network.named_parameters()]
        named = [*network.named_buffers(), *(extra_state.named_buffers() if extra_state else ())]
        self._buffers = [buffer for _, buffer in named]
        self._saved = [buffer.clone() for buffer in self._buffers]
        self._statistics = [
            (f"the running statistic {name}", buffer)
            for name, buffer in named
            if buffer.is_floating_point()
        ]

    @torch.no_grad()
    def save_buffers(self) -> None:
        """Save the buffers before an update changes them."""
        if self._buffers:
            torch._foreach_copy_(self._saved, self._buffers)

    @torch.no_grad()
    def check(self, terms: Mapping[str, Tensor]) -> FiniteCheck:
        """Check the loss terms, the present gradients and the running statistics."""
        named = [(name, p.grad) for name, p in self._parameters if p.grad is not None]
        named += self._statistics
        # Norms instead of maxima: torch's maximum takes twenty times as long on CPUs.
        norms = torch._foreach_norm([value for _, value in named])
        names = (*(f"the loss term {term}" for term in terms), *(name for name, _ in named))
        sizes = torch.cat([torch.stack(list(terms.values())), torch.stack(norms)])
        # In this form the comparison also finds NaN.
        return FiniteCheck(names, sizes, ~(sizes.abs() < LARGEST).all())

    @torch.no_grad()
    def restore_buffers(self, failed: Tensor) -> None:
        """Restore the saved buffers bit for bit where ``failed`` is true."""
        for saved, buffer in zip(self._saved, self._buffers, strict=True):
            torch.where(failed, saved, buffer, out=buffer)
