"""The source loss and its targets, common to all objectives; the base of their configurations.

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
from acgan.objectives.explanation import Explanation
from acgan.objectives.interface import Objective, Terms


class BaseObjectiveConfig(Config, ABC):
    """Base of the configurations of objectives.

    Attributes:
        explanations: texts for `acgan explain`: the objective, then variants of it.
        conditional: whether the generator receives a target class. Otherwise the run needs
            ``generator.conditioning.mode = "none"``.
        cross_entropy_term: the discriminator's term that is the cross-entropy over K classes on
            real images, and the field with its weight; None without such a term.
        name: of the objective.
        source_loss: loss of the source head; ``bce`` is non-saturating for the generator.
        real_target: discriminator target for real images; below 1 is one-sided label smoothing.
        fake_target: discriminator target for fake images.
        generator_loss: ``source``, the loss of the source head, or ``feature-matching`` in its
            place (`acgan.objectives.feature_matching`), for an unconditional generator.
    """

    explanations: ClassVar[tuple[Explanation, ...]]
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
        """Whether the objective needs data of at least two classes."""

    @property
    @abstractmethod
    def takes_unlabeled(self) -> bool:
        """Whether real images may be without a label.

        Their labels are then `acgan.objectives.classification.UNLABELED`.
        """

    @abstractmethod
    def build(self) -> Objective:
        """Return the objective."""

    def mean_cross_entropy(self, discriminator_terms: Mapping[str, float]) -> float | None:
        """Return the unweighted K-class cross-entropy among the logged terms, or None."""
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
                f"{self.source_loss} has no targets; leave real_target at 1 and fake_target at 0"
            )
        return self

    @model_validator(mode="after")
    def _feature_matching_is_unconditional(self) -> Self:
        if self.matches_features and self.conditional:
            raise ValueError(
                f"{self.name} has a conditional generator, and mean features over all images do "
                "not depend on the class; set generator_loss to 'source', or the objective to "
                "sgan or gan"
            )
        return self

    @property
    def matches_features(self) -> bool:
        """Whether feature matching replaces the generator's source loss."""
        return self.generator_loss == "feature-matching"


@final
class SourceTerms:
    """The terms of a source loss, with weight 1."""

    def __init__(self, config: BaseObjectiveConfig) -> None:
        self._loss = SOURCE_LOSSES[config.source_loss]
        self._real_target, self._fake_target = config.real_target, config.fake_target
        self._matches_features = config.matches_features

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        """Return ℓ_real(s(x)) and ℓ_fake(s(G(z, y′)))."""
        return {
            "source_real": self._loss.real(real.source_logits, self._real_target),
            "source_fake": self._loss.fake(fake.source_logits, self._fake_target),
        }

    def generator(self, fake: DiscriminatorOutput) -> Terms:
        """Return ℓ_gen(s(G(z, y′))) with target 1; no term if feature matching replaces it."""
        if self._matches_features:
            return {}
        return {"source": self._loss.generator(fake.source_logits)}


class SourceOnly(Objective, ABC):
    """Base of the objectives without class terms; they differ in their heads.

    If the discriminator receives labels, its source logits already depend on them.
    """

    def __init__(self, config: BaseObjectiveConfig) -> None:
        self._source = SourceTerms(config)

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,  # noqa: ARG002
        fake_labels: Tensor,  # noqa: ARG002
    ) -> Terms:
        """Return ℓ_real(s) for real images and ℓ_fake(s) for fake images."""
        return self._source.discriminator(real, fake)

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:  # noqa: ARG002
        """Return ℓ_gen(s) for fake images."""
        return self._source.generator(fake)
