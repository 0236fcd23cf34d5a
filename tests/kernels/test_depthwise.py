from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.kernels.depthwise import depthwise_on_cpu, pays

torch.set_num_threads(1)


def layer_of(kernel: int, stride: int, padding: int) -> nn.Conv2d:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, kernel, stride, padding, groups=6)
    layer.requires_grad_(False)
    # Weights that bfloat16 holds exactly, so that the reference has the same.
    layer.weight.copy_(layer.weight.bfloat16())
    assert layer.bias is not None
    layer.bias.copy_(layer.bias.bfloat16())
    return layer


def reference(layer: nn.Conv2d, maps: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Result and gradient in float64."""
    images = maps.detach().double().requires_grad_()
    bias = None if layer.bias is None else layer.bias.double()
    y = F.conv2d(
        images, layer.weight.double(), bias, layer.stride, layer.padding, groups=layer.groups
    )
    (gradient,) = torch.autograd.grad((y * weights).sum(), images)
    return y, gradient


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "sides"),
    [
        (3, 1, 1, (8, 5)),
        (5, 1, 2, (7, 9)),
        (3, 2, 0, (9, 17)),
        (5, 2, 0, (11, 19)),
        (3, 2, 1, (6, 9)),
    ],
)
def test_result_and_gradient_are_those_of_the_convolution(
    kernel: int, stride: int, padding: int, sides: tuple[int, int]
) -> None:
    layer = layer_of(kernel, stride, padding)
    maps = torch.randn(3, 6, *sides).bfloat16().contiguous(memory_format=torch.channels_last)
    maps.requires_grad_()
    y = depthwise_on_cpu(layer, maps)
    weights = torch.randn(y.shape).bfloat16()
    expected, slope = reference(layer, maps, weights.double())
    (gradient,) = torch.autograd.grad((y * weights).sum(), maps)

    assert y.dtype == gradient.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), expected, rtol=0.01, atol=0.01)
    torch.testing.assert_close(gradient.double(), slope, rtol=0.02, atol=0.02)


def test_it_pays_where_only_the_maps_learn_and_bf16_is_computed_on_a_cpu() -> None:
    layer, maps = layer_of(3, 1, 1), torch.zeros(1, 6, 4, 4, requires_grad=True)
    assert not pays(layer, maps)
    with torch.autocast("cpu", torch.bfloat16):
        assert pays(layer, maps)
        assert not pays(layer, maps.detach())
        assert not pays(nn.Conv2d(6, 6, 3).requires_grad_(False), maps)
        assert not pays(layer.requires_grad_(True), maps)
