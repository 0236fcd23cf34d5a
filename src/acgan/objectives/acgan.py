"""ACGAN: D tells real from fake and names the class (Odena, Olah & Shlens 2017, arXiv 1610.09585).

With s the source logit and c the class logits of D, y the label (paper, eq. 2 and 3):
    L_S = E[log P(real | x)] + E[log P(fake | G(z, y))]
    L_C = E[log P(y | x)] + E[log P(y | G(z, y))]
D maximizes L_S + L_C, G maximizes L_C − L_S. Every term carries a weight of its own, because the
many programs called ACGAN differ in just these (docs/objective.md: "Which ACGAN is this?").
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import ClassLossName, class_loss
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import SourceConfig, SourceTerms


@final
class ACGANConfig(SourceConfig):
    """Hyper-parameters of the ACGAN objective, besides those of every objective.

    Attributes:
        source_head: ``plain``, the paper's; ``projection``: the source head is given the label
            (`acgan.objectives.projection`), and the class head stays beside it.
        class_weight_real: weight of D's class term on real images (paper: 1).
        class_weight_fake: weight of D's class term on fakes (paper: 1; 0 keeps D's class head
            honest, since it then never learns from what G drew).
        class_weight_generator: weight of G's class term (paper: 1).
        class_loss: ``cross-entropy``; ``double-softmax`` is the popular tutorials' fault, wrong on
            purpose, for a run that shows what it does (recipe ``broken-double-softmax``).
    """

    title: ClassVar[str] = "an ACGAN"
    reference: ClassVar[str] = "Odena, Olah & Shlens 2017"
    conditional: ClassVar[bool] = True
    cross_entropy_term: ClassVar[tuple[str, str] | None] = ("class_real", "class_weight_real")
    name: Literal["acgan"] = "acgan"
    source_head: Literal["plain", "projection"] = "plain"
    class_weight_real: float = Field(1.0, ge=0)
    class_weight_fake: float = Field(0.0, ge=0)
    class_weight_generator: float = Field(1.0, ge=0)
    class_loss: ClassLossName = "cross-entropy"

    @property
    def needs_classes(self) -> bool:
        """True, unless G neither has a class term nor faces a D that is given the label."""
        return self.class_weight_generator > 0 or self.source_head == "projection"

    @property
    def takes_unlabeled(self) -> bool:
        """True, unless D is given the label: its class terms are then those of labeled images."""
        return self.source_head == "plain"


@final
class ACGAN(Objective):
    """The two losses of ACGAN as named, weighted terms."""

    def __init__(self, config: ACGANConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A source head of the wanted kind and a class head."""
        return Heads(source=self._config.source_head, classes="plain")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """−(L_S + L_C), term by term (paper eq. 2 and 3, weighted)."""
        config, kind = self._config, self._config.class_loss
        terms = self._source.discriminator(real, fake)
        if config.class_weight_real:
            terms["class_real"] = config.class_weight_real * class_loss(real, real_labels, kind)
        if config.class_weight_fake:
            terms["class_fake"] = config.class_weight_fake * class_loss(fake, fake_labels, kind)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """−(L_C − L_S), weighted, its source term non-saturating (Goodfellow et al. 2014, §3)."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = weight * class_loss(fake, fake_labels, self._config.class_loss)
        return terms
