"""Consistency against its formula, on a discriminator whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.config import validate
from acgan.errors import UsageError
from acgan.networks.interface import Discriminator, DiscriminatorOutput
from acgan.objectives.consistency import Consistency, ConsistencyConfig
from acgan.objectives.interface import DiscriminatorStep, Terms

N, SIDE = 7, 8
REACH = 1  # an eighth of eight


@final
class Linear(Discriminator):
    """s = (y + 1) · Σ w x, with a buffer that every pass in training mode moves."""

    passes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, SIDE, SIDE, dtype=torch.float64))
        self.register_buffer("passes", torch.tensor(0.0))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        assert labels is not None
        self.passes += 1
        source = (labels + 1) * (self.weight * images).sum(dim=(1, 2, 3))
        return DiscriminatorOutput(source, None, images.flatten(1))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield self.weight


@pytest.fixture
def now() -> DiscriminatorStep:
    torch.manual_seed(0)
    network = Linear()
    images, labels = torch.randn(2, N, 1, SIDE, SIDE, dtype=torch.float64), torch.arange(N) % 3
    return DiscriminatorStep(
        network,
        images[0],
        labels,
        network(images[0], labels),
        images[1],
        labels.flip(0),
        network(images[1], labels.flip(0)),
        step=0,
        images_seen=0,
        random=torch.Generator().manual_seed(3),
    )


def changed(now: DiscriminatorStep, *, horizontal_flip: bool) -> Iterator[np.ndarray]:
    """T of each batch, image by image, by the numbers that are drawn: down, right, coin."""
    random = torch.Generator().manual_seed(3)
    for batch in (now.real_images, now.fake_images):
        numbers = torch.rand(N, 3, generator=random).numpy()
        result = np.zeros(batch.shape)
        for image, target, (down, right, coin) in zip(batch.numpy(), result, numbers, strict=True):
            dy, dx = int(down * 3) - REACH, int(right * 3) - REACH
            for y in range(SIDE):
                for x in range(SIDE):
                    if 0 <= y - dy < SIDE and 0 <= x - dx < SIDE:
                        target[:, y, x] = image[:, y - dy, x - dx]
            if horizontal_flip and coin < 0.5:
                target[:] = target[:, :, ::-1].copy()
        yield result


def reference(now: DiscriminatorStep, *, horizontal_flip: bool) -> list[tuple[float, np.ndarray]]:
    """E(s(x) − s(T(x)))² and its gradient by w, of reals and of fakes."""
    weight = next(now.discriminator.parameters()).detach().numpy()
    found = []
    for images, other, labels in zip(
        (now.real_images.numpy(), now.fake_images.numpy()),
        changed(now, horizontal_flip=horizontal_flip),
        (now.real_labels.numpy(), now.fake_labels.numpy()),
        strict=True,
    ):
        scale = (labels + 1)[:, None, None, None]
        distances = (scale * weight * (images - other)).sum(axis=(1, 2, 3))
        slope = 2 * distances[:, None, None, None] * scale * (images - other)
        found.append((float((distances**2).mean()), slope.mean(axis=0)))
    return found


def agrees(now: DiscriminatorStep, act: Callable[[DiscriminatorStep], Terms], **how: Any) -> None:
    """Both terms, of weights 3 and 2, and their gradients by w are the reference's."""
    terms = act(now)
    weight = next(now.discriminator.parameters())
    for name, times, (value, slope) in zip(
        ("real", "fake"), (3.0, 2.0), reference(now, **how), strict=True
    ):
        term = terms[f"consistency_{name}"]
        (gradient,) = torch.autograd.grad(term, weight, retain_graph=True)
        assert term.item() == pytest.approx(times * value, rel=1e-6)
        np.testing.assert_allclose(gradient, times * slope, rtol=1e-5, atol=1e-6)


BOTH = ConsistencyConfig(weight_real=3.0, weight_fake=2.0)


@pytest.mark.parametrize("horizontal_flip", [False, True])
def test_it_is_the_formula(now: DiscriminatorStep, horizontal_flip: bool) -> None:
    act = BOTH.build(flip_keeps_class=horizontal_flip).discriminator
    agrees(now, act, horizontal_flip=horizontal_flip)


def test_a_wrong_version_is_found(now: DiscriminatorStep) -> None:
    regularizer = Consistency(BOTH, flip_keeps_class=False)

    def half_detached(now: DiscriminatorStep) -> Terms:
        """D(x) as a target that no gradient goes through."""
        still = DiscriminatorOutput(now.real.source_logits.detach(), None, now.real.features)
        return regularizer.discriminator(replace(now, real=still))

    def labels_of_the_others(now: DiscriminatorStep) -> Terms:
        return regularizer.discriminator(replace(now, real_labels=now.fake_labels))

    def fakes_for_reals(now: DiscriminatorStep) -> Terms:
        return regularizer.discriminator(replace(now, real_images=now.fake_images))

    for wrong in (half_detached, labels_of_the_others, fakes_for_reals):
        again = replace(now, random=torch.Generator().manual_seed(3))
        with pytest.raises(AssertionError):
            agrees(again, wrong, horizontal_flip=False)


@pytest.mark.parametrize(
    ("horizontal_flip", "keeps", "mirrors"),
    [("auto", True, True), ("auto", False, False), ("never", True, False), ("always", False, True)],
)
def test_mirrored_where_it_keeps_the_class_or_is_wished(
    horizontal_flip: str, keeps: bool, mirrors: bool, now: DiscriminatorStep
) -> None:
    config = BOTH.model_copy(update={"horizontal_flip": horizontal_flip})
    act = config.build(flip_keeps_class=keeps).discriminator
    agrees(now, act, horizontal_flip=mirrors)


def test_a_term_for_each_weight_and_a_pass_for_each_term(now: DiscriminatorStep) -> None:
    calls: list[object] = []
    now.discriminator.register_forward_pre_hook(lambda *given: calls.append(given))
    for config, names in (
        (ConsistencyConfig(), {"consistency_real"}),
        (ConsistencyConfig(weight_real=0, weight_fake=1), {"consistency_fake"}),
        (BOTH, {"consistency_real", "consistency_fake"}),
    ):
        calls.clear()
        assert set(config.build(flip_keeps_class=False).discriminator(now)) == names
        assert len(calls) == len(names)


def test_d_s_buffers_stay(now: DiscriminatorStep) -> None:
    before = dict(now.discriminator.named_buffers())["passes"].clone()
    BOTH.build(flip_keeps_class=False).discriminator(now)
    assert torch.equal(dict(now.discriminator.named_buffers())["passes"], before)
    now.discriminator(now.real_images, now.real_labels)
    assert not torch.equal(dict(now.discriminator.named_buffers())["passes"], before)


def test_no_weight_is_refused() -> None:
    with pytest.raises(UsageError, match="weight_real and weight_fake are both 0; set one above 0"):
        validate(ConsistencyConfig, {"weight_real": 0}, where="here")
