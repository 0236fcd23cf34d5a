"""Every objective against its formulas (in conftest.py), and who learns in whose step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.classification import UNLABELED

Losses = Callable[..., tuple[Tensor, Tensor]]


@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients_are_the_reference_s(
    config: ObjectiveConfig, compare: Callable[..., None], seed: int
) -> None:
    compare(config, config.build(), seed=seed)


@pytest.mark.parametrize("detach", [True, pytest.param(False, id="detach forgotten")])
def test_a_d_step_reaches_all_of_d_and_only_without_detach_g(
    config: ObjectiveConfig, labels: tuple[Tensor, Tensor], world: Any, detach: bool
) -> None:
    objective = config.build()
    reference_classifier, arrays = world(objective, 0)
    torch.manual_seed(0)
    generator = nn.Linear(2, arrays["real"].shape[1]).double()
    fakes = generator(torch.randn(len(labels[1]), 2, dtype=torch.float64))
    real = reference_classifier(torch.from_numpy(arrays["real"]), labels[0])
    fake = reference_classifier(fakes.detach() if detach else fakes, labels[1])
    terms = objective.discriminator(real, fake, *labels)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in reference_classifier.parameters())
    assert all(
        p.grad.any() for n, p in reference_classifier.named_parameters() if n.endswith("weight")
    )
    assert all((p.grad is None) == detach for p in generator.parameters())


def test_a_g_step_hears_of_the_class(
    config: ObjectiveConfig, labels: tuple[Tensor, Tensor], world: Any
) -> None:
    """Asked for another class, G is pushed elsewhere, unless it is asked for none."""
    objective = config.build()
    reference_classifier, arrays = world(objective, 0)
    pushes = []
    for asked in (labels[1], (labels[1] + 1) % 4):
        features = torch.from_numpy(arrays["fake"]).requires_grad_()
        terms = objective.generator(reference_classifier(features, asked), asked)
        (push,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), features)
        pushes.append(push)
    if config.conditional:
        assert not torch.isclose(pushes[0], pushes[1]).all(dim=1).any()
    else:
        assert torch.equal(pushes[0], pushes[1])


PART = np.array([0, -1, 2, -1, -1, 0])


def test_images_without_a_label_teach_no_class(
    semi_supervised: ObjectiveConfig, compare: Callable[..., None]
) -> None:
    """The class terms are means over the labeled reals, and the source terms over all of them."""
    compare(semi_supervised, semi_supervised.build(), real_labels=PART)


def test_without_any_label_the_class_term_is_nothing_and_never_nan(
    semi_supervised: ObjectiveConfig, labels: tuple[Tensor, Tensor], world: Any
) -> None:
    objective = semi_supervised.build()
    reference_classifier, arrays = world(objective, 0)
    features = torch.from_numpy(arrays["real"]).requires_grad_()
    real, fake = (
        reference_classifier(features, labels[0]),
        reference_classifier(torch.from_numpy(arrays["fake"]), labels[1]),
    )
    terms = objective.discriminator(real, fake, torch.full((6,), UNLABELED), labels[1])
    (push,) = torch.autograd.grad(terms["class_real"], features, retain_graph=True)
    assert terms["class_real"].item() == 0
    assert not push.any()
    (push,) = torch.autograd.grad(terms["source_real"], features)
    assert push.any()


WRONG_CALLS: dict[str, Callable[[Losses], Losses]] = {
    "no label is the first class": lambda right: (
        lambda o, h, x, f, y, t: right(o, h, x, f, y.clamp(min=0), t)
    ),
    "no label is the last class": lambda right: (
        lambda o, h, x, f, y, t: right(o, h, x, f, y % 4, t)
    ),
    "no label, no source term": lambda right: (
        lambda o, h, x, f, y, t: right(o, h, x[y >= 0], f, y[y >= 0], t)
    ),
}


@pytest.mark.parametrize("wrong", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_use_of_images_without_a_label_is_caught(
    semi_supervised: ObjectiveConfig,
    right: Losses,
    compare: Callable[..., None],
    wrong: Callable[[Losses], Losses],
) -> None:
    with pytest.raises(AssertionError):
        compare(semi_supervised, semi_supervised.build(), wrong(right), real_labels=PART)


def test_every_registered_objective_is_compared(compared: dict[str, ObjectiveConfig]) -> None:
    """So that to register an objective is to be tested."""
    (union, *_) = get_args(ObjectiveConfig)
    assert {type(each) for each in compared.values()} == set(get_args(union))
