"""TAC-GAN: a twin class head for fake images (Gong et al. 2019, arXiv 1907.02690)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import class_loss, cross_entropy_of_labeled
from acgan.objectives.explanation import Explanation
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import BaseObjectiveConfig, SourceTerms

_EXPLANATION = Explanation(
    title="TAC-GAN",
    noun="a TAC-GAN",
    paper="Gong et al. 2019",
    equations="eq. 6",
    purpose="the same, and the discriminator predicts the class",
    discriminator_input="an image, without its label.",
    discriminator_output="s(x), c(x), and c′(x), the logits of a second class head (the twin), "
    "which learns from fake images only.",
    discriminator_loss="ℓ_real(s(x)) + ℓ_fake(s(G(z, y′)))  +  w_real · CE(c(x), y)\n"
    "+  w_twin · CE(c′(G(z, y′)), y′)",
    generator_loss="ℓ_gen(s(G(z, y′)))\n+  w_gen · [CE(c(G(z, y′)), y′) − CE(c′(G(z, y′)), y′)]",
    failure_modes="the generator's difference has no lower bound and depends on two heads that are "
    "both still learning. If the twin is behind or ahead of the class head, its gradient is "
    "misleading.",
    notes="""\
ACGAN's CE alone lowers the entropy of the class given a fake image. The twin
(`acgan.objectives.tac.twin_loss`) measures how easily the classes of *fake* images are separated,
and the generator pays if that is easier than for real images; where both heads agree, the
difference is 0. `class_weight_fake` adds the class head's term on fake images, as in the paper;
the authors' program has 0.""",
)


@final
class TACConfig(BaseObjectiveConfig):
    """Hyper-parameters of the TAC objective, besides those of every objective.

    Attributes:
        class_weight_real: weight of the class head's term on real images (paper: λ for all four).
        class_weight_fake: weight of the class head's term on fake images (authors' program: 0).
        twin_weight: weight of the twin's term on fake images, in the discriminator's loss.
        class_weight_generator: weight of the difference in the generator's loss.
    """

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = True
    cross_entropy_term: ClassVar[tuple[str, str] | None] = ("class_real", "class_weight_real")
    name: Literal["tac"] = "tac"
    class_weight_real: float = Field(1.0, ge=0)
    class_weight_fake: float = Field(0.0, ge=0)
    twin_weight: float = Field(1.0, ge=0)
    class_weight_generator: float = Field(1.0, ge=0)

    @property
    def needs_classes(self) -> bool:
        """True, unless the generator's class term has weight 0."""
        return self.class_weight_generator > 0

    @property
    def takes_unlabeled(self) -> bool:
        """False: class head and twin need equally many images, or their difference is biased."""
        return False

    def build(self) -> TAC:
        """Return the objective."""
        return TAC(self)


@final
class TAC(Objective):
    """The two losses of TAC-GAN."""

    def __init__(self, config: TACConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A source head and twin class heads."""
        return Heads(source="plain", classes="twin")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """Return the source terms, CE(c, y) for real images and CE(c′, y′) for fake images."""
        config = self._config
        terms = self._source.discriminator(real, fake)
        if config.class_weight_real:
            terms["class_real"] = config.class_weight_real * class_loss(real, real_labels)
        if config.class_weight_fake:
            terms["class_fake"] = config.class_weight_fake * class_loss(fake, fake_labels)
        if config.twin_weight:
            terms["twin_fake"] = config.twin_weight * twin_loss(fake, fake_labels)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """Return the source term, CE(c, y′) and −CE(c′, y′) as separate terms."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = weight * class_loss(fake, fake_labels)
            terms["twin"] = -weight * twin_loss(fake, fake_labels)
        return terms


def twin_loss(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of the twin head, a scalar.

    Args:
        output: discriminator output for N images, with twin logits (N, K).
        labels: int64 (N,), each in [0, K).

    Raises:
        ValueError: the discriminator has no twin head.
    """
    if output.twin_logits is None:
        raise ValueError("TAC needs a discriminator with twin class heads")
    return cross_entropy_of_labeled(output.twin_logits, labels)
