"""The adaptive probability against the paper's rule in plain numbers."""

from __future__ import annotations

import random

import pytest
import torch

from acgan.augmentation.augmentation import AdaptiveProbability


def reference(batches: list[list[float]], start: float, target: float, images: int) -> list[float]:
    """Karras et al. 2020, §3.1: after every fourth batch a step up or down; kept in [0, 1]."""
    p, found = start, []
    for number in range(0, len(batches) - 3, 4):
        predictions = [s for batch in batches[number : number + 4] for s in batch]
        r_t = sum((s > 0) - (s < 0) for s in predictions) / len(predictions)
        p += ((r_t > target) - (r_t < target)) * len(predictions) / images
        p = min(1.0, max(0.0, p))
        found.append(p)
    return found


@pytest.mark.parametrize("target", [0.15, 0.2, 0.25])
def test_it_follows_the_rule(target: float) -> None:
    draw = random.Random(0)
    batches = [[draw.gauss(draw.choice([-1, 0.5, 2]), 1) for _ in range(8)] for _ in range(120)]
    adaptive = AdaptiveProbability(0.2, target, adjustment_images=150)
    found = []
    for step, batch in enumerate(batches):
        before = adaptive.probability.item()
        adaptive.update(torch.tensor(batch), step)
        if step % 4 == 3:
            found.append(adaptive.probability.item())
        else:
            assert adaptive.probability.item() == before
    expected = reference(batches, 0.2, target, 150)
    assert found == pytest.approx(expected, abs=1e-5)
    assert len(set(expected)) > 4, "it went somewhere"


def test_it_goes_from_none_to_one_in_so_many_images_and_no_further() -> None:
    adaptive = AdaptiveProbability(0.0, 0.6, adjustment_images=640)
    for step in range(60):
        adaptive.update(torch.full((16,), 3.0), step)
        if step == 39:
            assert adaptive.probability.item() == pytest.approx(1.0)
    assert adaptive.probability.item() == 1.0
    for step in range(60, 64):
        adaptive.update(torch.full((16,), -3.0), step)
    assert adaptive.probability.item() == pytest.approx(0.9), "no debt to work off first"
    for step in range(64, 120):
        adaptive.update(torch.full((16,), -3.0), step)
    assert adaptive.probability.item() == 0.0


def test_right_on_half_of_them_is_no_overfitting() -> None:
    adaptive = AdaptiveProbability(0.5, 0.6, adjustment_images=1000)
    for step in range(4):
        adaptive.update(torch.tensor([5.0, -0.1]), step)
    assert adaptive.overfitting.item() == 0
    assert adaptive.probability.item() < 0.5


def test_no_gradient_is_kept() -> None:
    adaptive = AdaptiveProbability(0.0, 0.6, 100)
    adaptive.update(torch.ones(4, requires_grad=True), 0)
    assert not any(buffer.requires_grad for buffer in adaptive.buffers())
    assert set(adaptive.state_dict()) == {"probability", "overfitting", "sign_sum", "count"}
