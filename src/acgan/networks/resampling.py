"""A 3×3 convolution joined with nearest-neighbour doubling before it, or with 2×2 means after it.

Exactly the two operations, as one convolution of 4×4 weights and stride 2: fewer products, and the
maps at the larger size are never in memory.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from acgan.networks.small_maps import conv2d, conv_transpose2d


@final
class UpsampledConv2d(nn.Conv2d):
    """Nearest-neighbour doubling and a 3×3 convolution with padding 1, as one operation.

    Of the nine pixels under the kernel some are copies of each other, so each output sees only 2×2
    pixels of the input, by sums of weights: exactly a transposed convolution of stride 2 with 4×4
    weights (Odena, Dumoulin & Olah 2016 compare the two). Four products instead of nine for every
    output, and no enlarged maps in memory.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, out, 2H, 2W) from (N, in, H, W)."""
        kernel = _doubling_weights(_doubling_weights(self.weight, 2), 3).transpose(0, 1)
        return conv_transpose2d(maps, kernel, self.bias, stride=2, padding=1)


@final
class PooledConv2d(nn.Conv2d):
    """A 3×3 convolution with padding 1 and the means of 2×2 squares of it, as one operation.

    A mean of four shifted convolutions is one convolution with the mean of the four shifted
    kernels, of 4×4 weights and stride 2: 16 products for every output instead of 36. As with
    torch's average pooling, a last row or column that has no partner is left out.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, out, H // 2, W // 2) from (N, in, H, W)."""
        kernel = _pooling_weights(_pooling_weights(self.weight, 2), 3)
        return conv2d(maps, kernel, self.bias, stride=2, padding=1)


def _doubling_weights(weight: Tensor, axis: int) -> Tensor:
    """Along ``axis`` from 3 weights w to the 4 of the transposed convolution.

    With output o = 2i + a, a = 0 sees w₀x[i−1] + (w₁+w₂)x[i] and a = 1 sees (w₀+w₁)x[i] + w₂x[i+1];
    the transposed convolution adds x[i] times its weight k to output 2i − 1 + k.
    """
    first, middle, last = weight.unbind(axis)
    return torch.stack((last, middle + last, first + middle, first), dim=axis)


def _pooling_weights(weight: Tensor, axis: int) -> Tensor:
    """Along ``axis`` from 3 weights w to the 4 of the convolution of stride 2.

    The mean of the outputs at 2i and 2i + 1 sees ½(w_m + w_{m−1}) times x[2i − 1 + m].
    """
    first, middle, last = (weight / 2).unbind(axis)
    return torch.stack((first, first + middle, middle + last, last), dim=axis)
