"""Every objective, with its heads, against float64 references written from the formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.networks.heads import LinearHeads
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.cgan import CGANConfig
from acgan.objectives.gan import GANConfig
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.projection import ProjectionConfig
from acgan.objectives.reacgan import ReACGANConfig
from acgan.objectives.sgan import SGANConfig
from acgan.objectives.tac import TACConfig

from .float64_reference import CLASSES, FAKE_LABELS, Array, Integers, differences, reference

COUNT, FEATURES = 6, 3
REAL_LABELS = np.array([0, 1, 2, 3, 1, 0])

OBJECTIVES: dict[str, ObjectiveConfig] = {
    "gan": GANConfig(),
    "gan, smoothed": GANConfig(real_target=0.98, fake_target=0.02),
    "cgan": CGANConfig(),
    "cgan, smoothed": CGANConfig(real_target=0.98, fake_target=0.02),
    "cgan, projection": CGANConfig(source_head="projection", source_loss="hinge"),
    "sgan": SGANConfig(),
    "sgan, hinge": SGANConfig(source_loss="hinge", class_weight_real=0.3),
    "sgan, separate": SGANConfig(class_head="separate", class_weight_real=0.7),
    "acgan": ACGANConfig(class_weight_real=0.7, class_weight_fake=0.3, class_weight_generator=1.3),
    "acgan, smoothed": ACGANConfig(real_target=0.9, fake_target=0.05),
    "acgan, hinge": ACGANConfig(source_loss="hinge"),
    "acgan, projection": ACGANConfig(source_head="projection", class_weight_generator=0.4),
    "projection": ProjectionConfig(),
    "projection, hinge": ProjectionConfig(source_loss="hinge"),
    "projection, smoothed": ProjectionConfig(source_loss="least-squares", real_target=0.9),
    "adc": ADCConfig(),
    "adc, weighted": ADCConfig(
        class_weight_real=0.7, class_weight_fake=0.3, class_weight_generator=1.3
    ),
    "adc, hinge": ADCConfig(source_loss="hinge", class_weight_generator=0.5),
    "tac": TACConfig(),
    "tac, weighted": TACConfig(
        class_weight_real=0.7, class_weight_fake=0.2, twin_weight=0.3, class_weight_generator=1.3
    ),
    "reacgan": ReACGANConfig(embedding_size=5),
    "reacgan, weighted": ReACGANConfig(
        source_loss="hinge",
        embedding_size=2,
        class_weight_real=0.7,
        class_weight_generator=1.3,
        positive_margin=0.4,
        temperature=0.2,
    ),
}


@pytest.fixture(params=OBJECTIVES)
def config(request: pytest.FixtureRequest) -> ObjectiveConfig:
    return OBJECTIVES[request.param]


@pytest.fixture(params=[n for n, c in OBJECTIVES.items() if c.takes_unlabeled and c.name != "gan"])
def semi_supervised(request: pytest.FixtureRequest) -> ObjectiveConfig:
    """Of an objective that learns classes from a part of the real images."""
    return OBJECTIVES[request.param]


@pytest.fixture
def compared() -> dict[str, ObjectiveConfig]:
    """Every configuration that ``config`` takes on."""
    return OBJECTIVES


@pytest.fixture
def labels() -> tuple[Tensor, Tensor]:
    """Of the six real images and of the six fakes: four classes."""
    return torch.from_numpy(REAL_LABELS), torch.from_numpy(FAKE_LABELS)


@final
class ReferenceClassifier(nn.Module):
    """Heads on features as a trunk gives them: with the label beside them where it is joined."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self._joined = heads.source == "joined"
        self.heads = LinearHeads(heads, FEATURES + CLASSES * self._joined, CLASSES)

    def forward(self, features: Tensor, labels: Tensor) -> DiscriminatorOutput:
        if self._joined:
            one_hot = nn.functional.one_hot(labels, CLASSES).to(features)
            features = torch.cat([features, one_hot], dim=1)
        answer: DiscriminatorOutput = self.heads(features, labels)
        return answer


