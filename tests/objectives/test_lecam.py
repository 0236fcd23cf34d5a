"""LeCam against the paper's formulas in float64, over several steps, and wrong versions of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor

from acgan.config import validate
from acgan.errors import UsageError
from acgan.networks.interface import Discriminator, DiscriminatorOutput
from acgan.objectives.interface import DiscriminatorStep, Regularizer, Terms
from acgan.objectives.lecam import LeCam, LeCamConfig

WEIGHT, DECAY, BATCH, STEPS = 0.7, 0.8, 6, 5
CONFIG = LeCamConfig(weight=WEIGHT, decay=DECAY, start_images=1)


@final
class NeverAsked(Discriminator):
    """LeCam looks at what D has said; it costs no pass."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        raise AssertionError("D was asked again")

    def head_parameters(self) -> Iterator[torch.nn.Parameter]:
        yield from ()


def at(real: Tensor, fake: Tensor, step: int) -> DiscriminatorStep:
    nothing, labels = torch.zeros(BATCH, 1, 1, 1), torch.zeros(BATCH, dtype=torch.long)
    return DiscriminatorStep(
        NeverAsked(),
        nothing,
        labels,
        DiscriminatorOutput(real, None, nothing),
        nothing,
        labels,
        DiscriminatorOutput(fake, None, nothing),
        step=step,
        images_seen=step * BATCH,
        random=torch.Generator(),
    )


def predictions() -> list[tuple[Tensor, Tensor]]:
    """D's logits of reals and of fakes at each step, apart and drifting."""
    random = np.random.default_rng(0)
    drawn = random.normal(size=(STEPS, 2, BATCH))
    drawn[:, 0] += 1 + np.arange(STEPS)[:, None] / 3
    drawn[:, 1] -= 0.5
    return [(torch.tensor(r), torch.tensor(f)) for r, f in drawn]


def reference(*, clamp: bool = False) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """The penalty and its gradients by the logits at every step but the first.

    α is the average of the earlier batches' means with weights that fall by DECAY a step.
    """
    found = []
    said = [(r.numpy(), f.numpy()) for r, f in predictions()]
    for step in range(1, STEPS):
        weights = [DECAY ** (step - 1 - earlier) for earlier in range(step)]
        alpha_real = np.average([r.mean() for r, _ in said[:step]], weights=weights)
        alpha_fake = np.average([f.mean() for _, f in said[:step]], weights=weights)
        real, fake = said[step]
        by_real, by_fake = real - alpha_fake, fake - alpha_real
        if clamp:
            by_real, by_fake = np.maximum(by_real, 0), np.minimum(by_fake, 0)
        value = WEIGHT * ((by_real**2).mean() + (by_fake**2).mean())
        found.append((value, 2 * WEIGHT * by_real / BATCH, 2 * WEIGHT * by_fake / BATCH))
    return found


def agrees(regularizer: Regularizer, *, clamp: bool = False) -> None:
    """Values and gradients of all steps are the reference's."""
    regularizer.double()
    expected = reference(clamp=clamp)
    for step, (real, fake) in enumerate(predictions()):
        real.requires_grad_()
        fake.requires_grad_()
        terms = regularizer.discriminator(at(real, fake, step))
        if step == 0:
            assert not terms
            continue
        gradients = torch.autograd.grad(terms["lecam"], (real, fake))
        value, by_real, by_fake = expected[step - 1]
        assert terms["lecam"].item() == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(gradients[0], by_real, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(gradients[1], by_fake, rtol=1e-10, atol=1e-14)
    assert not any(buffer.requires_grad for buffer in regularizer.buffers())


def test_it_is_the_paper_s_formula() -> None:
    agrees(LeCam(CONFIG))


def test_clamped_it_is_the_authors_program_s() -> None:
    clamped = LeCam(CONFIG.model_copy(update={"clamp": True}))
    agrees(clamped, clamp=True)
    with pytest.raises(AssertionError):
        agrees(LeCam(CONFIG), clamp=True)


def test_worked_out_by_hand() -> None:
    """Means 2 and −1 first; then reals of 3 are 4 from −1, fakes of 0 are 2 from 2: 16 + 4."""
    lecam = LeCam(LeCamConfig(weight=1.0, decay=0.5, start_images=1))
    lecam.discriminator(at(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -1.0]), 0))
    terms = lecam.discriminator(at(torch.tensor([3.0, 3.0]), torch.tensor([0.0, 0.0]), 1))
    assert terms["lecam"].item() == pytest.approx(20)


