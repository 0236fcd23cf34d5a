"""ADC-GAN: numbers worked out by hand, weights, and what G's term rewards."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from acgan.networks.heads import class_logits_of_pairs
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.adc import ADC, ADCConfig, log_odds_of_real

LABELS = torch.tensor([1, 0])
LN3 = math.log(3)


def output(pairs: list[list[float]], source: float = 0.0) -> DiscriminatorOutput:
    logits = torch.tensor(pairs, dtype=torch.float64)
    return DiscriminatorOutput(
        torch.full((len(logits),), source, dtype=torch.float64),
        class_logits_of_pairs(logits),
        torch.zeros(len(logits), 1),
        logits,
    )


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def test_terms_worked_out_by_hand() -> None:
    # Columns: real 0, fake 0, real 1, fake 1; chances 3/6 where ln 3 stands, 1/6 elsewhere.
    real = output([[0, 0, LN3, 0], [LN3, 0, 0, 0]])
    fake = output([[0, 0, 0, LN3], [0, 0, LN3, 0]])
    terms = ADC(ADCConfig()).discriminator(real, fake, LABELS, LABELS)
    assert values(terms) == pytest.approx(
        {
            "source_real": math.log(2),
            "source_fake": math.log(2),
            "class_real": math.log(2),  # −ln ½, twice
            "class_fake": (math.log(2) + math.log(6)) / 2,  # −ln ½ and −ln ⅙
        }
    )
    # −ln ⅙ + ln ½ = ln 3 for the first fake; the second is as much a real 0 as a fake 0.
    terms = ADC(ADCConfig()).generator(fake, LABELS)
    assert values(terms) == pytest.approx({"source": math.log(2), "class": LN3 / 2})


def test_g_s_term_is_the_difference_of_two_cross_entropies() -> None:
    fake = output(torch.randn(2, 10, generator=torch.Generator().manual_seed(0)).tolist())
    assert fake.paired_logits is not None
    log_chances = fake.paired_logits.log_softmax(dim=1)
    as_real = -log_chances[torch.arange(2), 2 * LABELS].mean()
    as_fake = -log_chances[torch.arange(2), 2 * LABELS + 1].mean()
    torch.testing.assert_close(-log_odds_of_real(fake, LABELS), as_real - as_fake)
    terms = ADC(ADCConfig(class_weight_generator=0.25)).generator(fake, LABELS)
    torch.testing.assert_close(terms["class"], 0.25 * (as_real - as_fake))


def test_g_is_pushed_to_real_of_its_class_and_nowhere_else() -> None:
    """−1/N on "real y", +1/N on "fake y"; other classes get nothing: they are no matter of G."""
    fake = output([[0.3, -1, 2, 0.1], [1, 0, 0, 3]])
    assert fake.paired_logits is not None
    fake.paired_logits.requires_grad_()
    ADC(ADCConfig()).generator(fake, LABELS)["class"].backward()  # type: ignore[no-untyped-call]
    expected = torch.tensor([[0, 0, -0.5, 0.5], [-0.5, 0.5, 0, 0]], dtype=torch.float64)
    assert fake.paired_logits.grad is not None
    torch.testing.assert_close(fake.paired_logits.grad, expected)


def test_where_d_cannot_tell_them_apart_g_pays_nothing() -> None:
    """However sure D is of the class: ACGAN would go on to reward surer images."""
    for sure in (0.0, 5.0, 50.0):
        fake = output([[0, 0, sure, sure], [sure, sure, 0, 0]])
        assert ADC(ADCConfig()).generator(fake, LABELS)["class"].item() == 0


@pytest.mark.parametrize(
    ("weight", "network", "term"),
    [
        ("class_weight_real", "discriminator", "class_real"),
        ("class_weight_fake", "discriminator", "class_fake"),
        ("class_weight_generator", "generator", "class"),
    ],
)
def test_a_weight_scales_its_own_term_and_zero_removes_it(
    weight: str, network: str, term: str
) -> None:
    real, fake = output([[0, 0, LN3, 0], [1, 0, 0, 0]]), output([[0, 2, 0, LN3], [0, 0, LN3, 0]])

    def terms(value: float) -> dict[str, float]:
        objective = ADC(ADCConfig.model_validate({weight: value}))
        if network == "generator":
            return values(objective.generator(fake, LABELS))
        return values(objective.discriminator(real, fake, LABELS, LABELS))

    plain = terms(1.0)
    assert terms(0.25) == {**plain, term: pytest.approx(0.25 * plain[term])}
    assert terms(0.0) == {name: value for name, value in plain.items() if name != term}


def test_a_discriminator_without_a_paired_head_is_refused() -> None:
    plain = DiscriminatorOutput(torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="paired class head"):
        ADC(ADCConfig()).discriminator(plain, plain, LABELS, LABELS)
    with pytest.raises(ValueError, match="paired class head"):
        ADC(ADCConfig()).generator(plain, LABELS)


def test_it_asks_for_a_paired_head() -> None:
    assert ADC(ADCConfig()).heads == Heads(source="plain", classes="paired")
