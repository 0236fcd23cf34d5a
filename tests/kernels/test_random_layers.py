"""Noise and dropout draw what their formulas say, in every layout; nothing in evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.kernels.random_layers import ActivationNoise, Dropout

torch.set_num_threads(1)

SHAPES = [(50, 16, 14, 14), (200, 785), (1, 3, 3, 3), (0, 4), (7,)]
FORMATS: list[Callable[[Tensor], Tensor]] = [
    lambda maps: maps,
    lambda maps: maps.to(memory_format=torch.channels_last) if maps.ndim == 4 else maps,
    lambda maps: maps.transpose(0, -1),
    lambda maps: maps[..., ::2],
]


@pytest.mark.parametrize("layer", [ActivationNoise(0.3), Dropout(0.3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("form", FORMATS)
def test_shape_dtype_and_memory_stay_and_evaluation_changes_nothing(
    layer: nn.Module,
    dtype: torch.dtype,
    shape: tuple[int, ...],
    form: Callable[[Tensor], Tensor],
) -> None:
    maps = form(torch.ones(shape, dtype=dtype))
    drawn = layer.train()(maps)
    assert drawn.shape == maps.shape
    assert drawn.dtype == dtype
    assert not maps.numel() or drawn.stride() == torch.empty_like(maps).stride()
    assert maps.eq(1).all()
    assert torch.equal(layer.eval()(maps), maps)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_noise_is_normal_with_the_stated_strength(
    dtype: torch.dtype, form: Callable[[Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    noise = ActivationNoise(0.3)(form(torch.zeros(200, 64, 8, 16, dtype=dtype))).double() / 0.3
    count = noise.numel()
    for moment, expected, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        found = noise.pow(moment).mean().item()
        assert found == pytest.approx(expected, abs=6 * math.sqrt(spread / count) + 0.002)
    assert noise.abs().gt(3).double().mean().item() == pytest.approx(0.0027, rel=0.1)
    assert noise.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("probability", [0.25, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dropout_keeps_the_share_it_says_and_the_mean(
    probability: float, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    dropped = Dropout(probability)(torch.ones(4_000_001, dtype=dtype)).double()
    kept = dropped.count_nonzero().item() / dropped.numel()
    chance = 6 * math.sqrt(probability * (1 - probability) / dropped.numel())
    assert kept == pytest.approx(1 - probability, abs=chance)
    values = dropped.unique().tolist()
    assert len(values) == 2
    exact = torch.finfo(dtype).eps + 2**-15 / (1 - probability)
    assert values[1] == pytest.approx(1 / (1 - probability), rel=exact)


def test_a_probability_of_zero_drops_nothing_and_one_is_refused() -> None:
    ones = torch.ones(100_000)
    assert torch.equal(Dropout(0)(ones), ones)
    for wrong in (1, -0.1, math.nan):
        with pytest.raises(ValueError, match="probability"):
            Dropout(wrong)


def test_every_position_is_dropped_for_itself() -> None:
    """Neighbors in memory come from one drawn word, and the last word is not used up."""
    torch.manual_seed(0)
    kept = Dropout(0.5)(torch.ones(60_000, 3, 3)).view(60_000, 9)
    alike = (kept - 1).T.corrcoef() - torch.eye(9)
    assert alike.abs().max().item() < 6 / math.sqrt(60_000)
    assert (kept.mean(0) - 1).abs().max().item() < 6 / math.sqrt(60_000)


def test_the_gradient_passes_where_the_activation_did() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    drawn = Dropout(0.5)(maps)
    (gradient,) = torch.autograd.grad(drawn.sum(), maps)
    torch.testing.assert_close(gradient * maps, drawn)
    torch.manual_seed(1)
    twice = torch.autograd.grad(Dropout(0.5)(maps).square().sum(), maps, create_graph=True)[0]
    (second,) = torch.autograd.grad(twice.sum(), maps)
    torch.testing.assert_close(second, 2 * gradient.square())


@pytest.mark.parametrize("layer", [ActivationNoise(0.3), Dropout(0.3)], ids=str)
def test_equal_seeds_draw_equal_numbers_and_the_next_draw_differs(layer: nn.Module) -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append([layer(torch.ones(50, 50)) for _ in range(2)])
    assert torch.equal(draws[0][0], draws[1][0])
    assert torch.equal(draws[0][1], draws[1][1])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_a_compiled_network_and_other_devices_have_torchs_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    ones = torch.ones(1000)
    torch.manual_seed(0)
    drawn = Dropout(0.3)(ones), ActivationNoise(0.3)(ones)
    torch.manual_seed(0)
    assert torch.equal(drawn[0], F.dropout(ones, 0.3))
    torch.testing.assert_close(drawn[1], ones + 0.3 * torch.randn_like(ones))
    assert Dropout(0.3)(torch.ones(3, 3, device="meta")).shape == (3, 3)
