"""Consistency: D is to say the same of an image and of a changed copy of it.

CR-GAN on real images (Zhang et al. 2020, arXiv 1910.12027), balanced with fakes too (Zhao et al.
2020, "Improved consistency regularization for GANs", arXiv 2002.04724: bCR).
"""

from __future__ import annotations

from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from acgan.augmentation.augmentation import translated
from acgan.augmentation.transforms import horizontally_flipped
from acgan.config import Config
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.interface import DiscriminatorStep, Regularizer, Terms


@final
class ConsistencyConfig(Config):
    """Hyper-parameters of consistency regularization.

    Attributes:
        weight_real: λ of CR-GAN, on real images.
        weight_fake: the same on fakes; 10 beside 10 is bCR.
        horizontal_flip: whether T mirrors half of the images: ``auto`` where that keeps the class
            (`acgan.data.batches`). T always moves them by up to an eighth.
    """

    name: Literal["consistency"] = "consistency"
    weight_real: float = Field(10.0, ge=0)
    weight_fake: float = Field(0.0, ge=0)
    horizontal_flip: Literal["never", "auto", "always"] = "auto"

    @model_validator(mode="after")
    def _has_a_weight(self) -> Self:
        if not self.weight_real and not self.weight_fake:
            raise ValueError("weight_real and weight_fake are both 0; give one, or leave it out")
        return self


@final
class Consistency(Regularizer):
    """λ · E(s(x) − s(T(x)))², s being the source logit; gradients go through both answers.

    Args:
        config: the weights.
        flip_keeps_class: what ``auto`` means for these images.
    """

    def __init__(self, config: ConsistencyConfig, *, flip_keeps_class: bool) -> None:
        super().__init__()
        self._config = config
        self._horizontal_flip = config.horizontal_flip == "always" or (
            config.horizontal_flip == "auto" and flip_keeps_class
        )

    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """The terms ``consistency_real`` and ``consistency_fake``, those that have a weight."""
        config, terms = self._config, Terms()
        for name, weight, images, labels, before in (
            ("real", config.weight_real, now.real_images, now.real_labels, now.real),
            ("fake", config.weight_fake, now.fake_images, now.fake_labels, now.fake),
        ):
            if weight:
                changed = self._changed(images, now.random)
                with frozen_statistics(now.discriminator):
                    after = now.discriminator(changed, labels)
                distance = (before.source_logits - after.source_logits).square().mean()
                terms[f"consistency_{name}"] = weight * distance
        return terms

    def _changed(self, images: Tensor, random: torch.Generator) -> Tensor:
        """T(x): moved and, where that is right, half of them mirrored."""
        numbers = torch.rand(len(images), 3, generator=random).to(images.device)
        everywhere = torch.ones(len(images), dtype=torch.bool, device=images.device)
        moved = translated(images, numbers[:, :2], everywhere)
        return horizontally_flipped(moved, numbers[:, 2] < 0.5) if self._horizontal_flip else moved
