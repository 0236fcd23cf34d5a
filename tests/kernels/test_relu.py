"""ReLU by bits gives what torch's gives, and so do its gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.kernels.relu import relu_


def every_bfloat16() -> Tensor:
    """All that are numbers, infinities and both zeros included."""
    values = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16)
    return values[~values.isnan()]


def through(activations: Tensor, gradient: Tensor, *, plain: bool) -> tuple[Tensor, Tensor]:
    start = activations.clone().requires_grad_()
    inner = start * 1  # in place only on what is no leaf
    result = F.relu(inner) if plain else relu_(inner)
    result.backward(gradient)  # type: ignore[no-untyped-call]
    assert start.grad is not None
    return result.detach(), start.grad


def test_every_number_and_its_gradient_are_torchs() -> None:
    values = every_bfloat16()
    gradient = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))]
    ours, our_gradient = through(values, gradient, plain=False)
    theirs, their_gradient = through(values, gradient, plain=True)
    assert torch.equal(ours, theirs)
    assert torch.equal(our_gradient, their_gradient)


def test_is_in_place_in_any_layout() -> None:
    maps = torch.randn(4, 6, 5, 3).bfloat16().to(memory_format=torch.channels_last)
    wanted = F.relu(maps)
    result = relu_(maps)
    assert result.data_ptr() == maps.data_ptr()
    assert torch.equal(result, wanted)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_views_get_their_gradients() -> None:
    """A generator without a norm at its start rectifies a view of its linear layer's rows."""
    rows = torch.randn(4, 12).bfloat16().requires_grad_()
    maps = relu_((rows * 1).view(4, 2, 2, 3).permute(0, 3, 1, 2))
    maps.sum().backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    assert torch.equal(rows.grad, (rows > 0).bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_dtypes_are_torchs(dtype: torch.dtype) -> None:
    values = torch.linspace(-2, 2, 9, dtype=dtype)
    assert torch.equal(relu_(values.clone()), F.relu(values))


def test_what_is_not_a_number_stays_without_a_sign() -> None:
    assert relu_(torch.tensor([float("nan")], dtype=torch.bfloat16)).isnan()


def test_is_differentiated_twice() -> None:
    """Gradients through bits would stop without a word."""
    start = torch.tensor([-1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    squares = relu_(start * 1) ** 2
    (once,) = torch.autograd.grad(squares.sum(), start, create_graph=True)
    (twice,) = torch.autograd.grad(once.sum(), start)
    assert once.tolist() == [0, 4]
    assert twice.tolist() == [0, 2]
