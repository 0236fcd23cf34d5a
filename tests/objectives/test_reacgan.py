"""ReACGAN: D2D-CE worked out by hand, against the formula, its limits, and wrong versions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.reacgan import ReACGAN, ReACGANConfig, d2d_ce

CONFIG = ReACGANConfig(embedding_size=5)
LABELS = torch.tensor([0, 1, 0])


def on_the_circle(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def some_points(count: int, classes: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    f, v = (
        F.normalize(torch.randn(n, 4, generator=stream, dtype=torch.float64), dim=1)
        for n in (count, classes)
    )
    return f, v, torch.randint(classes, (count,), generator=stream)


def naive(f: Tensor, v: Tensor, labels: Tensor, margin: float, temperature: float) -> float:
    """Kang et al. 2021, eq. 8, in plain Python."""
    losses = []
    for i, y in enumerate(labels.tolist()):
        positive = math.exp(min(float(f[i] @ v[y]) - margin, 0) / temperature)
        negatives = [
            math.exp(max(float(f[i] @ f[j]) - (1 - margin), 0) / temperature)
            for j in range(len(labels))
            if labels[j] != y
        ]
        losses.append(-math.log(positive / (positive + sum(negatives))))
    return sum(losses) / len(losses)


def test_worked_out_by_hand() -> None:
    # Embeddings at 0°, 60° and 180°, proxies at 60° and 60°; m_p = ¾, m_n = ¼, τ = ½.
    f, v = on_the_circle(0, 60, 180), on_the_circle(60, 60)
    # Cosines with the own proxy: ½, 1, −½, so p = 2(½ − ¾), 0 (capped), 2(−½ − ¾).
    # Pairs of two classes: 0° and 60°: 2(½ − ¼) = ½; 60° and 180°: cos is −½, so 0 (capped).
    losses = [
        math.log(1 + math.exp(0.5 + 0.5)),
        math.log(1 + math.exp(0.5) + math.exp(0)),
        math.log(1 + math.exp(0 + 2.5)),
    ]
    value = d2d_ce(f, v, LABELS, margin=0.75, temperature=0.5).item()
    assert value == pytest.approx(sum(losses) / 3, rel=1e-12)


@settings(deadline=None)
@given(
    count=st.integers(1, 9),
    classes=st.integers(1, 4),
    margin=st.floats(0, 1),
    temperature=st.floats(0.05, 2),
    seed=st.integers(0, 1000),
)
def test_it_is_the_formula(
    count: int, classes: int, margin: float, temperature: float, seed: int
) -> None:
    f, v, labels = some_points(count, classes, seed)
    value = d2d_ce(f, v, labels, margin=margin, temperature=temperature).item()
    assert value == pytest.approx(naive(f, v, labels, margin, temperature), rel=1e-9, abs=1e-9)
    assert value >= 0


def test_gradcheck_by_embeddings_and_by_proxies() -> None:
    f, v, labels = some_points(6, 3, 0)
    assert torch.autograd.gradcheck(
        lambda f, v: d2d_ce(f, v, labels, margin=0.6, temperature=0.3),
        (f.requires_grad_(), v.requires_grad_()),
    )


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0]])
def test_images_of_one_class_say_nothing_and_never_nan(labels: list[int]) -> None:
    f, v, _ = some_points(3, 2, 0)
    loss = d2d_ce(
        f.requires_grad_(), v.requires_grad_(), torch.tensor(labels), margin=0.98, temperature=0.5
    )
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (f, v)):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_what_is_right_already_is_left_alone() -> None:
    """Within both margins nothing is pulled or pushed: the classifier's gradient is capped."""
    f, v = on_the_circle(1, 181), on_the_circle(0, 180)
    f.requires_grad_()
    loss = d2d_ce(f, v, torch.tensor([0, 1]), margin=0.98, temperature=0.5)
    (gradient,) = torch.autograd.grad(loss, f)
    assert torch.equal(gradient, torch.zeros_like(gradient))
    assert loss.item() == pytest.approx(math.log(2))  # e⁰ against e⁰: its least, but not 0


def test_low_temperatures_do_not_overflow_in_float32() -> None:
    f, v = on_the_circle(180, 181).float(), on_the_circle(0, 1).float()
    f.requires_grad_()
    loss = d2d_ce(f, v, torch.tensor([0, 1]), margin=0.98, temperature=1e-3)
    (gradient,) = torch.autograd.grad(loss, f)
    # −p + n = (1 + .98 + .99985 − .02) / τ, where e^2960 is far beyond float32.
    assert loss.item() == pytest.approx(2959.8, abs=0.2)
    assert gradient.isfinite().all()


def test_weights_scale_the_class_terms_and_zero_removes_them() -> None:
    f, v, _ = some_points(3, 2, 1)
    answer = DiscriminatorOutput(torch.zeros(3), None, torch.zeros(3, 1), embeddings=f, proxies=v)
    plain = d2d_ce(f, v, LABELS, margin=0.98, temperature=0.5).item()
    for weight in (0.5, 0.1):
        built = ReACGAN(ReACGANConfig(class_weight_real=weight, class_weight_generator=2 * weight))
        d = built.discriminator(answer, answer, LABELS, LABELS)
        g = built.generator(answer, LABELS)
        assert d["class_real"].item() == pytest.approx(weight * plain)
        assert g["class"].item() == pytest.approx(2 * weight * plain)
    built = ReACGAN(ReACGANConfig(class_weight_real=0, class_weight_generator=0))
    assert "class_real" not in built.discriminator(answer, answer, LABELS, LABELS)
    assert "class" not in built.generator(answer, LABELS)


def test_a_discriminator_without_embeddings_is_refused() -> None:
    plain = DiscriminatorOutput(torch.zeros(3), torch.zeros(3, 2), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="embeddings and proxies"):
        ReACGAN(CONFIG).discriminator(plain, plain, LABELS, LABELS)
    with pytest.raises(ValueError, match="embeddings and proxies"):
        ReACGAN(CONFIG).generator(plain, LABELS)


def test_what_it_asks_of_d_and_of_the_data_and_its_defaults() -> None:
    config = ReACGANConfig()
    assert ReACGAN(config).heads == Heads("plain", "proxies", 512)
    assert ReACGAN(CONFIG).heads == Heads("plain", "proxies", 5)
    assert (config.conditional, config.needs_classes, config.takes_unlabeled) == (
        True,
        True,
        False,
    )
    assert not ReACGANConfig(class_weight_generator=0).needs_classes
    numbers = (config.class_weight_real, config.class_weight_generator)
    assert (*numbers, config.positive_margin, config.temperature) == (0.5, 0.5, 0.98, 0.5)
