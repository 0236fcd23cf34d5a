"""Self-attention between the positions of an image (SAGAN: Zhang et al. 2019, §3).

A network inserts it after the first of its layers whose feature maps have a given height.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from acgan.backbones.layers import at_least_float32
from acgan.errors import UsageError
from acgan.networks.layers import Gain, full_precision

_REDUCTION = 8  # the paper's k: channels of queries, keys and values are C / k


@final
class SelfAttention(nn.Module):
    """x_j + γ·v(Σ_i β_ji h(x_i)), with β_j = softmax_i(f(x_i)·g(x_j)) (eq. 1 to 3).

    f, g and h are 1×1 convolutions from C channels to C/8, v is one back to C, all without bias; γ
    starts at 0. Scores and their softmax are computed in float32 (or float64) also under autocast:
    exact, and on CPUs faster than in bfloat16.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // _REDUCTION)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)  # f
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)  # g
        self.value = nn.Conv2d(channels, narrow, 1, bias=False)  # h
        self.back = nn.Conv2d(narrow, channels, 1, bias=False)  # v
        self.gain = Gain()

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) from (N, C, H, W), in their dtype."""
        # One head, (N, 1, H·W, C/8): with an axis for heads, torch uses a fused kernel.
        query, key, value = (
            at_least_float32(layer(maps)).permute(0, 2, 3, 1).flatten(1, 2).unsqueeze(1)
            for layer in (self.query, self.key, self.value)
        )
        with full_precision(maps.device):
            attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        count, _, height, width = maps.shape
        attended = attended.reshape(count, height, width, -1).permute(0, 3, 1, 2)
        added: Tensor = self.gain(self.back(attended))
        return maps + added


def attention_layers(
    heights: Sequence[int], widths: Sequence[int], attention_at: Sequence[int]
) -> nn.ModuleDict:
    """Return the attention layers of a network.

    Args:
        heights: of the feature maps of every layer.
        widths: channels of every layer.
        attention_at: heights, each among ``heights`` (`check_attention`).

    Returns:
        A `SelfAttention` under the layer's number, as text, for the first layer of each height in
        ``attention_at``.
    """
    layers = sorted(heights.index(height) for height in set(attention_at))
    return nn.ModuleDict({str(layer): SelfAttention(widths[layer]) for layer in layers})


def attend(maps: Tensor, attention: nn.ModuleDict, layer: int) -> Tensor:
    """Apply the attention after layer number ``layer`` to its feature maps, if there is one."""
    if str(layer) not in attention:
        return maps
    result: Tensor = attention[str(layer)](maps)
    return result


def check_attention(heights: Sequence[int], attention_at: Sequence[int], network: str) -> None:
    """Check that every height for attention is the height of some layer's feature maps.

    Args:
        heights: of the feature maps of every layer.
        attention_at: heights from the config.
        network: ``generator`` or ``discriminator``, for the message.

    Raises:
        UsageError: one is not; the message names the heights that work.
    """
    for height in attention_at:
        if height not in heights:
            possible = ", ".join(map(str, dict.fromkeys(heights)))
            raise UsageError(
                f"no layer of the {network} has feature maps of height {height} for "
                f"self-attention; choose {network}.attention_at among {possible}"
            )
