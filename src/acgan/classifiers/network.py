"""The judge's network: a compact residual network, the same for every size and channel count."""

from __future__ import annotations

import math
from typing import final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.config import Config
from acgan.data.images import ImageShape

FEATURES = 128
"""Width of the pooled penultimate features, in which distances are measured."""

_BODY_SIDE = 40  # the stem brings larger images to about this side, so that the cost stays bounded
_SMALLEST_SIDE = 4


class JudgeNetworkConfig(Config):
    """Widths of the judge's network.

    Attributes:
        stem: channels at full resolution.
        stages: channels of each stage; a stage halves the side while more than 4 px are left.
    """

    stem: int = Field(default=32, gt=0)
    stages: tuple[int, ...] = Field(default=(64, 128, 256), min_length=1)


@final
class JudgeNetwork(nn.Module):
    """uint8 images (N, C, H, W) to logits (N, K), by way of 128 pooled features.

    Args:
        config: the widths.
        shape: of one image.
        classes: K.

    Attributes:
        mean: float (C,), subtracted from the pixels; set from the training part.
        scale: float (C,), by which they are then divided.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: JudgeNetworkConfig, shape: ImageShape, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((shape.channels,), 127.5))
        self.register_buffer("scale", torch.full((shape.channels,), 127.5))
        side = math.sqrt(shape.height * shape.width)
        reduction = max(1, math.ceil(side / _BODY_SIDE))
        self.stem = nn.Sequential(
            nn.Conv2d(
                shape.channels,
                config.stem,
                2 * reduction + 1,
                stride=reduction,
                padding=reduction,
                bias=False,
            ),
            nn.BatchNorm2d(config.stem),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        width, side = config.stem, side / reduction
        for wider in config.stages:
            stride = 2 if side > _SMALLEST_SIDE else 1
            stages.append(_Stage(width, wider, stride))
            width, side = wider, side / stride
        self.stages = nn.Sequential(*stages)
        self.mix = nn.Sequential(
            nn.Conv2d(width, FEATURES, 1, bias=False),
            nn.BatchNorm2d(FEATURES),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(FEATURES, classes)

    def features(self, images: Tensor) -> Tensor:
        """The features (N, 128), float32, not negative, of uint8 images (N, C, H, W)."""
        pixels = (images.float() - self.mean[:, None, None]) / self.scale[:, None, None]
        maps: Tensor = self.mix(self.stages(self.stem(pixels)))
        return maps.float().mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """The logits (N, K) of uint8 images (N, C, H, W)."""
        logits: Tensor = self.head(self.features(images))
        return logits


@final
class _Stage(nn.Module):
    """A strided convolution, then one residual convolution."""

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)
        self.down_norm = nn.BatchNorm2d(wider)
        self.refine = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.refine_norm = nn.BatchNorm2d(wider)

    def forward(self, maps: Tensor) -> Tensor:
        maps = F.relu(self.down_norm(self.down(maps)))
        return maps + F.relu(self.refine_norm(self.refine(maps)))
