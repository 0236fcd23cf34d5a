"""Consistency regularization: equal source logits for an image and a transformed copy.

CR-GAN for real images (Zhang et al. 2020, arXiv 1910.12027), bCR for fake images too (Zhao et al.
2020, "Improved consistency regularization for GANs", arXiv 2002.04724).
"""

from __future__ import annotations

from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from acgan.augmentation.augmentation import translated
from acgan.augmentation.transforms import horizontally_flipped
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.interface import BaseRegularizerConfig, DiscriminatorStep, Regularizer, Terms


@final
class ConsistencyConfig(BaseRegularizerConfig):
    """Hyper-parameters of consistency regularization.

    Attributes:
        weight_real: λ of CR-GAN, for real images.
        weight_fake: the same for fake images; 10 and 10 is bCR.
        horizontal_flip: whether the transform T flips half of the images; ``auto``: if that keeps
            the class (`acgan.data.batches`). T always translates by up to 1/8 of the side.
    """

    name: Literal["consistency"] = "consistency"
    weight_real: float = Field(10.0, ge=0)
    weight_fake: float = Field(0.0, ge=0)
    horizontal_flip: Literal["never", "auto", "always"] = "auto"

    @model_validator(mode="after")
    def _has_a_weight(self) -> Self:
        if not self.weight_real and not self.weight_fake:
            raise ValueError(
                "weight_real and weight_fake are both 0; set one above 0, or remove consistency"
            )
        return self

    def build(self, *, flip_keeps_class: bool) -> Consistency:
        """Return the regularizer."""
        return Consistency(self, flip_keeps_class=flip_keeps_class)


@final
class Consistency(Regularizer):
    """λ · E(s(x) − s(T(x)))² with the source logit s; gradients flow through both.

    Args:
        config: weights and flips.
        flip_keeps_class: whether ``auto`` flips images.
    """

    def __init__(self, config: ConsistencyConfig, *, flip_keeps_class: bool) -> None:
        super().__init__()
        self._config = config
        self._horizontal_flip = config.horizontal_flip == "always" or (
            config.horizontal_flip == "auto" and flip_keeps_class
        )

    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """Return ``consistency_real`` and ``consistency_fake``, those with a weight above 0."""
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
        """Return T(x): images translated and, if flips are on, half of them flipped."""
        numbers = torch.rand(len(images), 3, generator=random).to(images.device)
        everywhere = torch.ones(len(images), dtype=torch.bool, device=images.device)
        moved = translated(images, numbers[:, :2], everywhere)
        return horizontally_flipped(moved, numbers[:, 2] < 0.5) if self._horizontal_flip else moved