def a_world(objective: Objective, seed: int) -> tuple[ReferenceClassifier, dict[str, Array]]:
    """Heads with large random weights, features of reals and of fakes, as arrays too."""
    random = np.random.default_rng(seed)
    reference_classifier = ReferenceClassifier(objective.heads).double()
    with torch.no_grad():
        for parameter in reference_classifier.parameters():
            parameter.copy_(torch.from_numpy(random.normal(size=parameter.shape)))
    world = {
        name: p.detach().numpy().copy() for name, p in reference_classifier.heads.named_parameters()
    }
    for name in ("real", "fake"):
        world[name] = random.normal(size=(COUNT, FEATURES))
    return reference_classifier, world


Losses = Callable[..., tuple[Tensor, Tensor]]
"""(objective, judge, features of reals and of fakes, labels of both) -> (D's loss, G's loss)."""


def losses(
    objective: Objective,
    reference_classifier: nn.Module,
    real: Tensor,
    fake: Tensor,
    y: Tensor,
    fake_y: Tensor,
) -> tuple[Tensor, Tensor]:
    """As the training step calls an objective."""
    return (
        total(
            objective.discriminator(
                reference_classifier(real, y), reference_classifier(fake, fake_y), y, fake_y
            )
        ),
        total(objective.generator(reference_classifier(fake, fake_y), fake_y)),
    )


def total(terms: Terms) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def agrees(
    config: ObjectiveConfig,
    objective: Objective,
    losses: Losses = losses,
    *,
    seed: int = 0,
    real_labels: Integers = REAL_LABELS,
) -> None:
    """Values and every gradient of ``losses`` are the reference's."""
    reference_classifier, world = a_world(objective, seed)
    leaves = dict(reference_classifier.heads.named_parameters())
    for name in ("real", "fake"):
        leaves[name] = nn.Parameter(torch.from_numpy(world[name]))
    labels = (torch.from_numpy(real_labels), torch.from_numpy(FAKE_LABELS))
    ours = losses(objective, reference_classifier, leaves["real"], leaves["fake"], *labels)
    expected = reference(config, world, real_labels)
    assert [loss.item() for loss in ours] == pytest.approx(expected, rel=1e-12)
    slopes = differences(config, world, real_labels)
    for which, loss in enumerate(ours):
        gradients = torch.autograd.grad(
            loss, list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(leaves, gradients, strict=True):
            np.testing.assert_allclose(gradient, slopes[name][which], rtol=1e-6, atol=1e-8)


NewTerm = Callable[..., Tensor]


@final
class Altered(Objective):
    """An objective, some of whose terms are computed otherwise.

    Args:
        config: of the objective.
        discriminator: by the name of a term of D's, (real, fake, real labels, fake labels) -> term.
        generator: by the name of a term of G's, (fake, fake labels) -> term.
    """

    def __init__(
        self,
        config: ObjectiveConfig,
        discriminator: Mapping[str, NewTerm] | None = None,
        generator: Mapping[str, NewTerm] | None = None,
    ) -> None:
        self._inner = config.build()
        self._discriminator, self._generator = discriminator or {}, generator or {}

    @property
    def heads(self) -> Heads:
        return self._inner.heads

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        terms = self._inner.discriminator(real, fake, real_labels, fake_labels)
        new = {
            n: make(real, fake, real_labels, fake_labels) for n, make in self._discriminator.items()
        }
        return terms | new

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        terms = self._inner.generator(fake, fake_labels)
        return terms | {n: make(fake, fake_labels) for n, make in self._generator.items()}


@pytest.fixture
def altered() -> type[Altered]:
    return Altered


@pytest.fixture
def world() -> Callable[[Objective, int], tuple[ReferenceClassifier, dict[str, Array]]]:
    return a_world


@pytest.fixture
def right() -> Losses:
    return losses


@pytest.fixture
def compare() -> Callable[..., None]:
    return agrees
