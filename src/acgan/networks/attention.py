"""Self-attention between the places of an image (SAGAN: Zhang et al. 2019, §3), for any network.

A network inserts it behind the first of its layers whose maps have an asked height.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from acgan.errors import UsageError
from acgan.networks.layers import Gain, full_precision, widened

_NARROWER = 8  # the paper's k: channels of queries, keys and values are C / k


@final
class SelfAttention(nn.Module):
    """x_j + γ·v(Σ_i β_ji h(x_i)), with β_j = softmax_i(f(x_i)·g(x_j)) (eq. 1 to 3).

    f, g and h are 1×1 convolutions from C channels to C/8, v is one back to C, none has a bias; γ
    starts at 0. Scores and their softmax are computed in float32 (or float64) also under autocast:
    exact, and on processors faster than in bfloat16.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // _NARROWER)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)  # f
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)  # g
        self.value = nn.Conv2d(channels, narrow, 1, bias=False)  # h
        self.back = nn.Conv2d(narrow, channels, 1, bias=False)  # v
        self.gain = Gain()

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) from (N, C, H, W), in the dtype of the maps."""
        # One head, (N, 1, H·W, C/8): with an axis for heads, torch takes a fused kernel.
        query, key, value = (
            widened(layer(maps)).permute(0, 2, 3, 1).flatten(1, 2).unsqueeze(1)
            for layer in (self.query, self.key, self.value)
        )
        with full_precision(maps.device):
            seen = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        count, _, height, width = maps.shape
        seen = seen.reshape(count, height, width, -1).permute(0, 3, 1, 2)
        added: Tensor = self.gain(self.back(seen))
        return maps + added


def attention_layers(
    heights: Sequence[int], widths: Sequence[int], wanted: Sequence[int]
) -> nn.ModuleDict:
    """For layers with maps of ``heights`` and ``widths`` channels, the attention behind them.

    Args:
        heights: of the maps of every layer.
        widths: channels of every layer.
        wanted: heights, each among ``heights`` (`check_attention`).

    Returns:
        A `SelfAttention` under the layer's number, as text, for the first layer of each wanted
        height.
    """
    places = sorted(heights.index(height) for height in set(wanted))
    return nn.ModuleDict({str(place): SelfAttention(widths[place]) for place in places})


def attended(maps: Tensor, attention: nn.ModuleDict, layer: int) -> Tensor:
    """What goes on from a layer: its maps, by way of the attention behind it if there is one."""
    if str(layer) not in attention:
        return maps
    result: Tensor = attention[str(layer)](maps)
    return result


def check_attention(heights: Sequence[int], wanted: Sequence[int], network: str) -> None:
    """Refuse attention at a height that no layer's maps have.

    Args:
        heights: of the maps of every layer.
        wanted: heights that attention is asked for at.
        network: ``generator`` or ``discriminator``, for the message.

    Raises:
        UsageError: with the heights that there are.
    """
    for height in wanted:
        if height not in heights:
            there = ", ".join(map(str, dict.fromkeys(heights)))
            raise UsageError(
                f"no layer of the {network} has maps {height} high for self-attention; there are "
                f"{there}: choose {network}.attention_at among them"
            )
