"""The class loss over labeled images: by hand, against torch's, and without any label."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.classification import (
    UNLABELED,
    cross_entropy_of_labeled,
    double_softmax_minimum,
    double_softmax_of_labeled,
)

LN3 = math.log(3)


def test_worked_out_by_hand() -> None:
    logits = torch.tensor([[LN3, 0.0], [0.0, 5.0], [LN3, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, UNLABELED, 1])
    # −ln ¾ and −ln ¼, and nothing of the second image, in the sum or in the count.
    expected = (math.log(4 / 3) + math.log(4)) / 2
    assert cross_entropy_of_labeled(logits, labels).item() == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=12), st.integers(0, 100))
def test_it_is_torch_s_over_the_labeled_and_its_gradient_too(labels: list[int], seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(labels), 4, generator=stream, dtype=torch.float64).requires_grad_()
    targets = torch.tensor(labels)
    value = cross_entropy_of_labeled(logits, targets)
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
    pairs = [cross_entropy_of_labeled(logits, labels), F.cross_entropy(logits, labels)]
    assert torch.equal(*pairs)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in pairs))


def test_without_a_label_it_is_zero_where_torch_s_is_nan() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.full((5,), UNLABELED)
    assert F.cross_entropy(logits, labels, ignore_index=UNLABELED).isnan()
    loss = cross_entropy_of_labeled(logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert torch.equal(gradient, torch.zeros(5, 3))


def test_a_sure_and_right_head_costs_the_floor_where_softmax_is_taken_twice() -> None:
    """Of ten classes log(1 + 9/e), worked out by hand: 1.4612; a single softmax costs nothing."""
    logits = 100 * torch.eye(10, dtype=torch.float64)
    labels = torch.arange(10)
    assert double_softmax_of_labeled(logits, labels).item() == pytest.approx(1.46115, abs=1e-5)
    assert double_softmax_minimum(10) == pytest.approx(1.46115, abs=1e-5)
    assert double_softmax_minimum(2) == pytest.approx(math.log(1 + 1 / math.e))
    assert cross_entropy_of_labeled(logits, labels).item() == pytest.approx(0)
    assert double_softmax_of_labeled(-logits, labels).item() > double_softmax_minimum(10)


def test_softmax_twice_leaves_a_sure_mistake_without_a_gradient() -> None:
    logits = torch.tensor([[0.0, 20.0, 0.0]], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0])
    slopes = [
        torch.autograd.grad(loss(logits, label), logits)[0].abs().max().item()
        for loss in (double_softmax_of_labeled, cross_entropy_of_labeled)
    ]
    assert slopes[0] < 1e-7
    assert slopes[1] == pytest.approx(1)


def test_an_acgan_has_the_fault_in_all_its_class_terms_and_only_when_told() -> None:
    stream = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=stream)
    output = DiscriminatorOutput(torch.zeros(6), logits, torch.zeros(6, 1))
    labels = torch.arange(6) % 4
    assert ACGANConfig().class_loss == "cross-entropy"
    for kind, expected in (
        ("cross-entropy", F.cross_entropy(logits, labels)),
        ("double-softmax", F.cross_entropy(logits.softmax(1), labels)),
    ):
        objective = ACGAN(ACGANConfig.model_validate({"class_weight_fake": 1, "class_loss": kind}))
        terms = objective.discriminator(output, output, labels, labels)
        terms |= objective.generator(output, labels)
        for name in ("class_real", "class_fake", "class"):
            torch.testing.assert_close(terms[name], expected)
