"""Convolutions of small maps in bfloat16 on a CPU, whose weight gradient torch computes slowly.

That gradient is a product along the rows of the maps, and matrix units work on 32 pixels of a row
at a time: of maps of 7×7 most of their work is on nothing. Many maps side by side, with zeros in
between, are one wide map with the same gradient.
"""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDEST = 8  # pixels of a row of the smaller maps; at 14 it was no faster
_MOST_SIDE_BY_SIDE = 16
_LEAST_SIDE_BY_SIDE = 4
_LEAST_PRODUCTS = 2**27  # of smaller ones, copies and calls cost what is gained


def convolve(layer: nn.Module, maps: Tensor) -> Tensor:
    """What ``layer`` makes of ``maps``; its weight gradient is computed faster where that is known.

    Only these very classes are computed otherwise: derived ones, and spectral norm, first compute
    with the weights.
    """
    if type(layer) is nn.Conv2d and isinstance(layer.padding, tuple):
        stride, padding = layer.stride[0], layer.padding[0]
        side = _output_side(maps, layer.weight, stride, padding)
        if _is_plain(layer) and _pays(maps, layer.weight, side, stride, padding):
            return conv2d(maps, layer.weight, layer.bias, stride, padding)
    elif type(layer) is nn.ConvTranspose2d and isinstance(layer.padding, tuple):
        stride, padding = layer.stride[0], layer.padding[0]
        if _is_plain(layer) and _pays(maps, layer.weight, maps.shape[-1], stride, padding):
            more = layer.output_padding[0]
            return conv_transpose2d(maps, layer.weight, layer.bias, stride, padding, more)
    result: Tensor = layer(maps)  # itself, so that who hooks into it sees it
    return result


def _is_plain(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    return layer.groups == 1 and layer.dilation == (1, 1)


def _output_side(maps: Tensor, weight: Tensor, stride: int, padding: int) -> int:
    return (maps.shape[-1] + 2 * padding - weight.shape[-1]) // stride + 1


def conv2d(maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """`torch.nn.functional.conv2d`, of square settings."""
    if not _pays(maps, weight, _output_side(maps, weight, stride, padding), stride, padding):
        return F.conv2d(maps, weight, bias, stride, padding)
    return _apply(maps, weight, bias, _settings(stride, padding))


def conv_transpose2d(
    maps: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    output_padding: int = 0,
) -> Tensor:
    """`torch.nn.functional.conv_transpose2d`, of square settings."""
    if not _pays(maps, weight, maps.shape[-1], stride, padding):
        return F.conv_transpose2d(maps, weight, bias, stride, padding, output_padding)
    return _apply(maps, weight, bias, _settings(stride, padding, True, output_padding))


Settings = tuple[list[int], list[int], list[int], bool, list[int], int]


def _settings(
    stride: int, padding: int, transposed: bool = False, output_padding: int = 0
) -> Settings:
    """As `torch.ops.aten.convolution` takes them."""
    return [stride] * 2, [padding] * 2, [1, 1], transposed, [output_padding] * 2, 1


def _pays(maps: Tensor, weight: Tensor, narrow_side: int, stride: int, padding: int) -> bool:
    # The second line: joined maps then give as many columns as they have.
    return (
        narrow_side <= _WIDEST
        and (2 * padding - weight.shape[-1]) // stride == -1
        and len(maps) * narrow_side**2 * weight.numel() >= _LEAST_PRODUCTS
        and weight.requires_grad
        and torch.is_grad_enabled()
        and maps.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
        and maps.is_contiguous(memory_format=torch.channels_last)
        and _side_by_side(len(maps)) >= _LEAST_SIDE_BY_SIDE
        and not torch.compiler.is_compiling()
    )


def _side_by_side(count: int) -> int:
    """The largest divisor of ``count`` that is not above `_MOST_SIDE_BY_SIDE`."""
    return next(n for n in range(_MOST_SIDE_BY_SIDE, 0, -1) if count % n == 0)


def _apply(maps: Tensor, weight: Tensor, bias: Tensor | None, settings: Settings) -> Tensor:
    low = (None if each is None else each.bfloat16() for each in (maps, weight, bias))
    result: Tensor = _Convolution.apply(*low, settings)
    return result


@final
class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, settings: Settings
    ) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.settings, ctx.bias_sizes = settings, None if bias is None else list(bias.shape)
        result: Tensor = torch.ops.aten.convolution(maps, weight, bias, *settings)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        backward = torch.ops.aten.convolution_backward
        wanted = list(ctx.needs_input_grad[:3])
        if torch.is_grad_enabled() or not wanted[1]:  # the former: to be differentiated again
            return *backward(gradient, maps, weight, ctx.bias_sizes, *ctx.settings, wanted), None
        to_maps = None
        if wanted[0]:
            only = [True, False, False]
            to_maps = backward(gradient, maps, weight, None, *ctx.settings, only)[0]
        stride, padding, dilation, transposed, _, groups = ctx.settings
        # Of a transposed convolution it is the gradient of the convolution the other way round.
        large, small = (gradient, maps) if transposed else (maps, gradient)
        step = small.shape[-1]
        while stride[0] * step < large.shape[-1] + padding[0]:
            step += 1
        count = _side_by_side(len(maps))
        to_weight = backward(
            _joined(small, count, step),
            _joined(large, count, stride[0] * step),
            weight,
            None,
            *(stride, padding, dilation, False, [0, 0], groups),
            [False, True, False],
        )[1]
        to_bias = gradient.sum((0, 2, 3)) if wanted[2] else None
        return to_maps, to_weight, to_bias, None


def _joined(maps: Tensor, count: int, step: int) -> Tensor:
    """(N / count, C, H, count·step): ``count`` maps in a row, each followed by columns of zeros."""
    number, channels, height, width = maps.shape
    joined = maps.new_empty(number // count, height, count, step, channels)
    joined[:, :, :, width:] = 0
    rows = maps.permute(0, 2, 3, 1).reshape(-1, count, height, width, channels)
    joined[:, :, :, :width] = rows.transpose(1, 2)
    return joined.flatten(2, 3).permute(0, 3, 1, 2)
