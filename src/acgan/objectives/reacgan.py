"""ReACGAN: classes are points on the unit sphere (Kang et al. 2021, arXiv 2111.01118)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.explanation import Explanation
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import BaseObjectiveConfig, SourceTerms

_EXPLANATION = Explanation(
    title="ReACGAN",
    noun="a ReACGAN",
    paper="Kang et al. 2021",
    equations="eq. 8",
    purpose="bounds ACGAN's class gradients",
    discriminator_input="an image, without its label.",
    discriminator_output="s(x) and an embedding f(x), affine in φ(x) and normalized to length 1. "
    "Each class has a learned proxy v_y on the same sphere.",
    definitions="""\
p_i  = [f_i·v_{y_i} − m_p]₋ / τ        n_ij = [f_i·f_j − m_n]₊ / τ        m_n = 1 − m_p
D2D-CE = −mean_i log( e^{p_i} / (e^{p_i} + Σ_{j: y_j ≠ y_i} e^{n_ij}) )""",
    discriminator_loss="ℓ_real(s(x)) + ℓ_fake(s(G(z, y′)))  +  w_real · D2D-CE(x, y)",
    generator_loss="ℓ_gen(s(G(z, y′)))                  +  w_gen · D2D-CE(G(z, y′), y′)",
    failure_modes="the negatives are the other images of the batch, so the term is weak in small "
    "batches and with few classes. If all images are of one class, it is 0.",
    notes="""\
[a]₋ = min(a, 0), [a]₊ = max(a, 0); m_p is `positive_margin`, τ is `temperature`
(`acgan.objectives.reacgan.d2d_ce`). Unit norms bound the gradient, which in ACGAN grows with the
length of the features. The margins remove the gradient of images that are close enough to their
proxy. The term is computed as logsumexp over the positive and the negatives. The authors' program
subtracts each image's largest similarity from the negatives only, which is stable too but a
different formula: the weight of the positive then depends on the batch. For accuracies and for
`acgan inspect`, the class logits are the cosines f·v_y; their softmax ranks classes and is not a
probability.""",
)


@final
class ReACGANConfig(BaseObjectiveConfig):
    """Hyper-parameters of the ReACGAN objective, besides those of every objective.

    Attributes:
        class_weight_real: weight of the discriminator's D2D-CE on real images (CIFAR-10: 0.5).
        class_weight_generator: weight of the generator's D2D-CE on fake images (CIFAR-10: 0.5).
        positive_margin: m_p. The positive term is 0 at cosines above m_p, negatives are 0 at
            cosines below 1 − m_p.
        temperature: τ.
        embedding_size: E, the length of embeddings and proxies.
    """

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = True
    name: Literal["reacgan"] = "reacgan"
    class_weight_real: float = Field(0.5, ge=0)
    class_weight_generator: float = Field(0.5, ge=0)
    positive_margin: float = Field(0.98, ge=0, le=1)
    temperature: float = Field(0.5, gt=0)
    embedding_size: int = Field(512, ge=1)

    @property
    def needs_classes(self) -> bool:
        """True, unless the generator's class term has weight 0."""
        return self.class_weight_generator > 0

    @property
    def takes_unlabeled(self) -> bool:
        """False: a pair of images needs both classes."""
        return False

    def build(self) -> ReACGAN:
        """Return the objective."""
        return ReACGAN(self)


@final
class ReACGAN(Objective):
    """The two losses of ReACGAN."""

    def __init__(self, config: ReACGANConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A source head and an embedding with proxies."""
        size = self._config.embedding_size
        return Heads(source="plain", classes="proxies", embedding_size=size)

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,  # noqa: ARG002
    ) -> Terms:
        """Return the source terms and D2D-CE for real images."""
        terms = self._source.discriminator(real, fake)
        if weight := self._config.class_weight_real:
            terms["class_real"] = weight * self._d2d_ce(real, real_labels)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """Return the source term and D2D-CE for fake images."""
        terms = self._source.generator(fake)
        if weight := self._config.class_weight_generator:
            terms["class"] = weight * self._d2d_ce(fake, fake_labels)
        return terms

    def _d2d_ce(self, output: DiscriminatorOutput, labels: Tensor) -> Tensor:
        if output.embeddings is None or output.proxies is None:
            raise ValueError("ReACGAN needs a discriminator with embeddings and proxies")
        return d2d_ce(
            output.embeddings,
            output.proxies,
            labels,
            margin=self._config.positive_margin,
            temperature=self._config.temperature,
        )


def d2d_ce(
    embeddings: Tensor, proxies: Tensor, labels: Tensor, *, margin: float, temperature: float
) -> Tensor:
    """Return the data-to-data cross-entropy, a scalar of at least 0 (Kang et al. 2021, eq. 8).

    It is logsumexp over the positive *and* the negatives, minus the positive, which cannot
    overflow.

    Args:
        embeddings: f, (N, E) of unit norm.
        proxies: v, (K, E) of unit norm.
        labels: int64 (N,), each in [0, K).
        margin: m_p; m_n is 1 − m_p.
        temperature: τ.
    """
    own = (embeddings * proxies[labels]).sum(dim=1, keepdim=True)
    positive = (own - margin).clamp(max=0) / temperature
    pairs = (embeddings @ embeddings.T - (1 - margin)).clamp(min=0) / temperature
    negatives = pairs.masked_fill(labels[:, None] == labels, -torch.inf)
    return (torch.cat([positive, negatives], dim=1).logsumexp(dim=1) - positive.squeeze(1)).mean()
