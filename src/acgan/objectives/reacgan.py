"""ReACGAN: classes are points on a sphere, and surely right costs nothing (Kang et al. 2021).

arXiv 2111.01118, eq. 8 (D2D-CE). With f_i the embedding of image i and v_y the proxy of class y,
both of unit norm, m_n = 1 − m_p, [a]₋ = min(a, 0) and [a]₊ = max(a, 0):
    p_i = [f_i·v_{y_i} − m_p]₋ / τ         n_ij = [f_i·f_j − m_n]₊ / τ
    D2D-CE = −mean_i log( e^{p_i} / (e^{p_i} + Σ_{j: y_j ≠ y_i} e^{n_ij}) )
    D:  source loss + w_real · D2D-CE on reals      G:  source loss + w_gen · D2D-CE on fakes
ACGAN's gradient grows with the length of features; here they have none. Margins stop the pull on
images that are where they belong already, and pairs of images take the place of other classes.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.source import SourceConfig, SourceTerms


@final
class ReACGANConfig(SourceConfig):
    """Hyper-parameters of the ReACGAN objective, besides those of every objective.

    Attributes:
        class_weight_real: weight of D's D2D-CE, on real images (CIFAR-10: .5).
        class_weight_generator: weight of G's D2D-CE, on fakes (CIFAR-10: .5).
        positive_margin: m_p, the cosine with its proxy from which on an image is not pulled any
            nearer; 1 − m_p is that from which on images of other classes push each other away.
        temperature: τ.
        embedding_size: E, the length of embeddings and proxies.
    """

    title: ClassVar[str] = "a ReACGAN"
    reference: ClassVar[str] = "Kang et al. 2021"
    conditional: ClassVar[bool] = True
    name: Literal["reacgan"] = "reacgan"
    class_weight_real: float = Field(0.5, ge=0)
    class_weight_generator: float = Field(0.5, ge=0)
    positive_margin: float = Field(0.98, ge=0, le=1)
    temperature: float = Field(0.5, gt=0)
    embedding_size: int = Field(512, ge=1)

    @property
    def needs_classes(self) -> bool:
        """True, unless G has no class term."""
        return self.class_weight_generator > 0

    @property
    def takes_unlabeled(self) -> bool:
        """False: two images of unknown class are neither a pair of one class nor of two."""
        return False


@final
class ReACGAN(Objective):
    """The two losses of ReACGAN, of a D that sees images and answers with s and f.

    What goes wrong: its negatives are the other images of the batch, so that small batches, and
    batches of few classes, say little; where all are of one class the term is 0.
    """

    def __init__(self, config: ReACGANConfig) -> None:
        self._config = config
        self._source = SourceTerms(config)

    @property
    def heads(self) -> Heads:
        """A source head, and an embedding with proxies."""
        size = self._config.embedding_size
        return Heads(source="plain", classes="proxies", embedding_size=size)

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,  # noqa: ARG002
    ) -> Terms:
        """The source terms, and D2D-CE on reals."""
        terms = self._source.discriminator(real, fake)
        if weight := self._config.class_weight_real:
            terms["class_real"] = weight * self._d2d_ce(real, real_labels)
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        """The source term, and D2D-CE on fakes."""
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
    """Data-to-data cross-entropy, a scalar of at least 0 (Kang et al. 2021, eq. 8).

    Computed as logsumexp over the positive *and* the negatives, minus the positive, which cannot
    overflow. The popular program shifts the negatives alone by their largest, which is another
    formula: it multiplies the positive's weight by a number that depends on the batch.

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
