"""The section ``augmentation`` of a run: what D is shown, of reals and of fakes, in both steps.

A section of its own, since it is neither the loop's business nor part of an objective.

The adaptive probability of Karras et al. 2020 (arXiv 2006.06676, §3.1).

T: the random change that D is shown real and fake images under, with gradients to G.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from acgan.augmentation.transforms import Border, color, shifted, with_hole
from acgan.config import Config

FamilyName = Literal["color", "translation", "cutout"]


@final
class AugmentationConfig(Config):
    """DiffAugment (Zhao et al. 2020), with a fixed or an adaptive probability; off by default.

    Attributes:
        policy: the families of changes, any of ``color`` (brightness, saturation, contrast; of
            gray images brightness and contrast), ``translation`` (by up to an eighth) and
            ``cutout`` (a hole of half the size). They are applied in this order, however written.
        border: what comes in where an image was moved away: ``zeros``, the middle of [-1, 1], as in
            DiffAugment; ``reflect``, the image mirrored at its last pixels, as Karras et al. 2020
            (appendix B) have it.
        probability: with which each family is applied to an image, for each by a coin of its own.
            By default 1, as in DiffAugment; if adaptive, where it starts, by default 0.
        adaptive: whether the probability follows how much D overfits (Karras et al. 2020, arXiv
            2006.06676, §3.1): upwards where r_t = E[sign D(x)] on reals is above ``target``.
        target: of r_t.
        adjustment_images: real images in which the probability goes from 0 to 1, if r_t stays
            above its target. The paper's is 500 000, for runs of 25 million images.
        noise: standard deviation of Gaussian noise on every pixel that D sees (instance noise,
            Sønderby et al. 2017, arXiv 1610.04490, §4; here it does not fade), pixels in [-1, 1].
    """

    policy: tuple[FamilyName, ...] = ()
    border: Border = "zeros"
    probability: float | None = Field(None, ge=0, le=1)
    adaptive: bool = False
    target: float = Field(0.6, gt=-1, lt=1)
    adjustment_images: int = Field(100_000, ge=1)
    noise: float = Field(0.0, ge=0)

    @property
    def active(self) -> bool:
        """Whether D is shown anything but the images as they are."""
        return bool(self.policy) or self.noise > 0

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for name in self.policy:
            if self.policy.count(name) > 1:
                raise ValueError(f"policy has {name} twice; name each once")
        if self.border != "zeros" and "translation" not in self.policy:
            raise ValueError("border is for translation, which policy does not name")
        if not self.policy and (self.adaptive or self.probability is not None):
            raise ValueError(
                "there is nothing to apply with a probability; name families in policy, "
                'for example ["translation", "color"]'
            )
        if self.probability == 0 and not self.adaptive:
            raise ValueError("a probability of 0 applies nothing; leave policy empty instead")
        return self


_INTERVAL_STEPS = 4


@final
class AdaptiveProbability(nn.Module):
    """A probability that rises while D overfits and falls while it does not.

    The sign of overfitting is r_t = E[sign D(x)], the mean over the real images of the last four D
    steps: 0 where D is right on half of them, 1 where it is right on all. After every fourth D step
    the probability goes up where r_t is above its target, down where it is below, by a fixed
    amount for each image; it stays in [0, 1]. (The paper bounds it below only. Beyond 1 it means
    nothing more and would only take as long to come back.)

    All of it is buffers on the device: state of a checkpoint, put back where an update is skipped.

    Args:
        start: the probability at first.
        target: of r_t.
        adjustment_images: real images in which it goes from 0 to 1 if r_t stays above its target.
    """

    probability: Tensor
    overfitting: Tensor
    signs: Tensor
    judged: Tensor

    def __init__(self, start: float, target: float, adjustment_images: int) -> None:
        super().__init__()
        self._target = target
        self._adjustment_images = adjustment_images
        self.register_buffer("probability", torch.tensor(start))
        self.register_buffer("overfitting", torch.tensor(0.0))
        self.register_buffer("signs", torch.tensor(0.0))
        self.register_buffer("judged", torch.tensor(0.0))

    @torch.no_grad()
    def observe(self, source_logits: Tensor, step: int) -> None:
        """Take note of what D said of real images.

        Args:
            source_logits: (N,), of real images as D was shown them, positive meaning real.
            step: D steps taken before.
        """
        self.signs += source_logits.sign().sum()
        self.judged += len(source_logits)
        if step % _INTERVAL_STEPS != _INTERVAL_STEPS - 1:
            return
        self.overfitting.copy_(self.signs / self.judged)
        way = (self.overfitting - self._target).sign()
        self.probability += way * self.judged / self._adjustment_images
        self.probability.clamp_(0, 1)
        self.signs.zero_()
        self.judged.zero_()


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


def recolored(images: Tensor, numbers: Tensor, on: Tensor) -> Tensor:
    """Brightness by −½ to ½, saturation times 0 to 2, contrast times ½ to 1½."""
    brightness, saturation, contrast = numbers.unbind(dim=1)
    return color(
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
    "color": Family(3, recolored),
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
