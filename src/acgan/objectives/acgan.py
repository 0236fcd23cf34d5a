"""ACGAN: D tells real from fake and names the class (Odena, Olah & Shlens 2017, arXiv 1610.09585).

With s the source logit and c the class logits of D, y the label (paper, eq. 2 and 3):
    L_S = E[log P(real | x)] + E[log P(fake | G(z, y))]
    L_C = E[log P(y | x)] + E[log P(y | G(z, y))]
D maximises L_S + L_C, G maximises L_C − L_S. Every term carries a weight of its own, because the
many programs called ACGAN differ in just these (docs/objective.md: "Which ACGAN is this?").
"""

from __future__ import annotations

from typing import Literal, Self, final

import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from acgan.config import Config
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.adversarial import SOURCE_LOSSES, SourceLossName
from acgan.objectives.interface import Objective, Terms


@final
class ACGANConfig(Config):
    """Hyper-parameters of the ACGAN objective.

    Attributes:
        source_loss: loss of the source head; ``bce`` is non-saturating for G.
        class_weight_real: weight of D's class term on real images (paper: 1).
        class_weight_fake: weight of D's class term on fakes (paper: 1; 0 keeps D's class head
            honest, since it then never learns from what G drew).
        class_weight_generator: weight of G's class term (paper: 1).
        real_target: D's target for real images; below 1 is one-sided label smoothing.
        fake_target: D's target for fakes.
    """

    name: Literal["acgan"] = "acgan"
    source_loss: SourceLossName = "bce"
    class_weight_real: float = Field(1.0, ge=0)
    class_weight_fake: float = Field(0.0, ge=0)
    class_weight_generator: float = Field(1.0, ge=0)
    real_target: float = Field(1.0, gt=0, le=1)
    fake_target: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _targets_fit_the_loss(self) -> Self:
        if self.fake_target >= self.real_target:
            raise ValueError("fake_target must be below real_target")
        smooth = (self.real_target, self.fake_target) != (1.0, 0.0)
        if smooth and not SOURCE_LOSSES[self.source_loss].smoothable:
            raise ValueError(
                f"{self.source_loss} knows no targets; leave real_target 1 and fake_target 0"
            )
        return self


@final
class ACGAN(Objective):
    """The two losses of ACGAN as named, weighted terms."""

    def __init__(self, config: ACGANConfig) -> None:
        self._config = config
        self._source = SOURCE_LOSSES[config.source_loss]

    @property
    def heads(self) -> Heads:
        """A source head and a class head."""
        return Heads(source="plain", classes="plain")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """−(L_S + L_C), term by term (paper eq. 2 and 3, weighted)."""
        config = self._config
        terms = {
            "source_real": self._source.real(real.source_logits, config.real_target),
            "source_fake": self._source.fake(fake.source_logits, config.fake_target),
        }
        if config.class_weight_real:
            terms["class_real"] = config.class_weight_real * class_loss(real, real_labels)
        if config.class_weight_fake:
            terms["class_fake"] = config.class_weight_fake * class_loss(fake, fake_labels)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """−(L_C − L_S), weighted, its source term non-saturating (Goodfellow et al. 2014, §3)."""
        terms = {"source": self._source.generator(fake.source_logits)}
        if weight := self._config.class_weight_generator:
            terms["class"] = weight * class_loss(fake, fake_labels)
        return terms


def class_loss(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    """−log softmax(c)_y, averaged: cross-entropy of class *logits* (never of a softmax of them).

    Args:
        output: D's answer to N images, with class logits (N, K).
        labels: int64 (N,).

    Raises:
        ValueError: D has no class head.
    """
    if output.class_logits is None:
        raise ValueError("ACGAN needs a discriminator with a class head")
    return F.cross_entropy(output.class_logits, labels)
