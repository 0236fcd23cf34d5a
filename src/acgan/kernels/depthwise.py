"""Depthwise convolutions in bfloat16 on a CPU, whose gradient torch computes slowly."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def pays(layer: nn.Conv2d, maps: Tensor) -> bool:
    """Whether `depthwise_on_cpu` is to be used: a gradient is asked for, of the maps alone."""
    return (
        layer.groups == layer.in_channels == layer.out_channels > 1
        and maps.requires_grad
        and not layer.weight.requires_grad
        and maps.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
    )


def depthwise_on_cpu(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """What ``layer`` makes of ``maps`` (N, C, H, W), in bfloat16; a gradient reaches the maps.

    The gradient is a depthwise convolution too, with the kernels turned round and, for a stride,
    zeros between the rows and columns. As such it takes torch about a quarter of the time of the
    kernel that it has for it.
    """
    weight, bias = (
        None if each is None else each.bfloat16() for each in (layer.weight, layer.bias)
    )
    result: Tensor = _Depthwise.apply(
        maps.bfloat16(), weight, bias, int(layer.stride[0]), int(layer.padding[0])
    )
    return result


@final
class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.sides = stride, padding, maps.shape[2:]
        return F.conv2d(maps, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        kernel = weight.shape[-1]
        if ctx.stride > 1:
            gradient = _spread(
                gradient, ctx.stride, [side + 2 * ctx.padding - kernel + 1 for side in ctx.sides]
            )
        turned = weight.flip(2, 3)
        padding = kernel - 1 - ctx.padding
        maps = F.conv2d(gradient, turned, None, 1, padding, groups=len(weight))
        return maps, None, None, None, None


def _spread(maps: Tensor, stride: int, sides: list[int]) -> Tensor:
    """Maps of the given sides, zero but at each ``stride``-th row and column; channels-last."""
    size = (*maps.shape[:2], *sides)
    spread = torch.empty(size, dtype=maps.dtype, memory_format=torch.channels_last).zero_()
    spread[:, :, ::stride, ::stride] = maps
    return spread
