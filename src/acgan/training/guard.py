"""The guard: no loss or gradient that is not finite ever reaches the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

import torch
from torch import Tensor, nn


def first_non_finite(terms: Mapping[str, Tensor]) -> str | None:
    """Name of the first loss term that is infinite or not a number, or None."""
    values = torch.stack([term.detach().float() for term in terms.values()])
    if bool(torch.isfinite(values).all()):
        return None
    finite = torch.isfinite(values).tolist()
    return next(
        f"the loss term {name}" for name, good in zip(terms, finite, strict=True) if not good
    )


def first_non_finite_gradient(parameters: Iterable[tuple[str, nn.Parameter]]) -> str | None:
    """Name of the first parameter whose gradient is not finite, or None; one read-out in all."""
    named = [(name, p.grad) for name, p in parameters if p.grad is not None]
    norms = torch.stack(torch._foreach_norm([gradient for _, gradient in named], ord=float("inf")))
    if bool(torch.isfinite(norms).all()):
        return None
    finite = torch.isfinite(norms).tolist()
    return next(
        f"the gradient of {name}" for (name, _), good in zip(named, finite, strict=True) if not good
    )


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
