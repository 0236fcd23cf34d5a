"""Wrong versions, each of which some program has: the comparison with the formulas catches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import pytest
from torch import Tensor, nn

from acgan.networks.heads import LinearHeads
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.projection import ProjectionConfig
from acgan.objectives.source import SourceTerms

Losses = Callable[..., tuple[Tensor, Tensor]]

WRONG_CALLS: dict[str, Callable[[Losses], Losses]] = {
    "labels swapped": lambda right: lambda o, h, x, f, y, t: right(o, h, x, f, t, y),
    "fakes told the real labels": lambda right: lambda o, h, x, f, y, t: right(o, h, x, f, y, y),
    "real and fake swapped in D": lambda right: (
        lambda o, h, x, f, y, t: (
            right(o, h, f, x, t, y)[0],
            right(o, h, x, f, y, t)[1],
        )
    ),
    "G's sign flipped": lambda right: lambda *call: (right(*call)[0], -right(*call)[1]),
    "G's fakes detached": lambda right: (
        lambda o, h, x, f, y, t: (
            right(o, h, x, f, y, t)[0],
            right(o, h, x, f.detach(), y, t)[1],
        )
    ),
}


NO_MATTER = {"gan": {"labels swapped", "fakes told the real labels"}}
NO_MATTER["sgan"] = {"fakes told the real labels"}
"""Of objectives that read no such labels."""


@pytest.mark.parametrize("mistake", WRONG_CALLS)
def test_a_wrong_call_is_caught(
    config: ObjectiveConfig, right: Losses, compare: Callable[..., None], mistake: str
) -> None:
    wrong = WRONG_CALLS[mistake](right)
    if mistake in NO_MATTER.get(config.name, ()):
        compare(config, config.build(), wrong)
        return
    with pytest.raises(AssertionError):
        compare(config, config.build(), wrong)


@final
class FaultyADC(Objective):
    """ADC with one mistake, or with none."""

    def __init__(self, mistake: str = "") -> None:
        self._mistake = mistake
        self._source = SourceTerms(ADCConfig())

    @property
    def heads(self) -> Heads:
        return Heads("plain", "paired")

    def _loss(self, output: DiscriminatorOutput, labels: Tensor, *, fake: bool) -> Tensor:
        logits = output.paired_logits
        assert logits is not None
        columns = 2 * labels + (fake != (self._mistake == "columns swapped"))
        if self._mistake == "K real columns, then K fake ones":
            columns = labels + logits.shape[1] // 2 * fake
        if self._mistake == "softmax before CrossEntropyLoss":
            logits = logits.softmax(dim=1)
        return nn.functional.cross_entropy(logits, columns)

    def discriminator(
        self,
        real: DiscriminatorOutput,
        fake: DiscriminatorOutput,
        real_labels: Tensor,
        fake_labels: Tensor,
    ) -> Terms:
        terms = self._source.discriminator(real, fake)
        terms["class_real"] = self._loss(real, real_labels, fake=False)
        terms["class_fake"] = self._loss(
            fake, fake_labels, fake=self._mistake != "fakes classed as real in D"
        )
        return terms

    def generator(self, fake: DiscriminatorOutput, fake_labels: Tensor) -> Terms:
        terms = self._source.generator(fake)
        as_real = self._loss(fake, fake_labels, fake=False)
        as_fake = self._loss(fake, fake_labels, fake=True)
        match self._mistake:
            case "second term forgotten in G":
                terms["class"] = as_real
            case "second term added in G":
                terms["class"] = as_real + as_fake
            case _:
                terms["class"] = as_real - as_fake
        return terms


@pytest.mark.parametrize(
    "mistake",
    [
        "columns swapped",
        "K real columns, then K fake ones",
        "softmax before CrossEntropyLoss",
        "fakes classed as real in D",
        "second term forgotten in G",
        "second term added in G",
    ],
)
def test_a_wrong_adc_is_caught(mistake: str, compare: Callable[..., None]) -> None:
    compare(ADCConfig(), FaultyADC())  # as it is without the mistake
    with pytest.raises(AssertionError):
        compare(ADCConfig(), FaultyADC(mistake))


@final
class FaultyHeads(nn.Module):
    """A projection with a mistake; takes the place of `LinearHeads`."""

    def __init__(self, right: LinearHeads, mistake: str) -> None:
        super().__init__()
        self._right, self._mistake = right, mistake

    def forward(self, features: Tensor, labels: Tensor) -> DiscriminatorOutput:
        answer = self._right(features, labels)
        assert self._right.projection_head is not None
        products = self._right.projection_head(features)
        own = products.gather(1, labels[:, None]).squeeze(1)
        psi = answer.source_logits - own
        wrong: dict[str, Any] = {
            "the label ignored": lambda: psi,
            "ψ forgotten": lambda: own,
            "summed over classes": lambda: psi + products.sum(dim=1),
            "a product instead of a sum": lambda: psi * own,
        }
        return DiscriminatorOutput(wrong[self._mistake](), answer.class_logits, features)


@pytest.mark.parametrize(
    "mistake",
    ["the label ignored", "ψ forgotten", "summed over classes", "a product instead of a sum"],
)
@pytest.mark.parametrize("config", [ProjectionConfig(), ACGANConfig(source_head="projection")])
def test_a_wrong_projection_is_caught(
    config: ObjectiveConfig, mistake: str, right: Losses, compare: Callable[..., None]
) -> None:
    def wrong(
        objective: Objective, reference_classifier: Any, *batch: Tensor
    ) -> tuple[Tensor, Tensor]:
        return right(objective, FaultyHeads(reference_classifier.heads, mistake), *batch)

    with pytest.raises(AssertionError):
        compare(config, config.build(), wrong)
