"""Pretrained feature networks: the early layers of a trained classifier, for a discriminator.

`acgan.training.feature_network` loads their weights at the start of a run; until then they have
the random initial weights of torch.
"""

from __future__ import annotations

from typing import Annotated, Literal, final

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from acgan.backbones.efficientnet_lite0 import EarlyEfficientNetLite0
from acgan.backbones.reference_network import (
    EarlyReferenceNetwork,
    NetworkConfig,
    PooledNetworkConfig,
    ReferenceNetworkConfig,
)
from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.errors import UsageError

FeatureNetworkName = Literal["efficientnet-lite0", "reference-classifier"]
_SMALLEST_VARIANCE = 1e-4  # so that the scale of a constant channel stays finite


@final
class FeatureNetworkConfig(Config):
    """The choice of a pretrained network and of its feature maps.

    Attributes:
        network: ``efficientnet-lite0``: trained on ImageNet's photographs, with weights from a
            package; ``reference-classifier``: the evaluation's classifier, fitted to the run's
            own training split at the first start.
        frozen: whether its weights are fixed; otherwise they are trained at
            ``optimizer.discriminator_lr``. Its batch norms always keep the statistics of the
            images that it was trained on.
        taps: which feature maps to use, ascending: i is the last one with about 1/2^i of the
            image's side. Layers after the last tap are not computed.
        enlarge: factor by which the images are enlarged for it (bilinear).
        fit_images: how many images the reference classifier is fitted with, repetitions included.
    """

    network: FeatureNetworkName = "efficientnet-lite0"
    frozen: bool = True
    taps: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field((1, 2, 3), min_length=1)
    enlarge: int = Field(1, ge=1, le=8)
    fit_images: int = Field(100_000, ge=1)

    @field_validator("taps")
    @classmethod
    def _ascending(cls, taps: tuple[int, ...]) -> tuple[int, ...]:
        if list(taps) != sorted(set(taps)):
            raise ValueError("taps ascend, each once: [1, 2, 3]")
        return taps


@final
class FeatureNetwork(nn.Module):
    """Images in [-1, 1] to feature maps at several scales, each channel about N(0, 1) on real ones.

    If frozen, it has no parameters: its weights are buffers, which are saved and restored with the
    network, and which no optimizer and no `requires_grad_` reaches. Gradients flow to the images.

    Args:
        config: which network and feature maps.
        shape: of one image; gray images are repeated in three channels where the network needs
            color.

    Attributes:
        backbone: the pretrained layers.
        widths: channels of the feature maps at each tap.

    Raises:
        UsageError: the images do not fit.
    """

    def __init__(self, config: FeatureNetworkConfig, shape: ImageShape) -> None:
        super().__init__()
        check_feature_network(config, shape)
        self._enlarge = config.enlarge
        self._to_color = shape.channels == 1 and config.network == "efficientnet-lite0"
        self.backbone: EarlyReferenceNetwork | EarlyEfficientNetLite0
        match config.network:
            case "reference-classifier":
                network = reference_network_config(shape)
                self.backbone = EarlyReferenceNetwork(network, shape, config.taps)
            case "efficientnet-lite0":
                self.backbone = EarlyEfficientNetLite0(config.taps)
        self.widths = self.backbone.widths
        for index, width in enumerate(self.widths):
            self.register_buffer(f"gain{index}", torch.ones(width))
            self.register_buffer(f"offset{index}", torch.zeros(width))
        if config.frozen:
            _parameters_to_buffers(self.backbone)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps (N, width, H', W') at each tap, of images (N, C, H, W) in [-1, 1]."""
        return [
            torch.addcmul(self._row("offset", index, maps), maps, self._row("gain", index, maps))
            for index, maps in enumerate(self._maps(images))
        ]

    @torch.no_grad()
    def learn_scales(self, images: Tensor) -> None:
        """Set each channel's gain and offset from real images.

        Args:
            images: (N, C, H, W) in [-1, 1], a few hundred or more; processed 100 at a time.
        """
        totals = [torch.zeros(2, width, dtype=torch.float64) for width in self.widths]
        for chunk in torch.split(images, 100):
            for total, maps in zip(totals, self._maps(chunk), strict=True):
                values = maps.double()
                moments = (values.mean((2, 3)), values.square().mean((2, 3)))
                total.add_(torch.stack(moments).sum(1))
        for index, (mean, square) in enumerate(total / len(images) for total in totals):
            gain = (square - mean.square()).clamp(min=_SMALLEST_VARIANCE).rsqrt()
            self.get_buffer(f"gain{index}").copy_(gain)
            self.get_buffer(f"offset{index}").copy_(-mean * gain)

    def _maps(self, images: Tensor) -> list[Tensor]:
        if self._to_color:
            images = images.expand(-1, 3, -1, -1)
        if self._enlarge > 1:
            images = F.interpolate(
                images, scale_factor=self._enlarge, mode="bilinear", align_corners=False
            )
        maps: list[Tensor] = self.backbone(images)
        return maps

    def _row(self, name: str, index: int, maps: Tensor) -> Tensor:
        return self.get_buffer(f"{name}{index}").to(maps.dtype)[:, None, None]


def map_sides(config: FeatureNetworkConfig, shape: ImageShape) -> tuple[tuple[int, int], ...]:
    """Return height and width of the feature maps at each tap.

    Raises:
        UsageError: the images do not fit.
    """
    with torch.device("meta"), torch.no_grad():
        maps = FeatureNetwork(config, shape)(torch.empty(1, *shape))
    return tuple((each.shape[2], each.shape[3]) for each in maps)


def reference_network_config(shape: ImageShape) -> NetworkConfig:
    """Return the reference classifier's network for images of ``shape``."""
    return ReferenceNetworkConfig() if shape.channels == 1 else PooledNetworkConfig()


def check_feature_network(config: FeatureNetworkConfig, shape: ImageShape) -> None:
    """Check that images of ``shape`` fit the feature network.

    Raises:
        UsageError: they do not; the message names settings that work.
    """
    last = config.taps[-1]
    if config.network == "reference-classifier":
        if config.enlarge > 1:
            raise UsageError(
                "a reference classifier is fitted to images of their own size; leave "
                "discriminator.feature_network.enlarge at 1"
            )
        stages = len(reference_network_config(shape).stages)
        if last > stages:
            raise UsageError(
                f"the reference classifier has {stages} stages, so the largest of "
                f"discriminator.feature_network.taps is {stages}, not {last}"
            )
        return
    if shape.channels not in (1, 3):
        raise UsageError(
            f"efficientnet-lite0 needs gray or color images, not {shape.channels} channels; "
            "choose discriminator.feature_network.network=reference-classifier"
        )
    sides = [side * config.enlarge for side in (shape.height, shape.width)]
    if any(side % 2**last for side in sides):
        fitting = [n for n in range(config.enlarge + 1, 9) if _divisible(shape, n, 2**last)]
        enlarged = f", or discriminator.feature_network.enlarge={fitting[0]}" if fitting else ""
        raise UsageError(
            f"discriminator.feature_network.taps={list(config.taps)} halve the image {last} times, "
            f"which {sides[0]}×{sides[1]} does not allow; choose fewer taps{enlarged}, or with "
            f"--image-size a multiple of {2**last}"
        )


def _divisible(shape: ImageShape, times: int, divisor: int) -> bool:
    return shape.height * times % divisor == 0 and shape.width * times % divisor == 0


def _parameters_to_buffers(network: nn.Module) -> None:
    for layer in network.modules():
        for name, parameter in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, parameter.detach())
