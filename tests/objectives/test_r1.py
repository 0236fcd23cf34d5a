"""R1 against closed forms, on discriminators whose gradient at an image is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import pytest
import torch
from torch import Tensor, nn

from acgan.config import validate
from acgan.errors import UsageError
from acgan.networks.attention import SelfAttention
from acgan.networks.interface import Discriminator, DiscriminatorOutput
from acgan.objectives.interface import DiscriminatorStep
from acgan.objectives.r1 import R1, R1Config

SHAPE = (3, 2, 4, 5)
LABELS = torch.tensor([0, 1, 2])


@final
class Quadratic(Discriminator):
    """s = w·x + ½ a ‖x‖², so ∇ₓ s = w + a x."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.linear = nn.Parameter(torch.randn(SHAPE[1:], dtype=dtype))
        self.curvature = nn.Parameter(torch.tensor(0.7, dtype=dtype))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        source = (self.linear * images + self.curvature * images.square() / 2).sum(dim=(1, 2, 3))
        return DiscriminatorOutput(source, None, images.flatten(1))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield self.linear


@final
class LabelScaled(Discriminator):
    """s = (y + 1) · Σx, so ‖∇ₓ s‖² = (y + 1)² · number of pixels."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        assert labels is not None
        source = (labels + 1) * images.sum(dim=(1, 2, 3))
        return DiscriminatorOutput(source, None, images.flatten(1))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from ()


@final
class Convolutional(Discriminator):
    """Everything that carries state or rounds: spectral norm, batch norm, convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_network = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(SHAPE[1], 8, 3)),
            nn.BatchNorm2d(8),
            nn.Tanh(),
            nn.Flatten(),
        )
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(8 * 2 * 3, 1))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        features = self.feature_network(images)
        return DiscriminatorOutput(self.head(features).squeeze(1), None, features)

    def head_parameters(self) -> Iterator[nn.Parameter]:
        return self.head.parameters()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def at(discriminator: Discriminator, images: Tensor, step: int = 0) -> DiscriminatorStep:
    """A step as far as R1 looks at it; what was said of fakes is none of its business."""
    nothing = DiscriminatorOutput(torch.tensor([]), None, torch.tensor([]))
    return DiscriminatorStep(
        discriminator,
        images,
        LABELS,
        nothing,
        images,
        LABELS,
        nothing,
        step=step,
        images_seen=0,
        random=torch.Generator(),
    )


def penalty(discriminator: Discriminator, images: Tensor, gamma: float = 3.0) -> Tensor:
    regularizer = R1(R1Config(gamma=gamma, interval_steps=1))
    return regularizer.discriminator(at(discriminator, images))["r1"]


def test_a_linear_discriminator_pays_half_gamma_times_its_squared_weights() -> None:
    discriminator = Quadratic()
    discriminator.curvature.data.zero_()
    expected = 3.0 / 2 * discriminator.linear.square().sum()
    torch.testing.assert_close(
        penalty(discriminator, torch.randn(SHAPE, dtype=torch.float64)), expected
    )


def test_worked_out_by_hand() -> None:
    """w = 1 at all 40 pixels, a = 2, x = ½: every gradient is 2, 40 · 2² = 160, times 3/2."""
    discriminator = Quadratic()
    discriminator.linear.data.fill_(1.0)
    discriminator.curvature.data.fill_(2.0)
    value = penalty(discriminator, torch.full(SHAPE, 0.5, dtype=torch.float64))
    assert value.item() == pytest.approx(240.0)


def test_the_penalty_s_own_gradient_reaches_the_weights() -> None:
    """∂/∂w of γ/2 · E‖w + a x‖² is γ E[w + a x]; ∂/∂a is γ E[x·(w + a x)]: double backward."""
    discriminator, images = Quadratic(), torch.randn(SHAPE, dtype=torch.float64)
    by_weight, by_curvature = torch.autograd.grad(
        penalty(discriminator, images), (discriminator.linear, discriminator.curvature)
    )
    slopes = (discriminator.linear + discriminator.curvature * images).detach()
    torch.testing.assert_close(by_weight, 3.0 * slopes.mean(dim=0))
    torch.testing.assert_close(by_curvature, 3.0 * (images * slopes).sum() / len(images))


