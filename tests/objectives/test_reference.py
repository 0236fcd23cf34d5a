"""Every objective against its formulas (in conftest.py), and who learns in whose step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from acgan.objectives.build import ObjectiveConfig, build_objective


@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients_are_the_reference_s(
    config: ObjectiveConfig, compare: Callable[..., None], seed: int
) -> None:
    compare(config, build_objective(config), seed=seed)


@pytest.mark.parametrize("detach", [True, pytest.param(False, id="detach forgotten")])
def test_a_d_step_reaches_all_of_d_and_only_without_detach_g(
    config: ObjectiveConfig, labels: tuple[Tensor, Tensor], world: Any, detach: bool
) -> None:
    objective = build_objective(config)
    heads, arrays = world(objective, 0)
    torch.manual_seed(0)
    generator = nn.Linear(2, arrays["real"].shape[1]).double()
    fakes = generator(torch.randn(len(labels[1]), 2, dtype=torch.float64))
    real = heads(torch.from_numpy(arrays["real"]), labels[0])
    fake = heads(fakes.detach() if detach else fakes, labels[1])
    terms = objective.discriminator(real, fake, *labels)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in heads.parameters())
    assert all(p.grad.any() for n, p in heads.named_parameters() if n.endswith("weight"))
    assert all((p.grad is None) == detach for p in generator.parameters())


def test_a_g_step_hears_of_the_class(
    config: ObjectiveConfig, labels: tuple[Tensor, Tensor], world: Any
) -> None:
    """Asked for another class, G is pushed elsewhere: no objective leaves it without the label."""
    objective = build_objective(config)
    heads, arrays = world(objective, 0)
    pushes = []
    for asked in (labels[1], (labels[1] + 1) % 4):
        features = torch.from_numpy(arrays["fake"]).requires_grad_()
        terms = objective.generator(heads(features, asked), asked)
        (push,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), features)
        pushes.append(push)
    assert not torch.isclose(pushes[0], pushes[1]).all(dim=1).any()
