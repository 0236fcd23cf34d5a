"""Layers computed otherwise give what the layers that they replace give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from acgan.kernels.inference_layers import PairedShuffle, WindowedUpsampling
from acgan.kernels.space_to_depth import DepthToSpace

torch.set_num_threads(1)


def doubling(before: int, after: int, *, bias: bool = True, **settings: int) -> nn.ConvTranspose2d:
    torch.manual_seed(0)
    wanted: dict[str, Any] = {"kernel_size": 4, "stride": 2, "padding": 1, **settings}
    layer = nn.ConvTranspose2d(before, after, bias=bias, **wanted)
    return layer.to(torch.bfloat16).requires_grad_(False)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(7, 7), (4, 4), (1, 1), (5, 3), (8, 8), (3, 9)])
def test_doubling_by_windows_is_the_transposed_convolution(
    size: tuple[int, int], bias: bool
) -> None:
    layer = doubling(16, 24, bias=bias)
    maps = torch.randn(3, 16, *size).to(torch.bfloat16).to(memory_format=torch.channels_last)
    drawn = WindowedUpsampling(layer)(maps)
    exact = layer.to(torch.float64)(maps.double())
    assert drawn.dtype == torch.bfloat16
    torch.testing.assert_close(drawn.double(), exact, rtol=2**-8, atol=1e-6)
    assert drawn.is_contiguous(memory_format=torch.channels_last)


def test_sums_of_small_whole_numbers_are_exact() -> None:
    """So every product stands in its place: not one value may differ."""
    layer = doubling(8, 8)
    for parameter in layer.parameters():
        parameter.copy_(torch.randint(-1, 2, parameter.shape))
    maps = torch.randint(-1, 2, (2, 8, 7, 6)).to(torch.bfloat16)
    for each in (maps, maps.to(memory_format=torch.channels_last)):
        assert torch.equal(WindowedUpsampling(layer)(each), layer(maps))


@pytest.mark.parametrize(
    "layer",
    [
        doubling(8, 12),
        doubling(8, 8, kernel_size=5, padding=2, output_padding=1),
        doubling(8, 8, stride=1),
        doubling(8, 8, padding=0),
        doubling(8, 8, groups=2),
        doubling(8, 8).float(),
        nn.Conv2d(8, 8, 4),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    assert not WindowedUpsampling.replaces(layer)
    if isinstance(layer, nn.ConvTranspose2d):
        with pytest.raises(ValueError, match="not a doubling"):
            WindowedUpsampling(layer)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_a_shuffle_by_pairs_is_the_pixel_shuffle(
    channels: int, memory_format: torch.memory_format
) -> None:
    maps = torch.randn(2, 4 * channels, 5, 7).to(torch.bfloat16).to(memory_format=memory_format)
    drawn = PairedShuffle()(maps)
    assert torch.equal(drawn, nn.PixelShuffle(2)(maps))
    assert drawn.is_contiguous()


def test_other_shuffles_are_left_alone() -> None:
    assert PairedShuffle.replaces(DepthToSpace(2))
    assert not PairedShuffle.replaces(DepthToSpace(3))
