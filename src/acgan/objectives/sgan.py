"""SGAN: a semi-supervised classifier as discriminator (Odena 2016; Salimans et al. 2016, §5)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import class_loss
from acgan.objectives.explanation import Explanation
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import BaseObjectiveConfig, SourceTerms

_EXPLANATION = Explanation(
    title="SGAN",
    noun="a semi-supervised GAN",
    paper="Odena 2016; Salimans et al. 2016",
    equations="§5",
    purpose="a classifier from few labels",
    discriminator_input="an image; some real images have a label, most have none "
    "(`acgan.objectives.classification.UNLABELED`). The generator is unconditional.",
    discriminator_output="K + 1 logits l, the last of them for fake images "
    '(`class_head = "k-plus-one"`): c(x) are the first K. Or a source head and K class logits '
    'beside it (`"separate"`).',
    definitions="s(x) = log(Σ_{k<K} e^{l_k}) − l_K        so that σ(s) = 1 − P(fake | x)",
    discriminator_loss="ℓ_real(s(x)) + ℓ_fake(s(G(z)))  +  w_real · CE(c(x), y)\n"
    "CE over labeled x only",
    generator_loss="ℓ_gen(s(G(z)))",
    failure_modes="a generator with perfect images does not improve the classifier, so the best "
    "classifier and the best images do not occur together (Dai et al. 2017).",
    notes="""\
`acgan.networks.heads.source_of_k_plus_one` computes s. With BCE and w_real = 1 the loss equals
that of the papers' K + 1 classes: −log P(y | x) = −log P(y | x, real) − log P(real | x). The
first term is CE(c(x), y), the second is ℓ_real. Salimans et al. (§3.1) train the generator by
feature matching for the sake of the classifier: `generator_loss = "feature-matching"`, which
`gan` accepts too,

    ‖E φ(x) − E φ(G(z))‖²        in place of ℓ_gen(s(G(z)))

(`acgan.objectives.feature_matching.feature_matching`,
`acgan.objectives.feature_matching.squared_distance_of_means`). φ(x) are the current
discriminator's features of the last real batch after augmentation, without gradient; this costs
one more discriminator forward in the generator's step. In batches with few labeled images, φ(x)
uses the unlabeled ones, whose classes are as frequent as in the data. Means constrain single
images weakly, so image quality is lower, as the authors report. Conditional objectives refuse
feature matching, because means over all images do not depend on the class.""",
)


@final
class SGANConfig(BaseObjectiveConfig):
    """Hyper-parameters of the SGAN objective, besides those of every objective.

    Attributes:
        class_head: ``k-plus-one`` as in the papers: K + 1 classes, the last for fake images;
            ``separate``: a source head and K class logits.
        class_weight_real: weight of the class term on labeled real images (papers: 1).
    """

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = False
    name: Literal["sgan"] = "sgan"
    class_head: Literal["k-plus-one", "separate"] = "k-plus-one"
    class_weight_real: float = Field(1.0, ge=0)

    @property
    def needs_classes(self) -> bool:
        """True, unless the class term has weight 0."""
        return self.class_weight_real > 0

    @property
    def takes_unlabeled(self) -> bool:
        """True: the objective is for data with few labels."""
        return True

    def build(self) -> SGAN:
        """Return the objective."""
        return SGAN(self)


@final
class SGAN(Objective):
    """The two losses of SGAN, with a discriminator of K classes and "fake"."""

    def __init__(self, config: SGANConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A class head of K + 1 classes, or a source head and a class head."""
        return Heads(classes="k-plus-one" if self._config.class_head == "k-plus-one" else "plain")

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,  # noqa: ARG002
    ) -> Terms:
        """Return the source terms for all images, and CE(c(x), y) for labeled real images."""
        terms = self._source.discriminator(real, fake)
        if weight := self._config.class_weight_real:
            terms["class_real"] = weight * class_loss(real, real_labels)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:  # noqa: ARG002
        """Return ℓ_gen(s(G(z))); with BCE that is −log(1 − P(fake | G(z)))."""
        return self._source.generator(fake)
