"""The ACGAN objective: values by naive float64 lines and by hand, gradients, weights, targets."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from acgan.config import validate
from acgan.errors import UsageError
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.adversarial import SOURCE_LOSSES, SourceLossName
from acgan.objectives.classification import class_loss

REAL, FAKE, CLASSES = 5, 3, 4  # of different number, so that mixing them up cannot go unnoticed
REAL_LABELS = torch.tensor([0, 1, 2, 3, 1])
FAKE_LABELS = torch.tensor([3, 0, 0])


def output(
    source: Tensor, classes: Tensor | None = None, *, requires_grad: bool = False
) -> DiscriminatorOutput:
    if requires_grad:
        source.requires_grad_()
        _ = classes.requires_grad_() if classes is not None else None
    return DiscriminatorOutput(source, classes, features=torch.zeros(len(source), 1))


def random_output(count: int, seed: int, *, requires_grad: bool = False) -> DiscriminatorOutput:
    stream = torch.Generator().manual_seed(seed)
    source = torch.randn(count, generator=stream, dtype=torch.float64) * 2
    classes = torch.randn(count, CLASSES, generator=stream, dtype=torch.float64) * 2
    return output(source, classes, requires_grad=requires_grad)


def logits_of(answer: DiscriminatorOutput) -> tuple[Tensor, Tensor]:
    assert answer.class_logits is not None
    return answer.source_logits, answer.class_logits


def naive_class_loss(answer: DiscriminatorOutput, labels: Tensor) -> float:
    """−log(e^{c_y} / Σ e^{c_k}), averaged, in plain Python."""
    rows = logits_of(answer)[1].tolist()
    losses = [
        -math.log(math.exp(row[y]) / sum(math.exp(c) for c in row))
        for row, y in zip(rows, labels.tolist(), strict=True)
    ]
    return sum(losses) / len(losses)


def naive_bce(answer: DiscriminatorOutput, target: float) -> float:
    chances = [1 / (1 + math.exp(-s)) for s in answer.source_logits.tolist()]
    losses = [-(target * math.log(p) + (1 - target) * math.log(1 - p)) for p in chances]
    return sum(losses) / len(losses)


def test_class_loss_is_the_naive_line() -> None:
    answer = random_output(REAL, seed=1)
    expected = naive_class_loss(answer, REAL_LABELS)
    assert class_loss(answer, REAL_LABELS).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("logits", "label", "expected"),
    [
        ([0.0, 0.0], 0, 0.693147),  # ln 2
        ([math.log(3), 0.0], 0, 0.287682),  # −ln ¾
        ([math.log(3), 0.0], 1, 1.386294),  # −ln ¼
        ([0.0] * 10, 7, 2.302585),  # ln 10
    ],
)
def test_class_loss_worked_out_by_hand(logits: list[float], label: int, expected: float) -> None:
    answer = output(torch.zeros(1), torch.tensor([logits], dtype=torch.float64))
    assert class_loss(answer, torch.tensor([label])).item() == pytest.approx(expected, abs=1e-6)


def test_class_gradient_is_softmax_minus_one_hot() -> None:
    answer = random_output(REAL, seed=2, requires_grad=True)
    _, classes = logits_of(answer)
    (gradient,) = torch.autograd.grad(class_loss(answer, REAL_LABELS), classes)
    one_hot = torch.nn.functional.one_hot(REAL_LABELS, CLASSES)
    torch.testing.assert_close(gradient, (classes.softmax(1) - one_hot) / REAL)


def test_class_loss_without_a_class_head_is_refused() -> None:
    with pytest.raises(ValueError, match="class head"):
        class_loss(output(torch.zeros(2)), torch.tensor([0, 1]))


@settings(deadline=None)
@given(shift=st.floats(-1e3, 1e3), seed=st.integers(0, 1000))
def test_class_loss_ignores_a_common_shift_and_is_positive(shift: float, seed: int) -> None:
    answer = random_output(FAKE, seed)
    source, classes = logits_of(answer)
    value = class_loss(answer, FAKE_LABELS).item()
    assert value > 0
    shifted = class_loss(output(source, classes + shift), FAKE_LABELS).item()
    assert shifted == pytest.approx(value, abs=1e-9)


def test_discriminator_terms_are_the_paper_s() -> None:
    real, fake = random_output(REAL, seed=3), random_output(FAKE, seed=4)
    terms = ACGAN(ACGANConfig(class_weight_fake=1.0)).discriminator(
        real, fake, REAL_LABELS, FAKE_LABELS
    )
    expected = {
        "source_real": naive_bce(real, 1),
        "source_fake": naive_bce(fake, 0),
        "class_real": naive_class_loss(real, REAL_LABELS),
        "class_fake": naive_class_loss(fake, FAKE_LABELS),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-12)


def test_generator_terms_are_the_paper_s_but_do_not_saturate() -> None:
    fake = random_output(FAKE, seed=5)
    terms = ACGAN(ACGANConfig()).generator(fake, FAKE_LABELS)
    expected = {"source": naive_bce(fake, 1), "class": naive_class_loss(fake, FAKE_LABELS)}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-12)


def test_the_total_worked_out_by_hand() -> None:
    real = output(torch.tensor([2.0]), torch.tensor([[math.log(3), 0.0]]))
    fake = output(torch.tensor([-2.0]), torch.tensor([[0.0, 0.0]]))
    objective = ACGAN(
        ACGANConfig(class_weight_real=2, class_weight_fake=0.5, class_weight_generator=0.1)
    )
    zero = torch.tensor([0])
    # D: ln(1 + e⁻²) on each source, −ln ¾ twice, half of ln 2.
    total = sum(objective.discriminator(real, fake, zero, zero).values())
    assert float(total) == pytest.approx(2 * 0.126928 + 2 * 0.287682 + 0.5 * 0.693147, abs=1e-6)
    # G: ln(1 + e²), a tenth of ln 2.
    assert float(sum(objective.generator(fake, zero).values())) == pytest.approx(
        2.126928 + 0.1 * 0.693147, abs=1e-6
    )


@pytest.mark.parametrize("name", list(SOURCE_LOSSES))
def test_every_source_loss_enters_as_it_is(name: SourceLossName) -> None:
    real, fake = random_output(REAL, seed=6), random_output(FAKE, seed=7)
    objective, loss = ACGAN(ACGANConfig(source_loss=name)), SOURCE_LOSSES[name]
    terms = objective.discriminator(real, fake, REAL_LABELS, FAKE_LABELS)
    assert torch.equal(terms["source_real"], loss.real(real.source_logits, 1.0))
    assert torch.equal(terms["source_fake"], loss.fake(fake.source_logits, 0.0))
    terms = objective.generator(fake, FAKE_LABELS)
    assert torch.equal(terms["source"], loss.generator(fake.source_logits))


@pytest.mark.parametrize("name", list(SOURCE_LOSSES))
def test_gradcheck_of_both_losses(name: SourceLossName) -> None:
    objective = ACGAN(ACGANConfig(source_loss=name, class_weight_fake=0.3))

    def discriminator_loss(*logits: Tensor) -> Tensor:
        real, fake = output(*logits[:2]), output(*logits[2:])
        terms = objective.discriminator(real, fake, REAL_LABELS, FAKE_LABELS)
        return torch.stack(list(terms.values())).sum()

    def generator_loss(*logits: Tensor) -> Tensor:
        return torch.stack(list(objective.generator(output(*logits), FAKE_LABELS).values())).sum()

    real = logits_of(random_output(REAL, seed=8, requires_grad=True))
    fake = logits_of(random_output(FAKE, seed=9, requires_grad=True))
    assert torch.autograd.gradcheck(discriminator_loss, (*real, *fake))
    assert torch.autograd.gradcheck(generator_loss, fake)


def test_a_weight_scales_its_own_term_alone() -> None:
    real, fake = random_output(REAL, seed=10), random_output(FAKE, seed=11)

    def terms(**weights: float) -> dict[str, float]:
        weights = {"class_weight_fake": 1.0, **weights}
        objective = ACGAN(ACGANConfig(**weights))
        both = {
            **objective.discriminator(real, fake, REAL_LABELS, FAKE_LABELS),
            **objective.generator(fake, FAKE_LABELS),
        }
        return {name: term.item() for name, term in both.items()}

    plain = terms()
    for weight, term in {
        "class_weight_real": "class_real",
        "class_weight_fake": "class_fake",
        "class_weight_generator": "class",
    }.items():
        assert terms(**{weight: 0.25}) == {**plain, term: pytest.approx(0.25 * plain[term])}


def test_weight_zero_removes_the_term() -> None:
    objective = ACGAN(
        ACGANConfig(class_weight_real=0, class_weight_fake=0, class_weight_generator=0)
    )
    blind = output(torch.zeros(2))  # no class head is needed then
    labels = torch.tensor([0, 1])
    assert list(objective.discriminator(blind, blind, labels, labels)) == [
        "source_real",
        "source_fake",
    ]
    assert list(objective.generator(blind, labels)) == ["source"]


def test_d_does_not_learn_classes_from_fakes_by_default() -> None:
    real = random_output(REAL, seed=12)
    fake = random_output(FAKE, seed=13, requires_grad=True)
    terms = ACGAN(ACGANConfig()).discriminator(real, fake, REAL_LABELS, FAKE_LABELS)
    assert "class_fake" not in terms
    total = torch.stack(list(terms.values())).sum()
    gradients = torch.autograd.grad(total, logits_of(fake), allow_unused=True)
    assert gradients[0] is not None
    assert gradients[1] is None


def test_targets_smooth_real_and_fake_apart() -> None:
    real, fake = random_output(REAL, seed=14), random_output(FAKE, seed=15)
    objective = ACGAN(ACGANConfig(real_target=0.9, fake_target=0.05))
    terms = objective.discriminator(real, fake, REAL_LABELS, FAKE_LABELS)
    assert terms["source_real"].item() == pytest.approx(naive_bce(real, 0.9))
    assert terms["source_fake"].item() == pytest.approx(naive_bce(fake, 0.05))
    # G aims at "real" itself: smoothing is one-sided towards D (Salimans et al. 2016, §3.4).
    generator = objective.generator(fake, FAKE_LABELS)
    assert generator["source"].item() == pytest.approx(naive_bce(fake, 1.0))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"source_loss": "hinge", "real_target": 0.9}, "hinge has no targets"),
        ({"source_loss": "hinge", "fake_target": 0.1}, "hinge has no targets"),
        ({"real_target": 0.3, "fake_target": 0.4}, "below real_target"),
        ({"real_target": 0.5, "fake_target": 0.5}, "below real_target"),
        ({"real_target": 1.1}, "less than or equal to 1"),
        ({"fake_target": -0.1}, "greater than or equal to 0"),
        ({"class_weight_real": -1}, "greater than or equal to 0"),
        ({"class_weight_fake": math.inf}, "finite"),
        ({"source_loss": "wasserstein"}, "'bce', 'hinge' or 'least-squares'"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        validate(ACGANConfig, values, where="here")


def test_least_squares_can_be_smoothed() -> None:
    config = ACGANConfig(source_loss="least-squares", real_target=0.9)
    real, fake = random_output(REAL, seed=16), random_output(FAKE, seed=17)
    terms = ACGAN(config).discriminator(real, fake, REAL_LABELS, FAKE_LABELS)
    expected = sum((s - 0.9) ** 2 / 2 for s in real.source_logits.tolist()) / REAL
    assert terms["source_real"].item() == pytest.approx(expected)


@pytest.mark.parametrize("name", list(SOURCE_LOSSES))
@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_nothing_overflows_in_float32(name: SourceLossName, logit: float) -> None:
    objective = ACGAN(ACGANConfig(source_loss=name, class_weight_fake=1))
    classes = torch.tensor([[logit, 0.0], [-logit, logit]])
    answer = output(torch.tensor([logit, -logit]), classes, requires_grad=True)
    labels = torch.tensor([0, 1])
    for terms in (
        objective.discriminator(answer, answer, labels, labels),
        objective.generator(answer, labels),
    ):
        total = torch.stack(list(terms.values())).sum()
        assert total.isfinite()
        for gradient in torch.autograd.grad(total, logits_of(answer)):
            assert gradient.isfinite().all()


def test_acgan_asks_for_both_heads() -> None:
    objective = ACGANConfig().build()
    assert isinstance(objective, ACGAN)
    assert objective.heads == Heads(source="plain", classes="plain")
