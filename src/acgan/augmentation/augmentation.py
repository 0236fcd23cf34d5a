"""Random transforms of the discriminator's input, real and fake, with gradients to the generator.

The configuration section ``augmentation``; DiffAugment (Zhao et al. 2020) with a fixed or an
adaptive probability (Karras et al. 2020, arXiv 2006.06676, §3.1).
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

TransformName = Literal["color", "translation", "cutout"]


@final
class AugmentationConfig(Config):
    """DiffAugment with a fixed or an adaptive probability; off by default.

    Attributes:
        policy: any of ``color`` (brightness, saturation, contrast; for gray images brightness and
            contrast), ``translation`` (by up to 1/8 of the side) and ``cutout`` (a hole of half the
            side). They are applied in this order.
        border: fills the area that a translation uncovers: ``zeros``, the middle of [-1, 1], as in
            DiffAugment; ``reflect``, the image reflected at its last pixels (Karras et al. 2020,
            appendix B).
        probability: of each transform for each image, independently; by default 1 as in
            DiffAugment. If adaptive, the start value, by default 0.
        adaptive: whether the probability follows overfitting: it increases while
            r_t = E[sign D(x)] on real images is above ``target`` (Karras et al. 2020, §3.1).
        target: of r_t.
        adjustment_images: number of real images in which the probability increases from 0 to 1 if
            r_t stays above its target. The paper has 500,000 for runs of 25 million images.
        noise: standard deviation of Gaussian noise on every pixel, in units of [-1, 1] (instance
            noise, Sønderby et al. 2017, arXiv 1610.04490, §4; constant during training here).
    """

    policy: tuple[TransformName, ...] = ()
    border: Border = "zeros"
    probability: float | None = Field(None, ge=0, le=1)
    adaptive: bool = False
    target: float = Field(0.6, gt=-1, lt=1)
    adjustment_images: int = Field(100_000, ge=1)
    noise: float = Field(0.0, ge=0)

    @property
    def active(self) -> bool:
        """Whether the discriminator's input differs from the images."""
        return bool(self.policy) or self.noise > 0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name in self.policy:
            if self.policy.count(name) > 1:
                raise ValueError(f"policy has {name} twice; name each once")
        if self.border != "zeros" and "translation" not in self.policy:
            raise ValueError(
                "border applies to translation, which policy lacks; add it to policy, or remove "
                "border"
            )
        if not self.policy and (self.adaptive or self.probability is not None):
            raise ValueError(
                "policy is empty, so there is no transform for a probability; name transforms in "
                'policy, for example ["translation", "color"]'
            )
        if self.probability == 0 and not self.adaptive:
            raise ValueError("a probability of 0 applies no transform; leave policy empty instead")
        return self


_INTERVAL_STEPS = 4


@final
class AdaptiveProbability(nn.Module):
    """A probability that increases while the discriminator overfits and decreases otherwise.

    Overfitting is measured by r_t = E[sign D(x)], the mean over the real images of the last four
    discriminator steps: 0 if it is right on half of them, 1 if it is right on all. After every
    fourth step the probability changes by a fixed amount per image, up if r_t is above its target,
    else down. It is limited to [0, 1]; the paper has the lower limit only.

    Its state is in buffers, which checkpoints store and which skipped updates restore.

    Args:
        start: initial probability.
        target: of r_t.
        adjustment_images: number of real images from 0 to 1 if r_t stays above its target.
    """

    probability: Tensor
    overfitting: Tensor
    sign_sum: Tensor
    count: Tensor

    def __init__(self, start: float, target: float, adjustment_images: int) -> None:
        super().__init__()
        self._target = target
        self._adjustment_images = adjustment_images
        self.register_buffer("probability", torch.tensor(start))
        self.register_buffer("overfitting", torch.tensor(0.0))
        self.register_buffer("sign_sum", torch.tensor(0.0))
        self.register_buffer("count", torch.tensor(0.0))

    @torch.no_grad()
    def update(self, source_logits: Tensor, step: int) -> None:
        """Add a step's discriminator outputs for real images.

        Args:
            source_logits: (N,), of augmented real images, positive for real.
            step: number of discriminator steps before this one.
        """
        self.sign_sum += source_logits.sign().sum()
        self.count += len(source_logits)
        if step % _INTERVAL_STEPS != _INTERVAL_STEPS - 1:
            return
        self.overfitting.copy_(self.sign_sum / self.count)
        direction = (self.overfitting - self._target).sign()
        self.probability += direction * self.count / self._adjustment_images
        self.probability.clamp_(0, 1)
        self.sign_sum.zero_()
        self.count.zero_()


_TRANSLATION, _HOLE = 1 / 8, 1 / 2


