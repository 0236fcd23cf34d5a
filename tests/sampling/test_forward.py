"""The copy that draws computes what the generator computes, with norms joined to convolutions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from acgan.data.images import ImageShape
from acgan.errors import DataError
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.interface import GeneratorConfig
from acgan.sampling.forward import Precision, _prepared, batched_forward, to_uint8

torch.set_num_threads(1)

FIRST = ConditioningConfig(layers="first")
GENERATORS: dict[str, tuple[GeneratorConfig, int]] = {  # and how many norms are joined
    "first layer conditional": (
        DeconvConfig(widths=(8, 6), refinements=1, to_image="shuffle", conditioning=FIRST),
        2,
    ),
    "all conditional": (DeconvConfig(widths=(8, 6, 4)), 0),
    "no norm at the start": (
        DeconvConfig(
            widths=(8, 6),
            start_norm=False,
            to_image="deconv",
            conditioning=ConditioningConfig(mode="one-hot"),
        ),
        1,
    ),
    "spectral norm": (DeconvConfig(widths=(8, 6, 4), spectral_norm=True, conditioning=FIRST), 0),
    "upsample-conv": (UpsampleConvConfig(widths=(8, 6, 4), conditioning=FIRST), 0),
}


@pytest.mark.parametrize(("config", "joined"), GENERATORS.values(), ids=GENERATORS)
def test_the_copy_draws_the_same_and_leaves_the_original_alone(
    config: GeneratorConfig, joined: int
) -> None:
    torch.manual_seed(0)
    generator = config.build(ImageShape(3, 16, 16), 4)
    for _ in range(5):  # statistics, gains and biases that are not 0 and 1
        generator(torch.randn(32, generator.latent_size), torch.randint(4, (32,)))
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    latents, labels = torch.randn(8, generator.latent_size), torch.arange(8) % 4
    with torch.no_grad():
        batched_forward = _prepared(generator, low=False)(latents, labels)
        expected = generator.eval()(latents, labels)
    torch.testing.assert_close(batched_forward, expected, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    copies = _prepared(generator, low=False).modules()
    assert sum(isinstance(module, nn.Identity) for module in copies) == joined


def test_what_overflows_inside_is_refused() -> None:
    config = DeconvConfig(widths=(8, 8), refinements=2, to_image="shuffle", conditioning=FIRST)
    generator = config.build(ImageShape(1, 16, 16), 4).eval().requires_grad_(False)
    for parameter in (*generator.stages.parameters(), *generator.start.parameters()):  # type: ignore[union-attr]
        parameter.mul_(1e14)
    batch = torch.randn(4, generator.latent_size), torch.arange(4)
    with pytest.raises(DataError, match="non-finite"):
        list(batched_forward(generator, [batch], "bf16"))


def test_latents_that_are_no_numbers_give_no_image() -> None:
    generator = DeconvConfig(widths=(8, 6)).build(ImageShape(1, 8, 8), 4)
    latents = torch.zeros(2, generator.latent_size)
    latents[1, 1] = math.nan
    with pytest.raises(DataError, match="non-finite"):
        list(batched_forward(generator, [(latents, torch.zeros(2, dtype=torch.int64))], "bf16"))


@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_that_are_no_numbers_are_refused(value: float, precision: Precision) -> None:
    config = DeconvConfig(widths=(8, 6), refinements=1, conditioning=FIRST)
    generator = config.build(ImageShape(1, 8, 8), 4).requires_grad_(False)
    next(generator.stages.parameters()).view(-1)[0] = value  # type: ignore[union-attr]
    batch = torch.randn(1, generator.latent_size), torch.zeros(1, dtype=torch.int64)
    with pytest.raises(DataError, match="non-finite"):
        list(batched_forward(generator, [batch], precision))


def test_every_bfloat16_has_the_level_of_its_float32() -> None:
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    finite = every[torch.isfinite(every)]
    expected = (finite.double() + 1).mul(127.5).round().clamp(0, 255)
    levels = to_uint8(finite.reshape(2, -1).t()).t().flatten()
    assert (levels.double() - expected).abs().max() <= 1  # halves, in float32
    assert torch.equal(levels, to_uint8(finite.float()))
    for wrong in torch.split(every[~torch.isfinite(every)], 50):
        with pytest.raises(DataError, match="non-finite"):
            to_uint8(wrong)
