"""SGAN: numbers worked out by hand, the papers' K + 1 classes, and wrong versions of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.networks.heads import source_of_k_plus_one
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import UNLABELED
from acgan.objectives.sgan import SGAN, SGANConfig

LABELS = torch.tensor([1, UNLABELED])
LN3 = math.log(3)


def output(rows: list[list[float]]) -> DiscriminatorOutput:
    """Of K + 1 logits."""
    logits, source = source_of_k_plus_one(torch.tensor(rows, dtype=torch.float64))
    return DiscriminatorOutput(source, logits, torch.zeros(len(rows), 1))


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def test_terms_worked_out_by_hand() -> None:
    # Chances: class 0, class 1, fake. A real 1: ⅕, ⅗, ⅕; an unlabeled real: ⅓ each.
    real = output([[0, LN3, 0], [0, 0, 0]])
    fake = output([[0, 0, LN3], [0, 0, 0]])  # ⅕, ⅕, ⅗, and ⅓ each
    objective = SGAN(SGANConfig())
    terms = objective.discriminator(real, fake, LABELS, torch.tensor([0, 0]))
    assert values(terms) == pytest.approx(
        {
            "source_real": (math.log(5 / 4) + math.log(3 / 2)) / 2,  # not fake
            "source_fake": (math.log(5 / 3) + math.log(3)) / 2,  # fake
            "class_real": math.log(4 / 3),  # of the first alone: ⅗ of the ⅘ that are real
        }
    )
    expected = {"source": (math.log(5 / 2) + math.log(3 / 2)) / 2}
    assert values(objective.generator(fake, torch.tensor([0, 0]))) == pytest.approx(expected)


def test_class_and_source_of_a_labeled_image_are_together_its_chance_among_k_and_fake() -> None:
    """−log P(y | x) = −log P(y | x, real) − log P(real | x) (Salimans et al. 2016, §5)."""
    rows = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 3, 1, 2, 2, 0, 1])
    real = output(rows.tolist())
    terms = SGAN(SGANConfig()).discriminator(real, real, labels, labels)
    joint = F.cross_entropy(rows, labels)
    torch.testing.assert_close(terms["class_real"] + terms["source_real"], joint)
    as_fake = F.cross_entropy(rows, torch.full((7,), 4))
    torch.testing.assert_close(terms["source_fake"], as_fake)


@pytest.mark.parametrize("kind", ["k-plus-one", "separate"])
def test_no_label_of_a_fake_matters(kind: str) -> None:
    objective = SGAN(SGANConfig.model_validate({"class_head": kind}))
    real, fake = output([[0, LN3, 0], [0, 0, 0]]), output([[0, 0, LN3], [0, 1, 0]])
    found = [
        values(objective.discriminator(real, fake, LABELS, labels))
        | values(objective.generator(fake, labels))
        for labels in (torch.tensor([0, 1]), torch.full((2,), UNLABELED))
    ]
    assert found[0] == found[1]


def test_the_weight_scales_the_class_term_and_zero_removes_it() -> None:
    real = output([[0, LN3, 0], [0, 0, 0]])
    for weight in (1.0, 0.25):
        objective = SGAN(SGANConfig(class_weight_real=weight))
        term = objective.discriminator(real, real, LABELS, LABELS)["class_real"].item()
        assert term == pytest.approx(weight * math.log(4 / 3))
    terms = SGAN(SGANConfig(class_weight_real=0)).discriminator(real, real, LABELS, LABELS)
    assert terms.keys() == {"source_real", "source_fake"}


def _logits(output: DiscriminatorOutput) -> Tensor:
    """The K + 1 logits, from K and the source logit."""
    logits = output.class_logits
    assert logits is not None
    last = logits.logsumexp(dim=1) - output.source_logits
    return torch.cat([logits, last[:, None]], dim=1)


def _unsure(output: DiscriminatorOutput) -> DiscriminatorOutput:
    return replace(output, source_logits=-output.source_logits)


def _called(output: DiscriminatorOutput, column: int) -> Tensor:
    rows = _logits(output)
    return F.cross_entropy(rows, torch.full((len(rows),), column))


MISTAKES: dict[str, dict[str, Any]] = {
    "the fake logit on the wrong side": {
        "discriminator": {
            "source_real": lambda r, f, *_: F.softplus(-_unsure(r).source_logits).mean(),
            "source_fake": lambda r, f, *_: F.softplus(_unsure(f).source_logits).mean(),
        }
    },
    "the first class is fake": {"discriminator": {"source_fake": lambda r, f, *_: _called(f, 0)}},
    "K + 1 in the class term, so that real counts twice": {
        "discriminator": {"class_real": lambda r, f, y, t: F.cross_entropy(_logits(r), y)}
    },
    "softmax before CrossEntropyLoss": {
        "discriminator": {
            "class_real": lambda r, f, y, t: F.cross_entropy(r.class_logits.softmax(1), y)
        }
    },
    "fakes learn the class that was asked for": {
        "discriminator": {
            "class_real": lambda r, f, y, t: (
                F.cross_entropy(r.class_logits, y) + F.cross_entropy(f.class_logits, t)
            )
        }
    },
    "G only leaves fake's logit, for the mean of the others": {
        "generator": {
            "source": lambda f, t: F.softplus(_logits(f)[:, -1] - f.class_logits.mean(1)).mean()
        }
    },
    "G's loss saturates": {
        "generator": {"source": lambda f, t: F.logsigmoid(-f.source_logits).mean()}
    },
}


def test_what_the_mistakes_are_made_of_is_right(compare: Callable[..., None], altered: Any) -> None:
    right = {
        "discriminator": {
            "source_fake": lambda r, f, *_: _called(f, 4),
            "class_real": lambda r, f, y, t: F.cross_entropy(_logits(r)[:, :-1], y),
        }
    }
    compare(SGANConfig(), altered(SGANConfig(), **right))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_sgan_is_caught(mistake: str, compare: Callable[..., None], altered: Any) -> None:
    with pytest.raises(AssertionError):
        compare(SGANConfig(), altered(SGANConfig(), **MISTAKES[mistake]))


def test_what_it_asks_of_d_and_of_the_data() -> None:
    assert SGAN(SGANConfig()).heads == Heads("plain", "k-plus-one")
    assert SGAN(SGANConfig(class_head="separate")).heads == Heads("plain", "plain")
    config = SGANConfig()
    assert (config.conditional, config.needs_classes, config.takes_unlabeled) == (
        False,
        True,
        True,
    )
    assert not SGANConfig(class_weight_real=0).needs_classes
