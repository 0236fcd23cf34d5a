"""The popular scripts' mistakes, kept: each claim that holds for our losses must fail for them.

A claim is one assertion about a loss. `test_ours_keeps_the_claim` runs it on our code,
`test_the_claim_catches_the_bug` on the wrong version, so no claim can be vacuous.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.interface import Objective, Terms

CLASSES = 10
LABELS = torch.arange(CLASSES)
OTHER_LABELS = LABELS.flip(0)  # for no class the same


@final
class Faulty(Objective):
    """ACGAN as the popular scripts have it, with one of their mistakes."""

    def __init__(self, mistake: str = "") -> None:
        self._mistake = mistake

    @property
    def heads(self) -> Heads:
        return Heads()

    def _source(self, logits: Tensor, target: float) -> Tensor:
        targets = torch.full_like(logits, target)
        if self._mistake == "sigmoid before BCEWithLogits":
            logits = logits.sigmoid()
        if self._mistake == "sigmoid, then BCELoss":
            return F.binary_cross_entropy(logits.sigmoid(), targets)
        return F.binary_cross_entropy_with_logits(logits, targets)

    def _classes(self, output: DiscriminatorOutput, labels: Tensor) -> Tensor:
        logits = output.class_logits
        assert logits is not None
        if self._mistake == "softmax before CrossEntropyLoss":
            logits = logits.softmax(dim=1)
        return F.cross_entropy(logits, labels)

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        if self._mistake == "real and fake swapped":
            real, fake = fake, real
            real_labels, fake_labels = fake_labels, real_labels
        if self._mistake == "labels swapped":
            real_labels, fake_labels = fake_labels, real_labels
        return {
            "source_real": self._source(real.source_logits, 1.0),
            "source_fake": self._source(fake.source_logits, 0.0),
            "class_real": self._classes(real, real_labels),
            "class_fake": self._classes(fake, fake_labels),
        }

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        if self._mistake == "G's loss saturates":
            source = F.logsigmoid(-fake.source_logits).mean()  # log(1 − σ(s))
        elif self._mistake == "G aims at fake":
            source = self._source(fake.source_logits, 0.0)
        else:
            source = self._source(fake.source_logits, 1.0)
        return {"source": source, "class": self._classes(fake, fake_labels)}


def answer(source: float, labels: Tensor, confidence: float = 50.0) -> DiscriminatorOutput:
    """D's answer to one image of each class: source logit and confident right class logits."""
    logits = torch.full((CLASSES,), source, requires_grad=True)
    classes = confidence * F.one_hot(labels, CLASSES).float()
    return DiscriminatorOutput(logits, classes, torch.zeros(CLASSES, 1))


def total(terms: Terms) -> float:
    return sum(term.item() for term in terms.values())


def confident_and_right_costs_nothing(objective: Objective) -> None:
    """D and G that are sure and right lose about 0: reals up, fakes down, each its own labels."""
    real, fake = answer(50.0, LABELS), answer(-50.0, OTHER_LABELS)
    assert total(objective.discriminator(real, fake, LABELS, OTHER_LABELS)) < 1e-6
    assert total(objective.generator(answer(50.0, LABELS), LABELS)) < 1e-6


def confident_and_wrong_costs_its_logit(objective: Objective) -> None:
    """No clamp and no saturation: a source logit wrong by 1000 costs 1000, in D and in G."""
    terms = objective.discriminator(answer(-1e3, LABELS), answer(1e3, LABELS), LABELS, LABELS)
    assert terms["source_real"].item() == pytest.approx(1e3)
    assert terms["source_fake"].item() == pytest.approx(1e3)
    terms = objective.generator(answer(-1e3, LABELS), LABELS)
    assert terms["source"].item() == pytest.approx(1e3)


def a_losing_generator_still_learns(objective: Objective) -> None:
    """Where D is sure that G's images are fake, G's gradient is at its largest: −1/N a logit."""
    fake = answer(-30.0, LABELS)
    source = objective.generator(fake, LABELS)["source"]
    (gradient,) = torch.autograd.grad(source, fake.source_logits)
    torch.testing.assert_close(gradient, torch.full((CLASSES,), -1 / CLASSES))


