"""The guard: nothing that is not finite ever reaches weights, moments or running statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

LARGEST = 1e18
"""A gradient beyond this would make a second moment infinite for good."""


def first_non_finite(terms: Mapping[str, Tensor]) -> str | None:
    """Name of the first loss term that is infinite or not a number, or None."""
    values = torch.stack([term.detach().float() for term in terms.values()])
    if bool(torch.isfinite(values).all()):
        return None
    finite = torch.isfinite(values).tolist()
    return next(
        f"the loss term {name}" for name, good in zip(terms, finite, strict=True) if not good
    )


def first_unusable(network: nn.Module) -> str | None:
    """Name of the first gradient or running statistic that is not finite, or None; one read-out.

    Beyond `LARGEST` counts as infinite: Adam squares gradients, and float32 ends at 3·10³⁸.
    """
    named = [
        (f"the gradient of {name}", p.grad)
        for name, p in network.named_parameters()
        if p.grad is not None
    ]
    named += [
        (f"the running statistic {name}", buffer)
        for name, buffer in network.named_buffers()
        if buffer.is_floating_point()
    ]
    norms = torch.stack(torch._foreach_norm([value for _, value in named], ord=float("inf")))
    usable = norms < LARGEST  # false for what is not a number, too
    if bool(usable.all()):
        return None
    return next(name for (name, _), good in zip(named, usable.tolist(), strict=True) if not good)


@final
class BufferKeeper:
    """Running statistics as they were before a step, to undo what a skipped step did to them."""

    def __init__(self, module: nn.Module) -> None:
        self._buffers = list(module.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def keep(self) -> None:
        """Remember the buffers as they are now."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            kept.copy_(buffer)

    @torch.no_grad()
    def undo(self) -> None:
        """Put the remembered values back."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            buffer.copy_(kept)