def test_it_is_the_mean_over_images_and_sees_the_labels() -> None:
    value = penalty(LabelScaled(), torch.randn(SHAPE, dtype=torch.float64), gamma=1.0)
    assert value.item() == pytest.approx(0.5 * 40 * (1 + 4 + 9) / 3)


def test_it_acts_at_every_nth_step_n_times_as_strong() -> None:
    discriminator, images = Quadratic(), torch.randn(SHAPE, dtype=torch.float64)
    lazy = R1Config(gamma=3.0, interval_steps=4).build(flip_keeps_class=False)
    acted = {
        step: terms["r1"].item()
        for step in range(10)
        if (terms := lazy.discriminator(at(discriminator, images, step)))
    }
    assert acted == dict.fromkeys(
        [0, 4, 8], pytest.approx(4 * penalty(discriminator, images).item())
    )


def test_buffers_stay_bitwise_and_the_penalty_still_reaches_every_weight() -> None:
    discriminator, images = Convolutional().train(), torch.randn(SHAPE)
    before = {name: buffer.clone() for name, buffer in discriminator.named_buffers()}
    assert any("running_mean" in name for name in before)
    assert any("_u" in name for name in before)
    penalty(discriminator, images).backward()  # type: ignore[no-untyped-call]
    for name, buffer in discriminator.named_buffers():
        assert torch.equal(buffer, before[name]), name
    weights = {n: p for n, p in discriminator.named_parameters() if not n.endswith("bias")}
    assert weights
    for name, weight in weights.items():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    # The fixture moves its buffers where nothing freezes them, so the claim above can fail.
    discriminator(images)
    assert any(not torch.equal(b, before[n]) for n, b in discriminator.named_buffers())


def test_the_caller_s_images_are_left_alone() -> None:
    images = torch.randn(SHAPE, dtype=torch.float64)
    penalty(Quadratic(), images).backward()  # type: ignore[no-untyped-call]
    assert not images.requires_grad
    assert images.grad is None


def test_it_is_computed_in_full_precision_under_autocast() -> None:
    discriminator, images = Convolutional().train(), torch.randn(SHAPE)
    weights = list(discriminator.parameters())

    def with_gradients(value: Tensor) -> list[Tensor]:
        gradients = torch.autograd.grad(value, weights, allow_unused=True)
        return [value, *(g for g in gradients if g is not None)]

    expected = with_gradients(penalty(discriminator, images))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = penalty(discriminator, images)
        # Autocast was in force around it, so the claim below can fail.
        assert discriminator.feature_network[0](images).dtype == torch.bfloat16
    actual = with_gradients(value)  # as the training step does: backward outside autocast
    assert len(actual) == len(expected) > 1
    for value, wanted in zip(actual, expected, strict=True):
        assert value.dtype == torch.float32
        assert torch.equal(value, wanted)


@pytest.mark.parametrize("values", [{"gamma": 0}, {"gamma": -1}, {"interval_steps": 0}])
def test_a_penalty_that_is_none_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="greater than"):
        validate(R1Config, values, where="here")


@final
class Attentive(Discriminator):
    """Self-attention, as it is or as plain products."""

    def __init__(self, *, plain: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(8)
        self.plain = plain

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        maps = images.flatten(1)[:, :36].view(-1, 1, 6, 6).repeat(1, 8, 1, 1)
        maps = maps * torch.linspace(-1, 1, 8)[:, None, None]
        attention = self.attention
        if self.plain:
            q, k, v = (
                layer(maps).flatten(2)
                for layer in (attention.query, attention.key, attention.value)
            )
            seen = v @ (k.transpose(1, 2) @ q).softmax(dim=1)
            judged = maps + attention.gain(attention.back(seen.view(-1, 1, 6, 6)))
        else:
            judged = attention(maps)
        return DiscriminatorOutput(judged.tanh().sum(dim=(1, 2, 3)), None, judged.flatten(1))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from ()


def test_attention_is_differentiated_twice() -> None:
    """Its fused kernels cannot be; with them this raises."""
    images, found = torch.randn(SHAPE), []
    for plain in (True, False):
        torch.manual_seed(0)
        network = Attentive(plain=plain)
        nn.init.constant_(network.attention.gain.factor, 0.7)
        term = R1(R1Config()).discriminator(at(network, images))["r1"]
        found.append([term, *torch.autograd.grad(term, list(network.parameters()))])
    for expected, value in zip(*found, strict=True):
        assert expected.any()
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
