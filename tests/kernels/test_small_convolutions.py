"""Convolutions of small maps: the same results, and the weight gradients of float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.kernels import small_convolutions as small_maps
from acgan.networks.layers import PooledConv2d, UpsampledConv2d


class Case(NamedTuple):
    """A layer and the side of its maps."""

    layer: nn.Conv2d | nn.ConvTranspose2d
    side: int


def cases() -> dict[str, Case]:
    return {
        "3×3": Case(nn.Conv2d(3, 5, 3, padding=1), 7),
        "3×3, stride 2": Case(nn.Conv2d(3, 5, 3, stride=2, padding=1), 8),
        "3×3, stride 2, odd": Case(nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False), 7),
        "4×4, stride 2": Case(nn.Conv2d(3, 5, 4, stride=2, padding=1, bias=False), 14),
        "5×5": Case(nn.Conv2d(3, 5, 5, padding=2), 6),
        "1×1": Case(nn.Conv2d(3, 5, 1), 6),
        "transposed": Case(nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, bias=False), 7),
        "transposed, 5×5": Case(nn.ConvTranspose2d(3, 5, 5, 2, 2, output_padding=1), 4),
    }


@contextmanager
def bfloat16() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16):
        yield


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_maps, "_LEAST_PRODUCTS", 0)


def operands(case: Case, count: int = 32) -> tuple[Tensor, nn.Module]:
    """Maps and a layer that bfloat16 holds exactly, so that float64 says what is right."""
    torch.manual_seed(0)
    case.layer.to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in case.layer.parameters():
            parameter.copy_(parameter.bfloat16())
    maps = torch.randn(count, 3, case.side, case.side).bfloat16().float()
    return maps.to(memory_format=torch.channels_last), case.layer


def reference(case: Case, maps: Tensor, gradient: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Result and gradients, the maps' under the name "maps", by torch in float64."""
    named = {n: p.detach().double().requires_grad_() for n, p in case.layer.named_parameters()}
    double = maps.detach().double().requires_grad_()
    layer = case.layer
    if isinstance(layer, nn.ConvTranspose2d):
        result = F.conv_transpose2d(
            double,
            named["weight"],
            named.get("bias"),
            layer.stride,
            layer.padding,  # type: ignore[arg-type]
            layer.output_padding,
        )
    else:
        result = F.conv2d(
            double,
            named["weight"],
            named.get("bias"),
            layer.stride,
            layer.padding,
        )
    result.backward(gradient.double())  # type: ignore[no-untyped-call]
    leaves = {**named, "maps": double}
    return result.detach(), {
        name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None
    }


@pytest.mark.parametrize("name", cases())
def test_results_and_gradients_are_those_of_float64(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[int] = []
    join = small_maps._joined

    def watched(maps: Tensor, count: int, step: int) -> Tensor:
        joined.append(count)
        return join(maps, count, step)

    monkeypatch.setattr(small_maps, "_joined", watched)
    case = cases()[name]
    maps, layer = operands(case)
    maps.requires_grad_()
    with bfloat16():
        result = small_maps.convolve(layer, maps)
    gradient = torch.randn_like(result)
    result.backward(gradient)  # type: ignore[no-untyped-call]
    wanted, gradients = reference(case, maps, gradient)
    found = {**{n: p.grad for n, p in layer.named_parameters()}, "maps": maps.grad}
    assert joined == [16, 16], "it was computed side by side"
    torch.testing.assert_close(result.double(), wanted, rtol=8e-3, atol=8e-3)
    assert found.keys() == gradients.keys()
    for leaf, value in gradients.items():
        ours = found[leaf]
        assert ours is not None
        distance = (ours.double() - value).norm() / value.norm()
        assert distance < 4e-3, f"{leaf}: rounding to bfloat16 alone"


def test_without_zeros_between_maps_the_gradient_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mistake to make: a kernel at a map's edge then sees its neighbor."""
    case = Case(nn.Conv2d(3, 5, 3, padding=1, bias=False), 7)
    maps, layer = operands(case)
    join = small_maps._joined

    def with_neighbors(maps: Tensor, count: int, step: int) -> Tensor:
        joined = join(maps, count, step)
        if maps.shape[1] == 3:
            joined[..., 7::8] = joined[..., 6::8]
        return joined

    monkeypatch.setattr(small_maps, "_joined", with_neighbors)
    with bfloat16():
        result = small_maps.convolve(layer, maps)
    gradient = torch.randn_like(result)
    result.backward(gradient)  # type: ignore[no-untyped-call]
    value, ours = reference(case, maps, gradient)[1]["weight"], case.layer.weight.grad
    assert ours is not None
    assert (ours.double() - value).norm() / value.norm() > 0.1


@pytest.mark.parametrize("frozen", ["weight", "maps"])
def test_only_what_is_wanted_is_computed(frozen: str) -> None:
    case = Case(nn.Conv2d(3, 5, 3, padding=1, bias=False), 7)
    maps, layer = operands(case)
    maps.requires_grad_(frozen != "maps")
    layer.requires_grad_(frozen != "weight")
    with bfloat16():
        small_maps.convolve(layer, maps).sum().backward()  # type: ignore[no-untyped-call]
    assert (maps.grad is None) == (frozen == "maps")
    assert (case.layer.weight.grad is None) == (frozen == "weight")


def test_is_differentiated_twice() -> None:
    """As R1 does: the gradient's gradient reaches the weights."""
    case = Case(nn.Conv2d(3, 5, 3, padding=1, bias=False), 7)
    maps, layer = operands(case)
    found = []
    for convolve in (small_maps.convolve, lambda layer, maps: layer(maps)):
        layer.zero_grad()
        start = maps.clone().requires_grad_()
        with bfloat16():
            answer = convolve(layer, start).square().sum()
        (gradient,) = torch.autograd.grad(answer, start, create_graph=True)
        gradient.square().sum().backward()  # type: ignore[no-untyped-call]
        assert case.layer.weight.grad is not None
        found.append(case.layer.weight.grad.clone())
    torch.testing.assert_close(
        found[0], found[1], rtol=2e-2, atol=2e-2 * found[1].abs().max().item()
    )


def test_in_float32_and_for_few_or_large_maps_it_is_the_layer_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(small_maps, "_apply", None)  # to be called would raise
    case = Case(nn.Conv2d(3, 5, 3, padding=1), 7)
    maps, layer = operands(case)
    assert torch.equal(small_maps.convolve(layer, maps), layer(maps))
    with bfloat16():
        for other in (maps[:3], F.pad(maps, (4, 4, 4, 4)), maps.contiguous()):
            assert torch.equal(small_maps.convolve(layer, other), layer(other))
        with torch.no_grad():
            assert torch.equal(small_maps.convolve(layer, maps), layer(maps))
        layer = nn.Conv2d(3, 5, 4, padding=1)  # even, stride 1: the rows would not fit
        assert torch.equal(small_maps.convolve(layer, maps), layer(maps))


def test_derived_layers_compute_themselves() -> None:
    maps = torch.randn(16, 3, 4, 4).to(memory_format=torch.channels_last)
    for layer in (UpsampledConv2d(3, 5, 3, padding=1), PooledConv2d(3, 5, 3, padding=1)):
        assert torch.equal(small_maps.convolve(layer, maps), layer(maps))
