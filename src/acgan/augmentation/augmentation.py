"""T: the random change that D is shown real and fake images under, with gradients to G."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from acgan.augmentation.adaptive import AdaptiveProbability
from acgan.augmentation.config import AugmentationConfig, Border, FamilyName
from acgan.augmentation.transforms import colour, shifted, with_hole

_REACH, _HOLE = 1 / 8, 1 / 2


@final
@dataclass(frozen=True)
class Family:
    """A family of changes.

    Attributes:
        numbers: random numbers that it takes for each image.
        change: (images (N, C, H, W), numbers (N, numbers) uniform in [0, 1), on bool (N,)) ->
            images, those that are not ``on`` as they were, bit for bit.
    """

    numbers: int
    change: Callable[[Tensor, Tensor, Tensor], Tensor]


def recoloured(images: Tensor, numbers: Tensor, on: Tensor) -> Tensor:
    """Brightness by −½ to ½, saturation times 0 to 2, contrast times ½ to 1½."""
    brightness, saturation, contrast = numbers.unbind(dim=1)
    return colour(
        images,
        torch.where(on, brightness - 0.5, 0.0),
        torch.where(on, saturation * 2, 1.0),
        torch.where(on, contrast + 0.5, 1.0),
    )


def translated(images: Tensor, numbers: Tensor, on: Tensor, *, border: Border = "zeros") -> Tensor:
    """Moved by up to an eighth of height and width, every whole number of pixels equally likely."""
    reach = _part(images.shape[2], _REACH), _part(images.shape[3], _REACH)
    down, right = (
        torch.where(on, _whole(numbers[:, axis], 2 * most + 1) - most, 0)
        for axis, most in enumerate(reach)
    )
    return shifted(images, down, right, reach, border)


def cut_out(images: Tensor, numbers: Tensor, on: Tensor) -> Tensor:
    """A hole of half the height and width; its middle lies anywhere, so it may be cut off."""
    height, width = images.shape[2:]
    size = _part(height, _HOLE), _part(width, _HOLE)
    top, left = (
        _whole(numbers[:, axis], side + 1 - hole % 2) - hole // 2
        for axis, (side, hole) in enumerate(zip((height, width), size, strict=True))
    )
    return with_hole(images, torch.where(on, top, height), left, size)  # off: below the image


FAMILIES: dict[FamilyName, Family] = {
    "colour": Family(3, recoloured),
    "translation": Family(2, translated),
    "cutout": Family(2, cut_out),
}
"""In the order in which they are applied."""


@final
class Augmentation(nn.Module):
    """Draws a change for each image of a batch and applies it.

    It has no parameters; the state of an adaptive probability are its buffers.

    Args:
        config: of something active.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        super().__init__()
        moved = Family(FAMILIES["translation"].numbers, partial(translated, border=config.border))
        families: dict[FamilyName, Family] = FAMILIES | {"translation": moved}
        self._families = [family for name, family in families.items() if name in config.policy]
        self._noise = config.noise
        self._probability = 1.0 if config.probability is None else config.probability
        self.adaptive = (
            AdaptiveProbability(config.probability or 0.0, config.target, config.adjustment_images)
            if config.adaptive
            else None
        )

    def forward(self, images: Tensor, random: torch.Generator) -> Tensor:
        """Images as D is shown them.

        Args:
            images: (N, C, H, W) in [-1, 1], any floating dtype.
            random: on the CPU; what is drawn from it is all that is random.

        Returns:
            float32 (N, C, H, W): reals and fakes are rounded alike, whatever G computes in. Values
            may leave [-1, 1].
        """
        images = images.float()
        numbers = sum(1 + family.numbers for family in self._families)
        drawn = torch.rand(len(images), numbers, generator=random).to(images.device)
        probability = self._probability if self.adaptive is None else self.adaptive.probability
        for family in self._families:
            own, drawn = drawn[:, : 1 + family.numbers], drawn[:, 1 + family.numbers :]
            images = family.change(images, own[:, 1:], own[:, 0] < probability)
        if self._noise:
            noise = torch.randn(images.shape, generator=random).to(images.device)
            images = torch.add(images, noise, alpha=self._noise)
        return images

    def observe(self, source_logits: Tensor, step: int) -> None:
        """Take note of what D said of real images, (N,), at D step number ``step``."""
        if self.adaptive is not None:
            self.adaptive.observe(source_logits, step)

    def figures(self) -> dict[str, float]:
        """How an adaptive probability stands, read out from the device; nothing of a fixed one.

        Returns:
            ``probability``, and ``overfitting``, the r_t that last moved it.
        """
        if self.adaptive is None:
            return {}
        return {
            "probability": self.adaptive.probability.item(),
            "overfitting": self.adaptive.overfitting.item(),
        }


def _part(side: int, share: float) -> int:
    """A share of a side, in whole pixels."""
    return int(side * share + 0.5)


def _whole(uniform: Tensor, count: int) -> Tensor:
    """Whole numbers 0 … count − 1, equally likely, from numbers uniform in [0, 1)."""
    # The product may round up to the count itself.
    return (uniform * count).long().clamp(max=count - 1)
