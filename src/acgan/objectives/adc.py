"""ADC-GAN: the class head also separates real from fake (Hou et al. 2022, arXiv 2107.10060)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.explanation import Explanation
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import BaseObjectiveConfig, SourceTerms

_EXPLANATION = Explanation(
    title="ADC-GAN",
    noun="an ADC-GAN",
    paper="Hou et al. 2022",
    equations="",
    purpose="one class head in place of TAC's two",
    discriminator_input="an image, without its label.",
    discriminator_output='s(x) and l(x), 2K logits: "real and class y" and "fake and class y", '
    "with CE_k = −log softmax(l)_k.",
    discriminator_loss="ℓ_real(s(x)) + ℓ_fake(s(G(z, y′)))  +  w_real · CE_2y(x)\n"
    "+  w_fake · CE_2y′+1(G(z, y′))",
    generator_loss="ℓ_gen(s(G(z, y′)))\n+  w_gen · [CE_2y′(G(z, y′)) − CE_2y′+1(G(z, y′))]",
    failure_modes="the generator's term does not involve other classes, so samples belong to their "
    "class only as clearly as real images do. Each of the 2K columns learns from few images if "
    "there are many classes.",
    notes="""\
The softmax's sum cancels in the generator's difference, which is computed as −w_gen · E[l_2y′ −
l_2y′+1], the log-odds of real given the class (`acgan.objectives.adc.log_odds_of_real`). Images
that the discriminator cannot distinguish from the real ones of their class cost 0, typical or
not, and the term may be negative. The paper has one weight λ for the three terms; its theory
assumes w_real = w_fake = 1.

The K class logits, for accuracies and for `acgan inspect`, are c_y = log(e^{l_2y} + e^{l_2y+1}).
Their softmax is P(y | x) = P(real, y | x) + P(fake, y | x)
(`acgan.networks.heads.class_logits_of_pairs`).""",
)


@final
class ADCConfig(BaseObjectiveConfig):
    """Hyper-parameters of the ADC objective, besides those of every objective.

    Attributes:
        class_weight_real: weight of the discriminator's class term on real images (paper: λ for
            all three).
        class_weight_fake: weight of its class term on fake images.
        class_weight_generator: weight of the generator's class term.
    """

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = True
    name: Literal["adc"] = "adc"
    class_weight_real: float = Field(1.0, ge=0)
    class_weight_fake: float = Field(1.0, ge=0)
    class_weight_generator: float = Field(1.0, ge=0)

    @property
    def needs_classes(self) -> bool:
        """True, unless the generator's class term has weight 0."""
        return self.class_weight_generator > 0

    @property
    def takes_unlabeled(self) -> bool:
        """False: the class head separates real from fake within each class."""
        return False

    def build(self) -> ADC:
        """Return the objective."""
        return ADC(self)


@final
class ADC(Objective):
    """The two losses of ADC-GAN."""

    def __init__(self, config: ADCConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A source head and a paired class head."""
        return Heads(source="plain", classes="paired")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        """Return the source terms, CE_2y for real images and CE_2y′+1 for fake images."""
        terms = self._source.discriminator(real, fake)
        if weight := self._config.class_weight_real:
            terms["class_real"] = weight * F.cross_entropy(_pairs(real), 2 * real_labels)
        if weight := self._config.class_weight_fake:
            terms["class_fake"] = weight * F.cross_entropy(_pairs(fake), 2 * fake_labels + 1)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """Return the source term and CE_2y′ − CE_2y′+1, which may be negative."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = -weight * log_odds_of_real(fake, fake_labels)
        return terms


def log_odds_of_real(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    """Return the mean of log P(real, y | x) − log P(fake, y | x) = l_2y − l_2y+1, a scalar.

    Args:
        output: discriminator output for N images, with paired logits (N, 2K).
        labels: int64 (N,), each in [0, K).

    Raises:
        ValueError: the discriminator has no paired class head.
    """
    pairs = _pairs(output).view(len(labels), -1, 2)
    of_label = pairs.gather(1, labels[:, None, None].expand(-1, 1, 2)).squeeze(1)
    return (of_label[:, 0] - of_label[:, 1]).mean()


def _pairs(output: DiscriminatorOutput) -> Tensor:
    if output.paired_logits is None:
        raise ValueError("ADC needs a discriminator with a paired class head")
    return output.paired_logits
