"""ACGAN: real or fake, and the class (Odena, Olah & Shlens 2017, arXiv 1610.09585).

Every term has a weight, because programs called ACGAN differ in the weights (docs/objective.md:
"Which ACGAN is this?").
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import ClassLossName, class_loss
from acgan.objectives.explanation import Explanation
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import BaseObjectiveConfig, SourceTerms

_EXPLANATION = Explanation(
    title="ACGAN",
    noun="an ACGAN",
    paper="Odena, Olah & Shlens 2017",
    equations="eq. 2 and 3",
    purpose="the discriminator predicts the class",
    discriminator_input="an image, without its label.",
    discriminator_output="s(x), real or fake, and c(x), the class, from the same features.",
    discriminator_loss="ℓ_real(s(x)) + ℓ_fake(s(G(z, y′)))  +  w_real · CE(c(x), y)\n"
    "+  w_fake · CE(c(G(z, y′)), y′)",
    generator_loss="ℓ_gen(s(G(z, y′)))                  +  w_gen · CE(c(G(z, y′)), y′)",
    failure_modes="CE continues to reward images far from the borders between classes, at the cost "
    "of diversity within a class. With w_fake = 1 the class head learns the generator's mistakes. "
    "With many classes CE's gradients grow without bound.",
    notes="""\
The paper's two likelihoods are

    L_S = E[log P(real | x)] + E[log P(fake | G(z, y′))]
    L_C = E[log P(y | x)]    + E[log P(y′ | G(z, y′))]

The discriminator maximizes L_S + L_C, the generator maximizes L_C − L_S; above they are losses
with separate weights. CE(c, y) = −log softmax(c)_y, averaged over the labeled images
(`acgan.objectives.classification.class_loss`,
`acgan.objectives.classification.cross_entropy_of_labeled`). A certain and correct prediction
costs 0, a uniform one log K. Real images without a label have source terms only. `source_head =
"projection"` replaces s(x) by s(x, y); c(x) does not receive the label, and the weights stay the
same.""",
)
_MODIFIED = Explanation(
    title="ACGAN-Mod",
    noun="an ACGAN",
    paper="Odena, Olah & Shlens 2017",
    equations="as modified in StudioGAN",
    purpose="the ACGAN that papers compare with",
    discriminator_input="an image, without its label.",
    discriminator_output="s(x) and c(x), as for ACGAN, with spectral norm on all weights.",
    discriminator_loss="max(0, 1 − s(x)) + max(0, 1 + s(G(z, y′)))  +  w_real · CE(c(x), y)",
    generator_loss="−s(G(z, y′))                                +  w_gen · CE(c(G(z, y′)), y′)",
    failure_modes="the class head learns from real images only, so it does not learn the "
    "generator's mistakes, but CE still rewards images far from the borders between classes.",
    settings={
        "objective.source_loss": "hinge",
        "objective.class_weight_fake": 0.0,
        "discriminator.spectral_norm": True,
    },
)


@final
class ACGANConfig(BaseObjectiveConfig):
    """Hyper-parameters of the ACGAN objective, besides those of every objective.

    Attributes:
        source_head: ``plain`` as in the paper; ``projection``: the source head receives the label
            (`acgan.objectives.projection`), the class head does not.
        class_weight_real: weight of the discriminator's class term on real images (paper: 1).
        class_weight_fake: weight of its class term on fake images (paper: 1; with 0 the class head
            learns from real images only).
        class_weight_generator: weight of the generator's class term (paper: 1).
        class_loss: ``cross-entropy``; ``double-softmax`` is a fault of popular tutorials, wrong on
            purpose, for the recipe ``broken-double-softmax``.
    """

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION, _MODIFIED)
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
        """True, unless there is neither a class term of the generator nor a projection head."""
        return self.class_weight_generator > 0 or self.source_head == "projection"

    @property
    def takes_unlabeled(self) -> bool:
        """True, unless the source head receives the label; class terms use labeled images."""
        return self.source_head == "plain"

    def build(self) -> ACGAN:
        """Return the objective."""
        return ACGAN(self)


@final
class ACGAN(Objective):
    """The two losses of ACGAN."""

    def __init__(self, config: ACGANConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A source head and a class head."""
        return Heads(source=self._config.source_head, classes="plain")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """Return −(L_S + L_C) in weighted terms (paper, eq. 2 and 3)."""
        config, kind = self._config, self._config.class_loss
        terms = self._source.discriminator(real, fake)
        if config.class_weight_real:
            terms["class_real"] = config.class_weight_real * class_loss(real, real_labels, kind)
        if config.class_weight_fake:
            terms["class_fake"] = config.class_weight_fake * class_loss(fake, fake_labels, kind)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """Return −(L_C − L_S) in weighted terms; with BCE the source term is non-saturating."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = weight * class_loss(fake, fake_labels, self._config.class_loss)
        return terms