@final
@dataclass(frozen=True)
class Transform:
    """A random transform.

    Attributes:
        numbers: number of random numbers per image.
        apply: (images (N, C, H, W), numbers (N, numbers) uniform in [0, 1), on bool (N,)) ->
            images; images that are not ``on`` stay bitwise equal.
    """

    numbers: int
    apply: Callable[[Tensor, Tensor, Tensor], Tensor]


def recolored(images: Tensor, numbers: Tensor, on: Tensor) -> Tensor:
    """Return images with brightness by −½ to ½, saturation times 0 to 2, contrast times ½ to 1½."""
    brightness, saturation, contrast = numbers.unbind(dim=1)
    return color(
        images,
        torch.where(on, brightness - 0.5, 0.0),
        torch.where(on, saturation * 2, 1.0),
        torch.where(on, contrast + 0.5, 1.0),
    )


def translated(images: Tensor, numbers: Tensor, on: Tensor, *, border: Border = "zeros") -> Tensor:
    """Return images translated by up to 1/8 of height and width, uniformly in whole pixels."""
    most = _pixels(images.shape[2], _TRANSLATION), _pixels(images.shape[3], _TRANSLATION)
    down, right = (
        torch.where(on, _whole(numbers[:, axis], 2 * limit + 1) - limit, 0)
        for axis, limit in enumerate(most)
    )
    return shifted(images, down, right, most, border)


def cut_out(images: Tensor, numbers: Tensor, on: Tensor) -> Tensor:
    """Return images with a hole of half the height and width, centered anywhere in the image."""
    height, width = images.shape[2:]
    size = _pixels(height, _HOLE), _pixels(width, _HOLE)
    top, left = (
        _whole(numbers[:, axis], side + 1 - hole % 2) - hole // 2
        for axis, (side, hole) in enumerate(zip((height, width), size, strict=True))
    )
    return with_hole(images, torch.where(on, top, height), left, size)  # off: below the image


TRANSFORMS: dict[TransformName, Transform] = {
    "color": Transform(3, recolored),
    "translation": Transform(2, translated),
    "cutout": Transform(2, cut_out),
}
"""The transforms in the order in which they are applied."""


@final
class Augmentation(nn.Module):
    """Sample a transform for each image of a batch and apply it.

    It has no parameters; an adaptive probability keeps its state in buffers.

    Args:
        config: an active configuration.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        super().__init__()
        moved = Transform(2, partial(translated, border=config.border))
        transforms: dict[TransformName, Transform] = TRANSFORMS | {"translation": moved}
        self._transforms = [each for name, each in transforms.items() if name in config.policy]
        self._noise = config.noise
        self._probability = 1.0 if config.probability is None else config.probability
        self.adaptive = (
            AdaptiveProbability(config.probability or 0.0, config.target, config.adjustment_images)
            if config.adaptive
            else None
        )

    def forward(self, images: Tensor, random: torch.Generator) -> Tensor:
        """Return the discriminator's input.

        Args:
            images: (N, C, H, W) in [-1, 1], any floating dtype.
            random: generator on the CPU, the only source of randomness.

        Returns:
            float32 (N, C, H, W), so that real and fake images are rounded alike. Values may leave
            [-1, 1].
        """
        images = images.float()
        numbers = sum(1 + each.numbers for each in self._transforms)
        uniform = torch.rand(len(images), numbers, generator=random).to(images.device)
        probability = self._probability if self.adaptive is None else self.adaptive.probability
        for each in self._transforms:
            own, uniform = uniform[:, : 1 + each.numbers], uniform[:, 1 + each.numbers :]
            images = each.apply(images, own[:, 1:], own[:, 0] < probability)
        if self._noise:
            noise = torch.randn(images.shape, generator=random).to(images.device)
            images = torch.add(images, noise, alpha=self._noise)
        return images

    def update(self, source_logits: Tensor, step: int) -> None:
        """Update an adaptive probability; see `AdaptiveProbability.update`."""
        if self.adaptive is not None:
            self.adaptive.update(source_logits, step)

    def statistics(self) -> dict[str, float]:
        """Return an adaptive ``probability`` and ``overfitting``, the last r_t; {} if fixed."""
        if self.adaptive is None:
            return {}
        return {
            "probability": self.adaptive.probability.item(),
            "overfitting": self.adaptive.overfitting.item(),
        }


def _pixels(side: int, share: float) -> int:
    """Return a share of a side, rounded to pixels."""
    return int(side * share + 0.5)


def _whole(uniform: Tensor, count: int) -> Tensor:
    """Return whole numbers 0 … count − 1, equally likely, from numbers uniform in [0, 1)."""
    # The product may round up to the count itself.
    return (uniform * count).long().clamp(max=count - 1)
