"""Trunks that were trained before: what a classifier's early layers see of an image.

Where their weights come from is for whoever starts a run (`acgan.training.feature_network`);
until then they
are noise.
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
    PooledNetworkConfig,
    ReferenceNetworkConfig,
)
from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.errors import UsageError

FeatureNetworkName = Literal["efficientnet-lite0", "judge"]
_SMALLEST_VARIANCE = 1e-4  # a channel that is the same everywhere is not blown up


@final
class FeatureNetworkConfig(Config):
    """Which trained network, and what of it.

    Attributes:
        network: ``efficientnet-lite0``: it knows ImageNet's photographs, and its weights come with
            a package; ``judge``: a classifier like the judge of the evaluation, fitted to the run's
            own training part at the first start.
        frozen: whether its weights stay as they are; tuned, they learn at
            ``optimizer.discriminator_lr``. Either way its batch norms keep the statistics of the
            images that it was trained on.
        taps: which of its maps are taken, ascending: i is the last of about 1/2^i of the side.
            What comes after the last one is not computed.
        enlarge: how many times as high and wide images are shown to it (bilinear).
        fit_images: how many images the ``judge`` is fitted with, the same ones again and again.
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
    """Images in [-1, 1] to maps at several scales, each channel about N(0, 1) over real images.

    Frozen, it has no parameter: its weights are buffers, which are saved and restored with the
    rest, and which no optimizer and no `requires_grad_` reaches. Gradients pass to the images.

    Args:
        config: which.
        shape: of one image; a gray one is shown in three equal channels where color is wanted.

    Attributes:
        backbone: the network that was trained.
        widths: channels of each map.

    Raises:
        UsageError: the images do not fit.
    """

    def __init__(self, config: FeatureNetworkConfig, shape: ImageShape) -> None:
        super().__init__()
        check_feature_network(config, shape)
        self._enlarge = config.enlarge
        self._color = shape.channels == 1 and config.network != "judge"
        self.backbone = _backbone(config, shape)
        self.widths = self.backbone.widths
        for index, width in enumerate(self.widths):
            self.register_buffer(f"gain{index}", torch.ones(width))
            self.register_buffer(f"offset{index}", torch.zeros(width))
        if config.frozen:
            _hold_still(self.backbone)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps (N, width, *side), one for each tap, of images (N, C, H, W) in [-1, 1]."""
        return [
            torch.addcmul(self._row("offset", index, maps), maps, self._row("gain", index, maps))
            for index, maps in enumerate(self._maps(images))
        ]

    @torch.no_grad()
    def learn_scales(self, images: Tensor) -> None:
        """Set what each channel is multiplied with and shifted by, from real images.

        Args:
            images: (N, C, H, W) in [-1, 1], a few hundred or more; looked at 100 at a time.
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
        if self._color:
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
    """Height and width of the map at each tap, by a pass without numbers.

    Raises:
        UsageError: the images do not fit.
    """
    with torch.device("meta"), torch.no_grad():
        maps = FeatureNetwork(config, shape)(torch.empty(1, *shape))
    return tuple((each.shape[2], each.shape[3]) for each in maps)


def judge_network(shape: ImageShape) -> ReferenceNetworkConfig | PooledNetworkConfig:
    """The network of a judge that is to be a trunk for images of ``shape``."""
    return ReferenceNetworkConfig() if shape.channels == 1 else PooledNetworkConfig()


def check_feature_network(config: FeatureNetworkConfig, shape: ImageShape) -> None:
    """Raise UsageError where images of ``shape`` do not fit ``config``."""
    last = config.taps[-1]
    if config.network == "judge":
        if config.enlarge > 1:
            raise UsageError(
                "a judge is fitted to images of their own size; leave "
                "discriminator.feature_network.enlarge at 1"
            )
        stages = len(judge_network(shape).stages)
        if last > stages:
            raise UsageError(
                f"a judge has {stages} stages, so discriminator.feature_network.taps ends at "
                f"{stages} at "
                f"most, not at {last}"
            )
        return
    if shape.channels not in (1, 3):
        raise UsageError(
            f"efficientnet-lite0 sees gray or color images, not {shape.channels} channels; "
            "choose discriminator.feature_network.network=judge"
        )
    sides = [side * config.enlarge for side in (shape.height, shape.width)]
    if any(side % 2**last for side in sides):
        fitting = [n for n in range(config.enlarge + 1, 9) if _divisible(shape, n, 2**last)]
        enlarged = f", or discriminator.feature_network.enlarge={fitting[0]}" if fitting else ""
        raise UsageError(
            f"{sides[0]}×{sides[1]} cannot be halved {last} times, as "
            f"discriminator.feature_network.taps={list(config.taps)} asks; choose with "
            f"--image-size a "
            f"multiple of {2**last}, fewer taps{enlarged}"
        )


def _divisible(shape: ImageShape, times: int, divisor: int) -> bool:
    return shape.height * times % divisor == 0 and shape.width * times % divisor == 0


def _backbone(
    config: FeatureNetworkConfig, shape: ImageShape
) -> EarlyReferenceNetwork | EarlyEfficientNetLite0:
    if config.network == "judge":
        return EarlyReferenceNetwork(judge_network(shape), shape, config.taps)
    return EarlyEfficientNetLite0(config.taps)


def _hold_still(network: nn.Module) -> None:
    """Make every parameter a buffer of the same name and value."""
    for layer in network.modules():
        for name, parameter in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, parameter.detach())
