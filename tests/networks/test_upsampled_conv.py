"""Doubling and convolving as one operation is what it says, to the last bits of float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.networks.upsample_conv import UpsampledConv2d

torch.set_num_threads(1)


def as_two_operations(maps: Tensor, layer: UpsampledConv2d) -> Tensor:
    return F.conv2d(F.interpolate(maps, scale_factor=2.0), layer.weight, layer.bias, padding=1)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_the_two_operations(
    bias: bool, size: tuple[int, int], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = UpsampledConv2d(3, 5, 3, padding=1, bias=bias).double().to(memory_format=layout)
    maps = torch.randn(2, 3, *size, dtype=torch.float64).to(memory_format=layout)
    weights = torch.randn(2, 5, 2 * size[0], 2 * size[1], dtype=torch.float64)
    found = []
    for drawn in (layer(maps.requires_grad_()), as_two_operations(maps, layer)):
        gradients = torch.autograd.grad((drawn * weights).sum(), [maps, *layer.parameters()])
        found.append([drawn, *gradients])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-12, atol=1e-12)


def test_a_kernel_that_is_not_symmetric_is_not_mirrored() -> None:
    """Transposed convolutions flip kernels; here the first weight looks up and to the left."""
    layer = UpsampledConv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 0, 0] = 1.0
    drawn = layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
    assert drawn.tolist() == [[0, 0, 0, 0], [0, 1, 1, 2], [0, 1, 1, 2], [0, 3, 3, 4]]
