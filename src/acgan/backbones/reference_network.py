"""The networks of the reference classifier: compact, for every image size, with 128 features."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.backbones.layers import Whitening, at_least_float32, outputs_at
from acgan.config import Config
from acgan.data.images import Images, ImageShape

FEATURES = 128
"""Length of the pooled penultimate features, in which Fréchet distances are computed."""

_BODY_SIDE = 40  # the stem reduces larger images to about this side, which bounds the cost
_SMALLEST_SIDE = 4
_STATISTICS_IMAGES = 5_000


class ReferenceNetworkConfig(Config):
    """Channels of the network for gray images: strided convolutions.

    Attributes:
        stem: at full resolution.
        stages: of each stage; a stage halves sides above 4 px.
    """

    stem: int = Field(default=32, gt=0)
    stages: tuple[int, ...] = Field(default=(64, 128, 256), min_length=1)


class PooledNetworkConfig(Config):
    """Channels of the network for color images: whitening, then max pooling.

    The architecture is that of airbench94 (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single
    GPU", arXiv:2404.00498, 2024): only the fixed first layer works at full resolution.

    Attributes:
        components: of `acgan.backbones.layers.Whitening`.
        stages: of each stage; a stage halves sides of at least 4 px.
    """

    components: int = Field(default=12, gt=0)
    stages: tuple[int, ...] = Field(default=(64, 256, 256), min_length=1)


NetworkConfig = ReferenceNetworkConfig | PooledNetworkConfig
_StemAndStages = tuple[nn.Sequential, nn.Sequential]


@final
class ReferenceNetwork(nn.Module):
    """A network from uint8 images (N, C, H, W) to 128 pooled features and logits (N, K).

    Args:
        config: kind and channels of the network.
        shape: of one image.
        classes: K.

    Attributes:
        mean: float (C,), subtracted from the pixels; set from the training split.
        scale: float (C,), by which they are then divided.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: NetworkConfig, shape: ImageShape, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((shape.channels,), 127.5))
        self.register_buffer("scale", torch.full((shape.channels,), 127.5))
        self.stem, self.stages = (
            _strided(config, shape)
            if isinstance(config, ReferenceNetworkConfig)
            else _pooled(config, shape)
        )
        self.mix = nn.Sequential(
            nn.Conv2d(config.stages[-1], FEATURES, 1, bias=False),
            nn.BatchNorm2d(FEATURES),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(FEATURES, classes)

    def learn_statistics(self, images: Images) -> None:
        """Set mean, scale and whitening from about 5,000 of the real images uint8 (N, C, H, W)."""
        some = torch.from_numpy(images[:: max(1, len(images) // _STATISTICS_IMAGES)].copy())
        chunks = torch.split(some, 100)  # so that float64 copies of large images stay small
        pixels = some.numel() // some.shape[1]
        sums, squares = torch.zeros(2, some.shape[1], dtype=torch.float64)
        for chunk in chunks:
            values = chunk.double()
            sums += values.sum(dim=(0, 2, 3))
            squares += values.square().sum(dim=(0, 2, 3))
        mean = sums / pixels
        self.mean.copy_(mean)
        self.scale.copy_((squares / pixels - mean**2).clamp(min=1.0).sqrt())
        for layer in self.stem:
            if isinstance(layer, Whitening):
                layer.learn(self._standardized(chunk) for chunk in chunks)

    def features(self, images: Tensor) -> Tensor:
        """Return features float32 (N, 128), not negative, of uint8 images (N, C, H, W)."""
        maps: Tensor = self.mix(self.stages(self.stem(self._standardized(images))))
        return maps.float().mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K) of uint8 images (N, C, H, W)."""
        logits: Tensor = self.head(self.features(images))
        return logits

    def _standardized(self, images: Tensor) -> Tensor:
        return (images.float() - self.mean[:, None, None]) / self.scale[:, None, None]


def _strided(config: ReferenceNetworkConfig, shape: ImageShape) -> _StemAndStages:
    reduction = _reduction(shape)
    stem = nn.Sequential(
        nn.Conv2d(shape.channels, config.stem, 2 * reduction + 1, reduction, reduction, bias=False),
        nn.BatchNorm2d(config.stem),
        nn.ReLU(inplace=True),
    )
    stages: list[nn.Module] = []
    width, side = config.stem, _side(shape) / reduction
    for wider in config.stages:
        stride = 2 if side > _SMALLEST_SIDE else 1
        stages.append(_StridedStage(width, wider, stride))
        width, side = wider, side / stride
    return stem, nn.Sequential(*stages)


def _pooled(config: PooledNetworkConfig, shape: ImageShape) -> _StemAndStages:
    whitening = Whitening(shape, config.components, _reduction(shape))
    stages: list[nn.Module] = []
    width, side = whitening.width, min(whitening.sides)
    for wider in config.stages:
        halve = side >= _SMALLEST_SIDE
        stages.append(_PooledStage(width, wider, halve=halve))
        width, side = wider, side // 2 if halve else side
    return nn.Sequential(whitening, nn.ReLU(inplace=True)), nn.Sequential(*stages)


def _side(shape: ImageShape) -> float:
    return math.sqrt(shape.height * shape.width)


def _reduction(shape: ImageShape) -> int:
    return max(1, math.ceil(_side(shape) / _BODY_SIDE))


@final
class _StridedStage(nn.Module):
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


@final
class _PooledStage(nn.Module):
    """A convolution, 2×2 max pooling, then one residual convolution."""

    def __init__(self, channels: int, wider: int, *, halve: bool) -> None:
        super().__init__()
        self.widen = nn.Conv2d(channels, wider, 3, padding=1, bias=False)
        # Before batch norm and activation, which then have a quarter of the work.
        self.pool = nn.MaxPool2d(2) if halve else nn.Identity()
        self.widen_norm = nn.BatchNorm2d(wider)
        self.refine = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.refine_norm = nn.BatchNorm2d(wider)

    def forward(self, maps: Tensor) -> Tensor:
        maps = F.relu(self.widen_norm(self.pool(self.widen(maps))))
        return maps + F.relu(self.refine_norm(self.refine(maps)))


@final
class EarlyReferenceNetwork(nn.Module):
    """The early stages of a `ReferenceNetwork`, for discriminators on pretrained features.

    Batch norms are replaced by `FixedNorm`, with the statistics of the classifier's training data.

    Args:
        config: the classifier's network.
        shape: of one image.
        taps: ascending numbers of the stages, from 1, whose feature maps are returned.

    Attributes:
        mean, scale: see `ReferenceNetwork`.
        widths: channels of the feature maps at each tap.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: NetworkConfig, shape: ImageShape, taps: Sequence[int]) -> None:
        super().__init__()
        whole = ReferenceNetwork(config, shape, classes=1)
        self._taps = taps
        self.register_buffer("mean", whole.mean)
        self.register_buffer("scale", whole.scale)
        self.stem = whole.stem
        self.stages = whole.stages[: taps[-1]]
        _fix_norms(self)
        self.widths = tuple(config.stages[tap - 1] for tap in taps)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return feature maps (N, width, H', W') at each tap of images (N, C, H, W) in [-1, 1]."""
        pixels = (at_least_float32(images) + 1.0) * 127.5
        x = self.stem((pixels - self.mean[:, None, None]) / self.scale[:, None, None])
        return outputs_at(self._taps, self.stages, x)

    def weights_of(self, network: ReferenceNetwork) -> dict[str, Tensor]:
        """Return the state of this network's layers in a fitted ``network``.

        Raises:
            KeyError: ``network`` has another configuration.
        """
        fixed = copy.deepcopy(network)
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
        """Normalize feature maps (N, C, H, W), in their dtype."""
        gain, bias = (each.to(maps.dtype)[:, None, None] for each in (self.gain, self.bias))
        return torch.addcmul(bias, maps, gain)


def _fix_norms(network: nn.Module) -> None:
    for name, layer in network.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            setattr(network, name, FixedNorm(layer))
        else:
            _fix_norms(layer)
