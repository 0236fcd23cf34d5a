"""Source losses against naive float64 lines, numbers worked out by hand, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from acgan.objectives.adversarial import (
    SOURCE_LOSSES,
    SourceLoss,
    SourceLossName,
    bce,
    bce_generator,
    hinge_fake,
    hinge_generator,
    hinge_real,
    least_squares,
    least_squares_generator,
)

Scalar = Callable[[float], float]
Loss = Callable[[Tensor], Tensor]


def sigmoid(s: float) -> float:
    return 1 / (1 + math.exp(-s))


def naive_bce(s: float, t: float) -> float:
    return -(t * math.log(sigmoid(s)) + (1 - t) * math.log(1 - sigmoid(s)))


# name: (our loss, one naive float64 line, its derivative)
LOSSES: dict[str, tuple[Loss, Scalar, Scalar]] = {
    "bce, real": (lambda s: bce(s, 1.0), lambda s: naive_bce(s, 1), lambda s: sigmoid(s) - 1),
    "bce, fake": (lambda s: bce(s, 0.0), lambda s: naive_bce(s, 0), sigmoid),
    "bce, smooth": (lambda s: bce(s, 0.9), lambda s: naive_bce(s, 0.9), lambda s: sigmoid(s) - 0.9),
    "bce, generator": (bce_generator, lambda s: naive_bce(s, 1), lambda s: sigmoid(s) - 1),
    "hinge, real": (lambda s: hinge_real(s, 1.0), lambda s: max(0, 1 - s), lambda s: -(s < 1)),
    "hinge, fake": (lambda s: hinge_fake(s, 0.0), lambda s: max(0, 1 + s), lambda s: +(s > -1)),
    "hinge, generator": (hinge_generator, lambda s: -s, lambda s: -1),
    "least squares, real": (
        lambda s: least_squares(s, 1.0),
        lambda s: (s - 1) ** 2 / 2,
        lambda s: s - 1,
    ),
    "least squares, fake": (lambda s: least_squares(s, 0.0), lambda s: s**2 / 2, lambda s: s),
    "least squares, smooth": (
        lambda s: least_squares(s, 0.8),
        lambda s: (s - 0.8) ** 2 / 2,
        lambda s: s - 0.8,
    ),
    "least squares, generator": (
        least_squares_generator,
        lambda s: (s - 1) ** 2 / 2,
        lambda s: s - 1,
    ),
}


@pytest.fixture(params=LOSSES)
def case(request: pytest.FixtureRequest) -> tuple[Loss, Scalar, Scalar]:
    return LOSSES[request.param]


@pytest.fixture(params=list(SOURCE_LOSSES))
def source(request: pytest.FixtureRequest) -> SourceLoss:
    name: SourceLossName = request.param
    return SOURCE_LOSSES[name]


def some_logits(dtype: torch.dtype = torch.float64) -> Tensor:
    logits = torch.randn(17, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    return logits.to(dtype)


def test_value_is_the_mean_of_the_naive_line(case: tuple[Loss, Scalar, Scalar]) -> None:
    loss, naive, _ = case
    logits = some_logits()
    expected = sum(naive(s) for s in logits.tolist()) / len(logits)
    assert loss(logits).item() == pytest.approx(expected, rel=1e-12)


def test_float32_agrees_with_float64(case: tuple[Loss, Scalar, Scalar]) -> None:
    loss, naive, _ = case
    logits = some_logits(torch.float32)
    expected = sum(naive(s) for s in logits.tolist()) / len(logits)
    value = loss(logits)
    assert value.dtype == torch.float32
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_gradient_is_the_analytic_one(case: tuple[Loss, Scalar, Scalar]) -> None:
    loss, _, derivative = case
    logits = some_logits().requires_grad_()
    loss(logits).backward()  # type: ignore[no-untyped-call]
    expected = torch.tensor([derivative(s) for s in logits.tolist()], dtype=torch.float64)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, expected / len(logits))


def test_gradcheck(case: tuple[Loss, Scalar, Scalar]) -> None:
    loss, _, _ = case
    assert torch.autograd.gradcheck(loss, (some_logits().requires_grad_(),))


# ln 2 = 0.693147; softplus(-2) = ln(1 + e⁻²) = 0.126928, softplus(2) = 2.126928.
@pytest.mark.parametrize(
    ("loss", "logits", "expected"),
    [
        (lambda s: bce(s, 1.0), [0.0], 0.693147),
        (lambda s: bce(s, 1.0), [0.0, 2.0], (0.693147 + 0.126928) / 2),
        (lambda s: bce(s, 0.0), [0.0, 2.0], (0.693147 + 2.126928) / 2),
        (lambda s: bce(s, 0.9), [2.0], 0.9 * 0.126928 + 0.1 * 2.126928),
        (bce_generator, [-2.0], 2.126928),
        (lambda s: hinge_real(s, 1.0), [2.0, 0.5, -1.0], (0 + 0.5 + 2) / 3),
        (lambda s: hinge_fake(s, 0.0), [2.0, 0.5, -1.0], (3 + 1.5 + 0) / 3),
        (hinge_generator, [2.0, 0.5, -1.0], -0.5),
        (lambda s: least_squares(s, 1.0), [2.0, 0.5, -2.0], 10.25 / 6),
        (lambda s: least_squares(s, 0.0), [2.0, 0.5, -2.0], 8.25 / 6),
        (least_squares_generator, [2.0, 0.5, -2.0], 10.25 / 6),
    ],
)
def test_numbers_worked_out_by_hand(loss: Loss, logits: list[float], expected: float) -> None:
    value = loss(torch.tensor(logits, dtype=torch.float64)).item()
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_nothing_overflows_in_float32(case: tuple[Loss, Scalar, Scalar], logit: float) -> None:
    loss, _, _ = case
    logits = torch.tensor([logit, 0.0], requires_grad=True)
    value = loss(logits)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_bce_is_linear_where_it_is_badly_wrong() -> None:
    logits = torch.tensor([-1e4])
    assert bce(logits, 1.0).item() == pytest.approx(1e4)
    assert bce(-logits, 0.0).item() == pytest.approx(1e4)


def test_each_player_is_pushed_its_own_way(source: SourceLoss) -> None:
    """D lifts the logits of reals and lowers those of fakes; G lifts those of its fakes."""

    def push(loss: Tensor, logits: Tensor) -> float:
        (gradient,) = torch.autograd.grad(loss, logits)
        return -gradient.item()

    logits = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    assert push(source.real(logits, 1.0), logits) > 0
    assert push(source.fake(logits, 0.0), logits) < 0
    assert push(source.generator(logits), logits) > 0


@pytest.mark.parametrize("target", [0.1, 0.5, 0.9])
def test_a_soft_target_is_where_the_loss_is_least(source: SourceLoss, target: float) -> None:
    if not source.smoothable:
        logits = some_logits()
        assert torch.equal(source.real(logits, target), source.real(logits, 1.0))
        assert torch.equal(source.fake(logits, target), source.fake(logits, 0.0))
        return
    optimum = math.log(target / (1 - target)) if source is SOURCE_LOSSES["bce"] else target
    for loss in (source.real, source.fake):
        logits = torch.tensor([optimum], dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(logits, target), logits)
        assert gradient.item() == pytest.approx(0, abs=1e-12)
