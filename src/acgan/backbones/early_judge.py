"""The beginning of a judge's network, for those who want maps and not an answer.

Batch norms are there as what they are in evaluation, a gain and a bias for each channel: their
statistics are those of the real images that the judge learned from, and stay.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from acgan.backbones.judge_network import JudgeNetwork, JudgeNetworkConfig, PooledNetworkConfig
from acgan.backbones.precision import at_least_float32
from acgan.data.images import ImageShape


@final
class EarlyJudge(nn.Module):
    """Images to the maps after some of the judge's stages; gradients flow.

    Args:
        config: the judge's network.
        shape: of one image.
        taps: which stages' maps, ascending, from 1.

    Attributes:
        mean: float (C,), subtracted from pixels of 0 to 255; the judge's.
        scale: float (C,), by which they are then divided.
        widths: channels of the maps at each tap.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        config: JudgeNetworkConfig | PooledNetworkConfig,
        shape: ImageShape,
        taps: Sequence[int],
    ) -> None:
        super().__init__()
        whole = JudgeNetwork(config, shape, classes=1)
        self._taps = frozenset(taps)
        self.register_buffer("mean", whole.mean)
        self.register_buffer("scale", whole.scale)
        self.stem = whole.stem
        self.stages = whole.stages[: taps[-1]]
        _fix_norms(self)
        self.widths = tuple(config.stages[tap - 1] for tap in taps)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps (N, width, H', W') at each tap, of images (N, C, H, W) in [-1, 1]."""
        pixels = (at_least_float32(images) + 1.0) * 127.5
        x = self.stem((pixels - self.mean[:, None, None]) / self.scale[:, None, None])
        maps = []
        for done, stage in enumerate(self.stages, 1):
            x = stage(x)
            if done in self._taps:
                maps.append(x)
        return maps

    def weights_of(self, judge: JudgeNetwork) -> dict[str, Tensor]:
        """The state that this network has as a part of ``judge``, which stays as it is.

        Raises:
            KeyError: the judge is of another configuration.
        """
        fixed = copy.deepcopy(judge)
        _fix_norms(fixed)
        theirs = fixed.state_dict()
        return {name: theirs[name] for name in self.state_dict()}


@final
class FixedNorm(nn.Module):
    """A batch norm in evaluation: x·g + b with g = γ/√(v + ε), b = β − m·g for each channel."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        gain = norm.weight * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
        self.gain = nn.Parameter(gain.detach())
        self.bias = nn.Parameter((norm.bias - norm.get_buffer("running_mean") * gain).detach())

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W), in the dtype of (N, C, H, W)."""
        gain, bias = (each.to(maps.dtype)[:, None, None] for each in (self.gain, self.bias))
        return torch.addcmul(bias, maps, gain)


def _fix_norms(network: nn.Module) -> None:
    for name, layer in network.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            setattr(network, name, FixedNorm(layer))
        else:
            _fix_norms(layer)
