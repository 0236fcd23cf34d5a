"""SGAN: D finds the class where somebody has said it (Odena 2016; Salimans et al. 2016, §5).

Some real images have a label, most have none, and G is asked for none:
    D:  ℓ_real(s(x)) + ℓ_fake(s(G(z))) + w · CE(c(x), y)        the last over labeled x alone
    G:  ℓ_gen(s(G(z)))
Open, D sorts into K + 1 classes l, the last of them "fake": c are the first K of them, and s is
log(Σ_{k<K} e^{l_k}) − l_K, so that σ(s) = 1 − P(fake | x). With BCE and w = 1 this is Salimans et
al.'s supervised and unsupervised loss, since −log P(y | x) = −log P(y | x, real) − log P(real | x).
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import class_loss
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import SourceConfig, SourceTerms


@final
class SGANConfig(SourceConfig):
    """Hyper-parameters of the SGAN objective, besides those of every objective.

    Attributes:
        class_head: ``open``, the papers': K + 1 classes, "fake" being one; ``separate``: a source
            head, and K class logits beside it.
        class_weight_real: weight of D's class term on labeled real images (papers: 1).
    """

    title: ClassVar[str] = "a semi-supervised GAN"
    reference: ClassVar[str] = "Odena 2016; Salimans et al. 2016"
    conditional: ClassVar[bool] = False
    name: Literal["sgan"] = "sgan"
    class_head: Literal["open", "separate"] = "open"
    class_weight_real: float = Field(1.0, ge=0)

    @property
    def needs_classes(self) -> bool:
        """True, unless D is not to learn any."""
        return self.class_weight_real > 0

    @property
    def takes_unlabeled(self) -> bool:
        """True: that is what it is for."""
        return True


@final
class SGAN(Objective):
    """A D that sees images and answers with K classes and "fake"; the classifier is what is wanted.

    What goes wrong: a G that draws perfect images teaches the classifier nothing, so that the best
    classifier and the best images do not come together (Dai et al. 2017).
    """

    def __init__(self, config: SGANConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """An open class head, or a source head and a class head."""
        return Heads(classes="open" if self._config.class_head == "open" else "plain")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,  # noqa: ARG002
    ) -> Terms:
        """The source terms, on all images, and CE(c(x), y) on labeled reals."""
        terms = self._source.discriminator(real, fake)
        if weight := self._config.class_weight_real:
            terms["class_real"] = weight * class_loss(real, real_labels)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:  # noqa: ARG002
        """ℓ_gen(s(G(z))): with BCE, −log(1 − P(fake | G(z)))."""
        return self._source.generator(fake)
