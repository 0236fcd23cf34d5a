"""GAN and CGAN: numbers worked out by hand, the equilibrium, what they ask of D, wrong versions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.cgan import CGANConfig
from acgan.objectives.gan import GANConfig

LABELS = torch.tensor([0, 1])
SOFT = {"real_target": 0.98, "fake_target": 0.02}


def output(*source: float) -> DiscriminatorOutput:
    logits = torch.tensor(source, dtype=torch.float64)
    return DiscriminatorOutput(logits, None, torch.zeros(len(source), 1))


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


@pytest.mark.parametrize("config", [GANConfig(), CGANConfig()])
def test_terms_worked_out_by_hand(config: ObjectiveConfig) -> None:
    objective, ln3 = config.build(), math.log(3)
    real, fake = output(ln3, -ln3), output(ln3, 0)  # chances of being real ¾, ¼ and ¾, ½
    terms = objective.discriminator(real, fake, LABELS, LABELS)
    assert values(terms) == pytest.approx(
        {
            "source_real": (math.log(4 / 3) + math.log(4)) / 2,
            "source_fake": (math.log(4) + math.log(2)) / 2,
        }
    )
    expected = {"source": (math.log(4 / 3) + math.log(2)) / 2}
    assert values(objective.generator(fake, LABELS)) == pytest.approx(expected)


def test_soft_targets_are_met_where_d_says_what_they_say() -> None:
    """D's loss is least, and its gradient 0, at P(real) = .98 for reals and .02 for fakes."""
    objective = GANConfig(**SOFT).build()
    sure = math.log(0.98 / 0.02)
    real, fake = output(sure, sure), output(-sure, -sure)
    for each in (real, fake):
        each.source_logits.requires_grad_()
    terms = objective.discriminator(real, fake, LABELS, LABELS)
    entropy = -0.98 * math.log(0.98) - 0.02 * math.log(0.02)
    assert values(terms) == pytest.approx({"source_real": entropy, "source_fake": entropy})
    total = torch.stack(list(terms.values())).sum()
    for gradient in torch.autograd.grad(total, [real.source_logits, fake.source_logits]):
        torch.testing.assert_close(gradient, torch.zeros(2, dtype=torch.float64))


def test_at_the_equilibrium_d_cannot_do_better_than_a_coin() -> None:
    """Where reals and fakes are alike, the best single answer is s = 0, with soft targets too."""
    for config in (GANConfig(), GANConfig(**SOFT)):
        objective = config.build()

        def loss(s: float, objective: Any = objective) -> float:
            terms = objective.discriminator(output(s, s), output(s, s), LABELS, LABELS)
            return sum(values(terms).values())

        assert loss(0) == pytest.approx(2 * math.log(2))
        assert min(loss(0.01), loss(-0.01)) > loss(0)


def _source(target: float) -> Callable[[DiscriminatorOutput], Tensor]:
    def loss(output: DiscriminatorOutput) -> Tensor:
        logits = output.source_logits
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    return loss


@pytest.mark.parametrize("kind", [GANConfig, CGANConfig])
def test_wrong_targets_are_caught(
    kind: type[GANConfig | CGANConfig], compare: Callable[..., None], altered: Any
) -> None:
    config = kind(**SOFT)
    compare(config, altered(config, generator={"source": lambda f, _: _source(1.0)(f)}))
    wrong: dict[str, dict[str, Any]] = {
        "G aims at the soft target": {"generator": {"source": lambda f, _: _source(0.98)(f)}},
        "G aims at fake": {"generator": {"source": lambda f, _: _source(0.0)(f)}},
        "G's loss saturates": {
            "generator": {"source": lambda f, _: F.logsigmoid(-f.source_logits).mean()}
        },
        "one-sided only": {"discriminator": {"source_fake": lambda r, f, *_: _source(0.0)(f)}},
        "softened twice": {
            "discriminator": {"source_real": lambda r, f, *_: _source(0.98 * 0.98 + 0.02)(r)}
        },
    }
    for mistake in wrong.values():
        with pytest.raises(AssertionError):
            compare(config, altered(config, **mistake))


def test_a_discriminator_of_a_cgan_that_ignores_the_label_is_caught(
    compare: Callable[..., None], right: Callable[..., Any]
) -> None:
    """Given the same label for every image, or for fakes what the real batch shows."""
    config = CGANConfig()
    objective = config.build()
    compare(config, objective)
    for wrong in (
        lambda o, j, x, f, y, t: right(o, j, x, f, y * 0, t * 0),
        lambda o, j, x, f, y, t: right(o, j, x, f, y, y),
    ):
        with pytest.raises(AssertionError):
            compare(config, objective, wrong)


def test_what_they_ask_of_d_and_of_the_data() -> None:
    assert GANConfig().build().heads == Heads("plain", "none")
    assert CGANConfig().build().heads == Heads("joined", "none")
    projection = CGANConfig(source_head="projection").build()
    assert projection.heads == Heads("projection", "none")
    gan, cgan = GANConfig(), CGANConfig()
    assert (gan.conditional, gan.needs_classes, gan.takes_unlabeled) == (False, False, True)
    assert (cgan.conditional, cgan.needs_classes, cgan.takes_unlabeled) == (True, True, False)