Claim = Callable[[Objective], None]

CAUGHT: dict[str, Claim] = {
    "softmax before CrossEntropyLoss": confident_and_right_costs_nothing,
    "sigmoid before BCEWithLogits": confident_and_right_costs_nothing,
    "sigmoid, then BCELoss": confident_and_wrong_costs_its_logit,
    "real and fake swapped": confident_and_right_costs_nothing,
    "labels swapped": confident_and_right_costs_nothing,
    "G aims at fake": confident_and_right_costs_nothing,
    "G's loss saturates": a_losing_generator_still_learns,
}


@pytest.mark.parametrize("claim", dict.fromkeys(CAUGHT.values()))
@pytest.mark.parametrize("class_weight_fake", [0.0, 1.0])
def test_ours_keeps_the_claim(claim: Claim, class_weight_fake: float) -> None:
    claim(ACGAN(ACGANConfig(class_weight_fake=class_weight_fake)))


@pytest.mark.parametrize("claim", dict.fromkeys(CAUGHT.values()))
def test_the_scripts_keep_the_claim_without_their_mistake(claim: Claim) -> None:
    claim(Faulty())


@pytest.mark.parametrize(("mistake", "claim"), CAUGHT.items())
def test_the_claim_catches_the_bug(mistake: str, claim: Claim) -> None:
    with pytest.raises(AssertionError):
        claim(Faulty(mistake))


def test_softmax_twice_confines_the_loss_and_ours_is_not_confined() -> None:
    """The best and the worst answer that exist cost 1.461 and 2.461 for ten classes, if doubled."""
    for label, doubled, ours in ((0, 1.461, 0.0), (1, 2.461, 50.0)):
        right = answer(0.0, torch.zeros(CLASSES, dtype=torch.int64))
        labels = torch.full((CLASSES,), label)
        wrong_version = Faulty("softmax before CrossEntropyLoss").generator(right, labels)["class"]
        assert wrong_version.item() == pytest.approx(doubled, abs=5e-4)
        correct = ACGAN(ACGANConfig()).generator(right, labels)["class"]
        assert correct.item() == pytest.approx(ours, abs=5e-4)


def d_step_reaches_d_alone(*, detach: bool) -> None:
    """D's terms, as `Objective.discriminator` wants to be called, give every gradient to D."""
    torch.manual_seed(0)
    generator, discriminator = nn.Linear(2, 3), nn.Linear(3, 1 + CLASSES)

    def reference_classifier(images: Tensor) -> DiscriminatorOutput:
        logits = discriminator(images)
        return DiscriminatorOutput(logits[:, 0], logits[:, 1:], images)

    fakes = generator(torch.randn(CLASSES, 2))
    terms = ACGAN(ACGANConfig(class_weight_fake=1)).discriminator(
        reference_classifier(torch.randn(CLASSES, 3)),
        reference_classifier(fakes.detach() if detach else fakes),
        LABELS,
        LABELS,
    )
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in discriminator.parameters())
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_a_d_step_reaches_d_alone() -> None:
    d_step_reaches_d_alone(detach=True)


def test_a_forgotten_detach_is_caught() -> None:
    with pytest.raises(AssertionError):
        d_step_reaches_d_alone(detach=False)


def test_the_objective_itself_detaches_nothing() -> None:
    """Else G would learn nothing: every logit of a fake gets a gradient from G's terms."""
    fake = answer(0.0, LABELS, confidence=1.0)
    assert fake.class_logits is not None
    classes = fake.class_logits.requires_grad_()
    terms = ACGAN(ACGANConfig()).generator(fake, OTHER_LABELS)
    gradients = torch.autograd.grad(list(terms.values()), (fake.source_logits, classes))
    assert all((gradient != 0).all() for gradient in gradients)
