"""Resampling and convolving as one operation is what it says, to the last bits of float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.networks.layers import PooledConv2d, UpsampledConv2d

torch.set_num_threads(1)


def doubled_first(maps: Tensor, layer: nn.Conv2d) -> Tensor:
    return F.conv2d(F.interpolate(maps, scale_factor=2.0), layer.weight, layer.bias, padding=1)


def averaged_last(maps: Tensor, layer: nn.Conv2d) -> Tensor:
    return F.avg_pool2d(F.conv2d(maps, layer.weight, layer.bias, padding=1), 2)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3), (7, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", [UpsampledConv2d, PooledConv2d])
def test_values_and_gradients_are_those_of_the_two_operations(
    kind: type[nn.Conv2d], bias: bool, size: tuple[int, int], layout: torch.memory_format
) -> None:
    reference = doubled_first if kind is UpsampledConv2d else averaged_last
    if kind is PooledConv2d:
        size = (size[0] + 1, size[1] + 1)  # odd sides and even ones, the least being 2
    torch.manual_seed(0)
    layer = kind(3, 5, 3, padding=1, bias=bias).double().to(memory_format=layout)
    maps = torch.randn(2, 3, *size, dtype=torch.float64).to(memory_format=layout)
    weights = torch.randn_like(reference(maps, layer))
    found = []
    for drawn in (layer(maps.requires_grad_()), reference(maps, layer)):
        gradients = torch.autograd.grad((drawn * weights).sum(), [maps, *layer.parameters()])
        found.append([drawn, *gradients])
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_a_kernel_that_is_not_symmetric_is_not_mirrored() -> None:
    """Transposed convolutions flip kernels; here the first weight looks up and to the left."""
    layer = UpsampledConv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 0, 0] = 1.0
    drawn = layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
    assert drawn.tolist() == [[0, 0, 0, 0], [0, 1, 1, 2], [0, 1, 1, 2], [0, 3, 3, 4]]


def test_a_mean_by_hand() -> None:
    """The kernel that copies its middle pixel leaves the means of 2×2 squares."""
    layer = PooledConv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 1, 1] = 1.0
    maps = torch.arange(20.0).view(1, 1, 4, 5)  # the fifth column has no partner
    assert layer(maps)[0, 0].tolist() == [[3.0, 5.0], [13.0, 15.0]]
