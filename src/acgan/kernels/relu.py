"""ReLU in place; in bfloat16 on a CPU by its bits, since torch goes through float32 there."""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor


def relu_(activations: Tensor) -> Tensor:
    """max(x, 0) in place, and its gradient: the values that torch's ReLU gives, bit for bit.

    A bfloat16 is negative where the integer of the same bits is, so the integer maximum does it, in
    a tenth of the time on maps that do not fit into a cache. One thing differs there: −0 becomes 0,
    and what is not a number but has a sign becomes 0, too. Norms before it have seen it then.
    """
    by_bits = (
        activations.dtype == torch.bfloat16
        and activations.device.type == "cpu"
        and not torch.compiler.is_compiling()
    )
    if not by_bits:
        return F.relu(activations, inplace=True)
    result: Tensor = _ReLU.apply(activations)
    return result


@final
class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> Tensor:
        activations.view(torch.int16).clamp_(min=0)
        ctx.mark_dirty(activations)
        ctx.save_for_backward(activations)
        return activations

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again, which bits cannot be
            masked: Tensor = gradient * (result > 0)
            return masked
        # Bits of the gradient where the result is positive, 0 elsewhere.
        passed: Tensor = torch.ops.aten.threshold_backward(
            gradient.view(torch.int16), result.view(torch.int16), 0
        )
        return passed.view(torch.bfloat16)
