"""The convolution to an image: torch's results, and the gradients of float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.kernels import image_convolution
from acgan.kernels.image_convolution import to_image, weight_gradient

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_convolution, "_LEAST_PIXELS", 0)


def operands(channels: int, side: int = 3, bias: bool = True) -> tuple[nn.Conv2d, Tensor]:
    """A layer and maps that bfloat16 holds exactly, so that float64 says what is right."""
    torch.manual_seed(0)
    layer = nn.Conv2d(6, channels, side, padding=side // 2, bias=bias)
    layer.to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(parameter.bfloat16())
    maps = torch.randn(4, 6, 7, 5).bfloat16().float().to(memory_format=torch.channels_last)
    return layer, maps


def gradients(layer: nn.Conv2d, maps: Tensor, gradient: Tensor) -> list[Tensor]:
    """Of weight, bias (where there is one) and maps, by torch in float64."""
    double = [p.detach().double().requires_grad_() for p in layer.parameters()]
    start = maps.detach().double().requires_grad_()
    weight, *bias = double
    padding = layer.kernel_size[0] // 2
    result = F.conv2d(start, weight, bias[0] if bias else None, padding=padding)
    return list(torch.autograd.grad(result, [*double, start], gradient.double()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_weight_gradient_is_torchs_in_float64(
    channels: int, side: int, layout: torch.memory_format
) -> None:
    layer, maps = operands(channels, side)
    gradient = torch.randn(4, channels, 7, 5, dtype=torch.float64).to(memory_format=layout)
    found = weight_gradient(gradient, maps.double(), side)
    wanted = gradients(layer, maps, gradient)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("channels", "side"), [(1, 3), (1, 5), (3, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_results_are_torchs_and_gradients_those_of_float64(
    channels: int, side: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, maps = operands(channels, side, bias)
    calls: list[int] = []

    def watched(gradient: Tensor, maps: Tensor, side: int) -> Tensor:
        calls.append(side)
        return weight_gradient(gradient, maps, side)

    monkeypatch.setattr(image_convolution, "weight_gradient", watched)
    start = maps.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        result = to_image(layer, start)
        assert torch.equal(result, layer(maps))
    gradient = torch.randn_like(result)
    found = torch.autograd.grad(result, [*layer.parameters(), start], gradient)
    assert calls == [side], "it was computed otherwise"
    for ours, wanted in zip(found, gradients(layer, maps, gradient), strict=True):
        distance = (ours.double() - wanted).norm() / wanted.norm()
        assert distance < 4e-3, "rounding to bfloat16 alone"


def test_planes_that_are_not_turned_round_are_another_gradient() -> None:
    """The mistake to make: a plane shifted forward is that of the weight that looks back."""
    layer, maps = operands(1)
    gradient = torch.randn(4, 1, 7, 5, dtype=torch.float64)
    wanted = gradients(layer, maps, gradient)[0]
    wrong = weight_gradient(gradient, maps.double(), 3).flip(2, 3)
    assert (wrong - wanted).norm() / wanted.norm() > 0.1


@pytest.mark.parametrize("frozen", ["weight", "maps"])
def test_only_what_is_wanted_is_computed(frozen: str) -> None:
    layer, maps = operands(1)
    maps.requires_grad_(frozen != "maps")
    layer.requires_grad_(frozen != "weight")
    with torch.autocast("cpu", torch.bfloat16):
        to_image(layer, maps).sum().backward()  # type: ignore[no-untyped-call]
    assert (maps.grad is None) == (frozen == "maps")
    assert (layer.weight.grad is None) == (frozen == "weight")


def test_is_differentiated_twice() -> None:
    layer, maps = operands(1)
    found = []
    for convolve in (to_image, lambda layer, maps: layer(maps)):
        start = maps.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            answer = convolve(layer, start).square().sum()
        (gradient,) = torch.autograd.grad(answer, start, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), layer.weight)[0])
    scale = found[1].abs().max().item()
    torch.testing.assert_close(found[0], found[1], rtol=2e-2, atol=2e-2 * scale)


@pytest.mark.parametrize(
    "settings",
    [
        {"stride": 2},
        {"padding": 0},
        {"padding": "same"},
        {"dilation": 2, "padding": 2},
        {"padding_mode": "reflect"},
        {"kernel_size": 4},
        {"kernel_size": (3, 5), "padding": (1, 2)},
        {"out_channels": 4},
    ],
    ids=str,
)
def test_other_convolutions_compute_themselves(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_convolution, "_ToImage", None)  # to be used would raise
    wanted: dict[str, Any] = {"out_channels": 1, "kernel_size": 3, "padding": 1, **settings}
    layer, maps = nn.Conv2d(6, **wanted), operands(1)[1]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(to_image(layer, maps), layer(maps))


def test_in_float32_without_gradients_and_in_another_layout_it_is_the_layer_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_convolution, "_ToImage", None)  # to be used would raise
    layer, maps = operands(1)
    assert torch.equal(to_image(layer, maps), layer(maps))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(to_image(layer, maps.contiguous()), layer(maps.contiguous()))
        with torch.no_grad():
            assert torch.equal(to_image(layer, maps), layer(maps))
        monkeypatch.setattr(image_convolution, "_LEAST_PIXELS", 4 * 7 * 5 + 1)
        assert torch.equal(to_image(layer, maps), layer(maps))
