"""ADC-GAN: D's class head also tells real from fake (Hou et al. 2022, arXiv 2107.10060).

Its 2K logits l stand for "real and of class y" (2y) and "fake and of class y" (2y + 1). With
CE_k = −log softmax(l)_k, beside the source loss and weighted:
    D:  CE_2y(x) + CE_2y′+1(G(z, y′))
    G:  CE_2y′(G(z, y′)) − CE_2y′+1(G(z, y′))
ACGAN's G is rewarded for images far from other classes; here D knows G's images of class y from the
real ones, so that G's reward is gone where the two cannot be told apart.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import SourceConfig, SourceTerms


@final
class ADCConfig(SourceConfig):
    """Hyper-parameters of the ADC objective, besides those of every objective.

    Attributes:
        class_weight_real: weight of D's class term on real images (paper: λ, as the other two).
        class_weight_fake: weight of D's class term on fakes.
        class_weight_generator: weight of G's class term.
    """

    title: ClassVar[str] = "an ADC-GAN"
    reference: ClassVar[str] = "Hou et al. 2022"
    conditional: ClassVar[bool] = True
    name: Literal["adc"] = "adc"
    class_weight_real: float = Field(1.0, ge=0)
    class_weight_fake: float = Field(1.0, ge=0)
    class_weight_generator: float = Field(1.0, ge=0)

    @property
    def needs_classes(self) -> bool:
        """True, unless G has no class term."""
        return self.class_weight_generator > 0

    @property
    def takes_unlabeled(self) -> bool:
        """False: its class head tells real from fake class by class."""
        return False


@final
class ADC(Objective):
    """The two losses of ADC-GAN as named, weighted terms."""

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
        """The source terms, CE_2y on reals and CE_2y′+1 on fakes."""
        terms = self._source.discriminator(real, fake)
        if weight := self._config.class_weight_real:
            terms["class_real"] = weight * F.cross_entropy(_pairs(real), 2 * real_labels)
        if weight := self._config.class_weight_fake:
            terms["class_fake"] = weight * F.cross_entropy(_pairs(fake), 2 * fake_labels + 1)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """The source term and CE_2y′ − CE_2y′+1, negative where D takes fakes for real."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = -weight * log_odds_of_real(fake, fake_labels)
        return terms


def log_odds_of_real(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    """Log P(real, y | x) − log P(fake, y | x) = l_2y − l_2y+1, averaged; the softmax's sum cancels.

    Args:
        output: D's answer to N images, with paired logits (N, 2K).
        labels: int64 (N,).

    Raises:
        ValueError: D has no paired class head.
    """
    pairs = _pairs(output).view(len(labels), -1, 2)
    of_label = pairs.gather(1, labels[:, None, None].expand(-1, 1, 2)).squeeze(1)
    return (of_label[:, 0] - of_label[:, 1]).mean()


def _pairs(output: DiscriminatorOutput) -> Tensor:
    if output.paired_logits is None:
        raise ValueError("ADC needs a discriminator with a paired class head")
    return output.paired_logits
