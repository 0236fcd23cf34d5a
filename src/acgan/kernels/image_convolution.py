"""The convolution from maps to the few channels of an image, in bfloat16 on a CPU.

Matrix units work on 16 output channels at a time, so torch's weight gradient of one channel is
work on nothing for the most part. Here it is one product: of the gradient's shifted copies, one
for each weight of a kernel, and of the maps, whose pixels are the rows.
"""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MOST_PLANES = 32  # of more shifted copies (here the kernels of four channels), it was no faster
_LEAST_PIXELS = 2**15  # of fewer in a batch, it was not measured


def to_image(layer: nn.Module, maps: Tensor) -> Tensor:
    """What ``layer`` makes of ``maps``; its weight gradient is computed faster where that is known.

    Args:
        layer: a convolution, or anything else, which is then called as it is.
        maps: (N, C, H, W).
    """
    if type(layer) is nn.Conv2d and _is_plain(layer) and _pays(layer, maps):
        bias = None if layer.bias is None else layer.bias.bfloat16()
        image: Tensor = _ToImage.apply(maps.bfloat16(), layer.weight.bfloat16(), bias)
        return image
    result: Tensor = layer(maps)
    return result


def _is_plain(layer: nn.Conv2d) -> bool:
    """A square kernel with a middle pixel, and an image as large as the maps."""
    side = layer.kernel_size[0]
    return (
        side % 2 == 1
        and layer.kernel_size == (side, side)
        and layer.padding == (side // 2, side // 2)
        and (layer.stride, layer.dilation, layer.groups) == ((1, 1), (1, 1), 1)
        and layer.padding_mode == "zeros"
    )


def _pays(layer: nn.Conv2d, maps: Tensor) -> bool:
    return (
        layer.out_channels * layer.kernel_size[0] ** 2 <= _MOST_PLANES
        and layer.in_channels > layer.out_channels
        and maps[:, 0].numel() >= _LEAST_PIXELS
        and layer.weight.requires_grad
        and torch.is_grad_enabled()
        and maps.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
        and maps.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
    )


@final
class _ToImage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        result: Tensor = torch.ops.aten.convolution(maps, weight, bias, *_settings(weight))
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        backward, settings = torch.ops.aten.convolution_backward, _settings(weight)
        wanted = list(ctx.needs_input_grad)
        if torch.is_grad_enabled() or not wanted[1]:  # the former: to be differentiated again
            given = (gradient, maps, weight, ctx.bias_sizes, *settings, wanted)
            to_maps, to_weight, to_bias = backward(*given)
            return to_maps, to_weight, to_bias
        to_maps = None
        if wanted[0]:
            only = [True, False, False]
            to_maps = backward(gradient, maps, weight, None, *settings, only)[0]
        to_bias = gradient.sum((0, 2, 3)) if wanted[2] else None
        return to_maps, weight_gradient(gradient, maps, weight.shape[-1]), to_bias


def _settings(weight: Tensor) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
    """As `torch.ops.aten.convolution` takes them."""
    return [1, 1], [weight.shape[-1] // 2] * 2, [1, 1], False, [0, 0], 1


def weight_gradient(gradient: Tensor, maps: Tensor, side: int) -> Tensor:
    """That of a convolution of stride 1 whose results are as large as its maps.

    ∂L/∂w[o, c, a, b] = Σ_n,i,j gradient[n, o, i − a + p, j − b + p] · maps[n, c, i, j], p being
    ⌊side / 2⌋ and the gradient 0 outside.

    Args:
        gradient: of the results, (N, O, H, W).
        maps: (N, C, H, W); their pixels are not copied where they are channels-last.
        side: of the kernel, odd.

    Returns:
        (O, C, side, side), in their dtype.
    """
    count, outputs, height, width = gradient.shape
    framed = F.pad(gradient.contiguous(), [side // 2] * 4)
    image, channel, row, column = framed.stride()
    planes = framed.as_strided(
        (outputs, side, side, count, height, width), (channel, row, column, image, row, column)
    )
    pixels = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    turned = planes.reshape(outputs * side**2, -1) @ pixels
    # A plane that is shifted forward belongs to a weight that looks back.
    return turned.view(outputs, side, side, -1).flip(1, 2).permute(0, 3, 1, 2)
