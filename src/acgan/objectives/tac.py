"""TAC-GAN: a second class head, for fakes alone, corrects the first (Gong et al. 2019).

arXiv 1907.02690, eq. 6. With c the logits of the class head, c′ those of its twin:
    D:  source loss + w_real · CE(c(x), y) + w_twin · CE(c′(G(z, y′)), y′)
    G:  source loss + w_gen · [CE(c(G(z, y′)), y′) − CE(c′(G(z, y′)), y′)]
ACGAN's CE alone lowers the entropy of the class given a fake: images far from other classes. The
twin knows how easily the classes of *fakes* are told apart, and G is paid for making that hard.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import class_loss, cross_entropy_of_labeled
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import SourceConfig, SourceTerms


@final
class TACConfig(SourceConfig):
    """Hyper-parameters of the TAC objective, besides those of every objective.

    Attributes:
        class_weight_real: weight of the class head's term on real images (paper: λ, as the other
            four).
        class_weight_fake: weight of the class head's term on fakes (paper: as the others, its
            authors' program: 0).
        twin_weight: weight of the twin's term, on fakes, where it learns.
        class_weight_generator: weight of the difference in G.
    """

    title: ClassVar[str] = "a TAC-GAN"
    reference: ClassVar[str] = "Gong et al. 2019"
    conditional: ClassVar[bool] = True
    cross_entropy_term: ClassVar[tuple[str, str] | None] = ("class_real", "class_weight_real")
    name: Literal["tac"] = "tac"
    class_weight_real: float = Field(1.0, ge=0)
    class_weight_fake: float = Field(0.0, ge=0)
    twin_weight: float = Field(1.0, ge=0)
    class_weight_generator: float = Field(1.0, ge=0)

    @property
    def needs_classes(self) -> bool:
        """True, unless G has no class term."""
        return self.class_weight_generator > 0

    @property
    def takes_unlabeled(self) -> bool:
        """False: class head and twin are to see as many images, or their difference is skewed."""
        return False


@final
class TAC(Objective):
    """The two losses of TAC-GAN, of a D that sees images and answers with s, c and c′.

    What goes wrong: G's term is a difference of two heads that are both still learning, and has no
    lower bound; where the twin lags behind, G is driven into ambiguous images.
    """

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
        """The source terms, CE(c, y) on reals and CE(c′, y′) on fakes."""
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
        """The source term, CE(c, y′) and −CE(c′, y′), each a term of its own."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = weight * class_loss(fake, fake_labels)
            terms["twin"] = -weight * twin_loss(fake, fake_labels)
        return terms


def twin_loss(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    """CE of the second class head, averaged.

    Args:
        output: D's answer to N images, with twin logits (N, K).
        labels: int64 (N,).

    Raises:
        ValueError: D has no second class head.
    """
    if output.twin_logits is None:
        raise ValueError("TAC needs a discriminator with twin class heads")
    return cross_entropy_of_labeled(output.twin_logits, labels)