Wrong = Callable[[LeCam, DiscriminatorStep], Terms]


def swapped(lecam: LeCam, now: DiscriminatorStep) -> Terms:
    """Reals are drawn to the anchor of reals: the popular misreading."""
    real, fake = lecam.real.clone(), lecam.fake.clone()
    lecam.real.copy_(fake)
    lecam.fake.copy_(real)
    return lecam.discriminator(now)


def updated_first(lecam: LeCam, now: DiscriminatorStep) -> Terms:
    """The present answers are in the anchors already."""
    early = LeCam(CONFIG).double()
    early.load_state_dict(lecam.state_dict())
    early.discriminator(now)
    terms = early.discriminator(now)
    lecam.discriminator(now)
    return terms if now.step else {}


def with_gradient(lecam: LeCam, now: DiscriminatorStep) -> Terms:
    """The anchors hold the present batch, undetached."""
    real, fake = now.real.source_logits, now.fake.source_logits
    terms = lecam.discriminator(now)
    if not terms:
        return terms
    mass = lecam.mass
    alpha_real = (lecam.real + (1 - DECAY) * (real.mean() - real.mean().detach())) / mass
    alpha_fake = (lecam.fake + (1 - DECAY) * (fake.mean() - fake.mean().detach())) / mass
    leak = (real - alpha_fake).square().mean() + (fake - alpha_real).square().mean()
    return {"lecam": terms["lecam"].detach() + WEIGHT * (leak - leak.detach())}


def not_corrected(lecam: LeCam, now: DiscriminatorStep) -> Terms:
    """Averages that start from 0 and are taken as they are."""
    lecam.mass.fill_(1)
    return lecam.discriminator(now)


@pytest.mark.parametrize("wrong", [swapped, updated_first, with_gradient, not_corrected])
def test_a_wrong_version_is_found(wrong: Wrong) -> None:
    @final
    class Planted(Regularizer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = LeCam(CONFIG)

        def discriminator(self, now: DiscriminatorStep) -> Terms:
            return wrong(self.inner, now)

    with pytest.raises(AssertionError):
        agrees(Planted())


def test_it_starts_after_so_many_images_and_remembers_from_the_first_on() -> None:
    late = LeCam(CONFIG.model_copy(update={"start_images": 3 * BATCH})).double()
    early = LeCam(CONFIG).double()
    for step, (real, fake) in enumerate(predictions()):
        terms, others = (each.discriminator(at(real, fake, step)) for each in (late, early))
        assert set(terms) == ({"lecam"} if step >= 3 else set())
        assert not terms or terms["lecam"] == others["lecam"]


def test_without_any_anchor_there_is_no_penalty_and_no_nan() -> None:
    """Every step before was skipped: the guard has put the averages back."""
    real, fake = (each.requires_grad_() for each in predictions()[0])
    terms = LeCam(CONFIG).double().discriminator(at(real, fake, 7))
    assert terms["lecam"].item() == 0
    gradients = torch.autograd.grad(terms["lecam"], (real, fake))
    assert all(bool((gradient == 0).all()) for gradient in gradients)


def test_what_it_remembers_has_names() -> None:
    assert set(LeCamConfig().build(flip_keeps_class=False).state_dict()) == {"real", "fake", "mass"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"weight": 0}, "weight"), ({"decay": 1}, "decay"), ({"start_images": 0}, "start_images")],
)
def test_what_would_be_none_is_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        validate(LeCamConfig, values, where="here")
