"""What every objective has, a source loss with its targets; the base of those with no other.

The losses themselves are pure functions in `acgan.objectives.adversarial`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Self, final

from pydantic import Field, model_validator
from torch import Tensor

from acgan.config import Config
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.adversarial import SOURCE_LOSSES, SourceLossName
from acgan.objectives.interface import Objective, Terms


class SourceConfig(Config, ABC):
    """Base of the configurations of objectives.

    Attributes:
        title: what a model is that was trained so, with its article.
        reference: where the objective comes from.
        conditional: whether G is asked for classes; a generator whose
            ``conditioning.mode`` is ``none`` is for those where it is not.
        cross_entropy_term: D's term that is the cross-entropy of K classes on real images, and the
            field with its weight; None if there is no such term.
        name: of the objective.
        source_loss: loss of the source head; ``bce`` is non-saturating for G.
        real_target: D's target for real images; below 1 is one-sided label smoothing.
        fake_target: D's target for fakes.
        generator_loss: ``source``, that of the source head; ``feature-matching`` in its place
            (`acgan.objectives.feature_matching`), for a G that is asked for no class.
    """

    title: ClassVar[str]
    reference: ClassVar[str]
    conditional: ClassVar[bool]
    cross_entropy_term: ClassVar[tuple[str, str] | None] = None
    name: str
    source_loss: SourceLossName = "bce"
    real_target: float = Field(1.0, gt=0, le=1)
    fake_target: float = Field(0.0, ge=0, lt=1)
    generator_loss: Literal["source", "feature-matching"] = "source"

    @property
    @abstractmethod
    def needs_classes(self) -> bool:
        """Whether it has a use for classes, of which there must then be two at least."""

    @property
    @abstractmethod
    def takes_unlabeled(self) -> bool:
        """Whether real images may be without a label.

        Their labels are then `acgan.objectives.classification.UNLABELED`.
        """

    def mean_cross_entropy(self, discriminator_terms: Mapping[str, float]) -> float | None:
        """Return the unweighted K-class cross-entropy among D's logged terms, or None."""
        if self.cross_entropy_term is None:
            return None
        term, field = self.cross_entropy_term
        value, weight = discriminator_terms.get(term), float(getattr(self, field))
        return value / weight if value is not None and weight else None

    @model_validator(mode="after")
    def _targets_fit_the_loss(self) -> Self:
        if self.fake_target >= self.real_target:
            raise ValueError("fake_target must be below real_target")
        smooth = (self.real_target, self.fake_target) != (1.0, 0.0)
        if smooth and not SOURCE_LOSSES[self.source_loss].smoothable:
            raise ValueError(
                f"{self.source_loss} knows no targets; leave real_target 1 and fake_target 0"
            )
        return self

    @model_validator(mode="after")
    def _means_fit_the_question(self) -> Self:
        if self.matches_features and self.conditional:
            raise ValueError(
                f"{self.name} asks G for classes, of which the means of features over all images "
                "say nothing; leave generator_loss 'source', or take the objective sgan or gan"
            )
        return self

    @property
    def matches_features(self) -> bool:
        """Whether G hears of mean features instead of the source head."""
        return self.generator_loss == "feature-matching"


@final
class SourceTerms:
    """The terms of a source loss, of weight 1."""

    def __init__(self, config: SourceConfig) -> None:
        self._loss = SOURCE_LOSSES[config.source_loss]
        self._real_target, self._fake_target = config.real_target, config.fake_target
        self._replaced_in_g = config.matches_features

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        """ℓ_real(s(x)) and ℓ_fake(s(G(z, y′)))."""
        return {
            "source_real": self._loss.real(real.source_logits, self._real_target),
            "source_fake": self._loss.fake(fake.source_logits, self._fake_target),
        }

    def generator(self, fake: DiscriminatorOutput) -> Terms:
        """ℓ_gen(s(G(z, y′))), G always aiming at 1; none where G matches features instead."""
        if self._replaced_in_g:
            return {}
        return {"source": self._loss.generator(fake.source_logits)}


class SourceAlone(Objective, ABC):
    """Base of the objectives whose only terms are the source loss's; their heads tell them apart.

    Where D is given labels, they are in its logits already.
    """

    def __init__(self, config: SourceConfig) -> None:
        self._source = SourceTerms(config)

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,  # noqa: ARG002
        fake_labels: Tensor,  # noqa: ARG002
    ) -> Terms:
        """ℓ_real(s) on reals, ℓ_fake(s) on fakes."""
        return self._source.discriminator(real, fake)

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:  # noqa: ARG002
        """ℓ_gen(s) on fakes."""
        return self._source.generator(fake)
