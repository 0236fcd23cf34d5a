"""TAC-GAN: numbers worked out by hand, weights, what the twin is for, and wrong versions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.classification import class_loss
from acgan.objectives.tac import TAC, TACConfig, twin_loss

LABELS = torch.tensor([1, 0])
LN3 = math.log(3)


def output(classes: list[list[float]], twins: list[list[float]]) -> DiscriminatorOutput:
    rows = [torch.tensor(each, dtype=torch.float64) for each in (classes, twins)]
    source = torch.zeros(len(classes), dtype=torch.float64)
    return DiscriminatorOutput(source, rows[0], torch.zeros(len(classes), 1), twin_logits=rows[1])


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


REAL = output([[0, LN3], [0, 0]], [[5, 0], [0, 5]])
FAKE = output([[LN3, 0], [0, 0]], [[0, LN3], [LN3, 0]])


def test_terms_worked_out_by_hand() -> None:
    objective = TAC(TACConfig())
    assert values(objective.discriminator(REAL, FAKE, LABELS, LABELS)) == pytest.approx(
        {
            "source_real": math.log(2),
            "source_fake": math.log(2),
            "class_real": (math.log(4 / 3) + math.log(2)) / 2,  # −ln ¾, −ln ½
            "twin_fake": math.log(4 / 3),  # −ln ¾, twice
        }
    )
    assert values(objective.generator(FAKE, LABELS)) == pytest.approx(
        {
            "source": math.log(2),
            "class": (math.log(4) + math.log(2)) / 2,  # −ln ¼, −ln ½
            "twin": -math.log(4 / 3),
        }
    )


def test_where_both_heads_say_the_same_g_pays_nothing_however_sure_they_are() -> None:
    """ACGAN would go on to reward images of which the head is surer."""
    for sure in (0.0, 1.0, 10.0):
        rows = [[0, sure], [sure, 0]]
        terms = TAC(TACConfig()).generator(output(rows, rows), LABELS)
        assert (terms["class"] + terms["twin"]).item() == 0


def test_the_twin_hears_of_fakes_alone_and_the_first_head_of_reals_alone() -> None:
    terms = TAC(TACConfig()).discriminator(REAL, FAKE, LABELS, LABELS)
    other = output([[9, 9], [9, 0]], [[1, 2], [3, 4]])
    with_other_twin = DiscriminatorOutput(
        REAL.source_logits, REAL.class_logits, REAL.features, twin_logits=other.twin_logits
    )
    with_other_classes = DiscriminatorOutput(
        FAKE.source_logits, other.class_logits, FAKE.features, twin_logits=FAKE.twin_logits
    )
    same = TAC(TACConfig()).discriminator(with_other_twin, with_other_classes, LABELS, LABELS)
    assert values(terms) == values(same)


@pytest.mark.parametrize(
    ("weight", "network", "names"),
    [
        ("class_weight_real", "discriminator", ["class_real"]),
        ("class_weight_fake", "discriminator", ["class_fake"]),
        ("twin_weight", "discriminator", ["twin_fake"]),
        ("class_weight_generator", "generator", ["class", "twin"]),
    ],
)
def test_a_weight_scales_its_own_terms_and_zero_removes_them(
    weight: str, network: str, names: list[str]
) -> None:
    def terms(value: float) -> dict[str, float]:
        objective = TAC(TACConfig.model_validate({weight: value}))
        if network == "generator":
            return values(objective.generator(FAKE, LABELS))
        return values(objective.discriminator(REAL, FAKE, LABELS, LABELS))

    plain = terms(1.0)
    scaled = {name: pytest.approx(0.25 * plain[name]) for name in names}
    assert terms(0.25) == {**plain, **scaled}
    assert terms(0.0) == {name: value for name, value in plain.items() if name not in names}


def _doubled(logits: Tensor | None, labels: Tensor) -> Tensor:
    assert logits is not None
    return F.cross_entropy(logits.softmax(dim=1), labels)


MISTAKES: dict[str, dict[str, Any]] = {
    "the twin trained on reals": {
        "discriminator": {"twin_fake": lambda r, f, y, t: twin_loss(r, y)}
    },
    "the twin told the real labels": {
        "discriminator": {"twin_fake": lambda r, f, y, t: twin_loss(f, y)}
    },
    "the first head trained on fakes": {
        "discriminator": {"class_real": lambda r, f, y, t: class_loss(f, t)}
    },
    "the twin fights G in D": {"discriminator": {"twin_fake": lambda r, f, y, t: -twin_loss(f, t)}},
    "the twin forgotten in G": {"generator": {"twin": lambda f, t: torch.zeros(())}},
    "the twin added in G": {"generator": {"twin": twin_loss}},
    "the heads exchanged in G": {
        "generator": {
            "class": lambda f, t: -class_loss(f, t),
            "twin": twin_loss,
        }
    },
    "the twin's term detached in G": {
        "generator": {"twin": lambda f, t: -twin_loss(f, t).detach()}
    },
    "softmax before CrossEntropyLoss in the twin": {
        "discriminator": {"twin_fake": lambda r, f, y, t: _doubled(f.twin_logits, t)}
    },
    "softmax before CrossEntropyLoss in G": {
        "generator": {"class": lambda f, t: _doubled(f.class_logits, t)}
    },
}


def test_what_the_mistakes_are_made_of_is_right(compare: Callable[..., None], altered: Any) -> None:
    right = {
        "discriminator": {"twin_fake": lambda r, f, y, t: twin_loss(f, t)},
        "generator": {"twin": lambda f, t: -twin_loss(f, t)},
    }
    compare(TACConfig(), altered(TACConfig(), **right))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_tac_is_caught(mistake: str, compare: Callable[..., None], altered: Any) -> None:
    with pytest.raises(AssertionError):
        compare(TACConfig(), altered(TACConfig(), **MISTAKES[mistake]))


def test_a_discriminator_without_twins_is_refused() -> None:
    plain = DiscriminatorOutput(torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="twin class heads"):
        TAC(TACConfig()).discriminator(plain, plain, LABELS, LABELS)
    with pytest.raises(ValueError, match="twin class heads"):
        TAC(TACConfig()).generator(plain, LABELS)


def test_what_it_asks_of_d_and_of_the_data() -> None:
    assert TAC(TACConfig()).heads == Heads("plain", "twin")
    config = TACConfig()
    assert (config.conditional, config.needs_classes, config.takes_unlabeled) == (
        True,
        True,
        False,
    )
    assert not TACConfig(class_weight_generator=0).needs_classes
