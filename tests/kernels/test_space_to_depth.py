"""Moving pairs of pixels is moving pixels: values and gradients are those of torch's shuffles."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.kernels import space_to_depth as pixel_squares
from acgan.kernels.space_to_depth import DepthToSpace, SpaceToDepth

torch.set_num_threads(1)


def drawn(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [2, 3])
@pytest.mark.parametrize("size", [(3, 5), (1, 1), (4, 2)])
def test_values_and_gradients_are_torchs(
    size: tuple[int, int], side: int, channels: int, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    maps = drawn(2, channels * side**2, *size, dtype=dtype).to(memory_format=layout)
    images = F.pixel_shuffle(maps, side)
    for module, given, wanted, back in (
        (DepthToSpace(side), maps, images, F.pixel_unshuffle),
        (SpaceToDepth(side), images.to(memory_format=layout), maps, F.pixel_shuffle),
    ):
        start = given.clone(memory_format=torch.preserve_format).requires_grad_()
        result = module(start)
        assert torch.equal(result, wanted)
        gradient = drawn(*result.shape, dtype=dtype).flip(0)
        result.backward(gradient)
        assert start.grad is not None
        assert torch.equal(start.grad, back(gradient, side))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_pairs_are_moved_of_one_channel_in_bfloat16_alone(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_ToSquares", "_ToChannels"):
        monkeypatch.setattr(pixel_squares, name, None)  # to be used would raise
    for side, channels in ((2, 1), (3, 1), (2, 3)):
        maps = drawn(2, channels * side**2, 4, 6, dtype=dtype)
        moved = dtype == torch.bfloat16 and (side, channels) == (2, 1)
        for module, given in (
            (DepthToSpace(side), maps),
            (SpaceToDepth(side), F.pixel_shuffle(maps, side)),
        ):
            if moved:
                with pytest.raises(AttributeError):
                    module(given)
            else:
                module(given)


def test_slices_and_views_are_read_where_they_are() -> None:
    images = drawn(4, 3, 8, 10)[1:3, 1:2, :6, 2:8]
    assert torch.equal(SpaceToDepth(2)(images), F.pixel_unshuffle(images, 2))
    maps = drawn(4, 9, 5, 3)[::2, 2:6].transpose(2, 3)
    assert torch.equal(DepthToSpace(2)(maps), F.pixel_shuffle(maps, 2))


def test_is_differentiated_twice() -> None:
    """As R1 does: gradients of gradients, through both ways."""
    for module, start in (
        (SpaceToDepth(2), drawn(2, 1, 4, 6)),
        (DepthToSpace(2), drawn(2, 4, 2, 3)),
    ):
        start.requires_grad_()
        (once,) = torch.autograd.grad(module(start).pow(3).sum(), start, create_graph=True)
        (twice,) = torch.autograd.grad(once.sum(), start)
        torch.testing.assert_close(twice, 6 * start.detach(), rtol=2**-6, atol=0)


def test_an_odd_side_is_refused_as_torch_refuses_it() -> None:
    with pytest.raises(RuntimeError, match="divisible"):
        SpaceToDepth(2)(drawn(1, 1, 3, 4))
