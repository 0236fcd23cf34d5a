"""Layers computed otherwise where only drawing matters: bfloat16, on a processor, no gradients.

Each computes what the layer that it replaces computes, up to the order of a convolution's sums.
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.kernels.space_to_depth import DepthToSpace

_LARGEST_WINDOWED = 7  # pixels a side; from 8 on it was slower, but for 512 channels
_UNIT = torch.complex128  # the widest unit that torch copies; holds eight channels in bfloat16
_CHANNELS_IN_UNIT = 8


@final
class WindowedUpsampling(nn.Module):
    """A transposed convolution of 4×4, stride 2, padding 1, as a convolution of 2×2 windows.

    Output row o = 2w − a, with a = 0 or 1, sees the input rows w − 1 and w alone, by the kernel's
    rows 3 − a and 1 − a; columns likewise. One convolution to four times the channels, a group of
    them for each (a, b), makes what every window can give (on maps of 7×7, 64 windows where 49 are
    needed); then pixels are put in their places. There it takes two thirds of the time.

    The layout of the maps, channels-last, is kept.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        if not self.replaces(layer):
            raise ValueError(f"{layer} is not a doubling that this class can compute")
        self._layer = layer
        kernel = layer.weight.detach()
        groups = [kernel[:, :, [3 - a, 1 - a]][..., [3 - b, 1 - b]] for a in (0, 1) for b in (0, 1)]
        self._kernel = torch.cat(groups, dim=1).transpose(0, 1)
        self._kernel = self._kernel.contiguous(memory_format=torch.channels_last)
        self._bias = None if layer.bias is None else layer.bias.detach().repeat(4)

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Whether ``layer`` is such a transposed convolution; a class derived from it is not."""
        return (
            type(layer) is nn.ConvTranspose2d
            and layer.weight.dtype == torch.bfloat16
            and layer.out_channels % _CHANNELS_IN_UNIT == 0
            and (layer.kernel_size, layer.stride) == ((4, 4), (2, 2))
            and (layer.padding, layer.output_padding) == ((1, 1), (0, 0))
            and (layer.dilation, layer.groups) == ((1, 1), 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """bfloat16 (N, out, 2H, 2W) from bfloat16 (N, in, H, W)."""
        count, _, height, width = maps.shape
        if max(height, width) > _LARGEST_WINDOWED:
            doubled: Tensor = self._layer(maps)
            return doubled
        seen = F.conv2d(maps, self._kernel, self._bias, padding=1)
        windows = _as_units(seen).view(count, height + 1, width + 1, 2, 2, -1)
        out = seen.new_empty(count, 2 * height, 2 * width, seen.shape[1] // 4)
        places = out.view(_UNIT).view(count, height, 2, width, 2, -1)
        for a in (0, 1):
            for b in (0, 1):
                rows, columns = slice(a, height + a), slice(b, width + b)
                places[:, :, a, :, b] = windows[:, rows, columns, a, b]
        return out.permute(0, 3, 1, 2)


@final
class PairedShuffle(nn.Module):
    """`DepthToSpace(2)` for any number of channels, channels-last and in bfloat16."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Whether ``layer`` is a pixel shuffle to squares of 2×2."""
        return isinstance(layer, DepthToSpace) and layer.side == 2

    def forward(self, maps: Tensor) -> Tensor:
        """bfloat16 (N, C, 2H, 2W), contiguous, from bfloat16 (N, 4C, H, W)."""
        count, channels, height, width = maps.shape
        pairs = maps.permute(0, 2, 3, 1).contiguous().view(torch.int32)
        pairs = pairs.view(count, height, width, channels // 4, 2)
        placed = pairs.permute(0, 3, 1, 4, 2).contiguous()  # N, C, H, row of the square, W
        return placed.view(torch.bfloat16).flatten(2, 3)


def _as_units(maps: Tensor) -> Tensor:
    """bfloat16 (N, C, H, W) as (N, H, W, C / 8): no copy where they are channels-last."""
    return maps.permute(0, 2, 3, 1).contiguous().view(_UNIT)
