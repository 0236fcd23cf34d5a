"""The copy that draws computes what the generator computes, with norms joined to convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acgan.data.images import ImageShape
from acgan.networks.build import GeneratorConfig, build_generator
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.deconv import DeconvConfig
from acgan.networks.upsample_conv import UpsampleConvConfig
from acgan.passes import _prepared

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
    generator = build_generator(config, ImageShape(3, 16, 16), 4)
    for _ in range(5):  # statistics, gains and biases that are not 0 and 1
        generator(torch.randn(32, generator.latent_size), torch.randint(4, (32,)))
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    latents, labels = torch.randn(8, generator.latent_size), torch.arange(8) % 4
    with torch.no_grad():
        drawn = _prepared(generator, low=False)(latents, labels)
        expected = generator.eval()(latents, labels)
    torch.testing.assert_close(drawn, expected, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    copies = _prepared(generator, low=False).modules()
    assert sum(isinstance(module, nn.Identity) for module in copies) == joined
