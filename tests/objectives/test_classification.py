"""The class loss over labelled images: by hand, against torch's, and without any label."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.objectives.classification import UNLABELLED, cross_entropy_of_labelled

LN3 = math.log(3)


def test_worked_out_by_hand() -> None:
    logits = torch.tensor([[LN3, 0.0], [0.0, 5.0], [LN3, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, UNLABELLED, 1])
    # −ln ¾ and −ln ¼, and nothing of the second image, in the sum or in the count.
    expected = (math.log(4 / 3) + math.log(4)) / 2
    assert cross_entropy_of_labelled(logits, labels).item() == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=12), st.integers(0, 100))
def test_it_is_torch_s_over_the_labelled_and_its_gradient_too(labels: list[int], seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(labels), 4, generator=stream, dtype=torch.float64).requires_grad_()
    targets = torch.tensor(labels)
    value = cross_entropy_of_labelled(logits, targets)
    (gradient,) = torch.autograd.grad(value, logits)
    known = targets >= 0
    expected = torch.zeros_like(logits)
    if known.any():
        loss = F.cross_entropy(logits[known], targets[known])
        torch.testing.assert_close(value, loss)
        (expected,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, expected)


def test_where_every_image_has_a_label_it_is_torch_s_bit_for_bit() -> None:
    """Else models that were trained before would go on otherwise."""
    logits = torch.randn(64, 10, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.arange(64) % 10
    pairs = [cross_entropy_of_labelled(logits, labels), F.cross_entropy(logits, labels)]
    assert torch.equal(*pairs)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in pairs))


def test_without_a_label_it_is_zero_where_torch_s_is_nan() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.full((5,), UNLABELLED)
    assert F.cross_entropy(logits, labels, ignore_index=UNLABELLED).isnan()
    loss = cross_entropy_of_labelled(logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert torch.equal(gradient, torch.zeros(5, 3))
