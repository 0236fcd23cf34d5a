"""The tutorials' networks, layer by layer: order, settings, and parameters counted by hand.

The counts leave out the biases right before a batch norm, which change nothing (see `deconv`).
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acgan.data.images import ImageShape
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.families import DiscriminatorFamily, GeneratorFamily
from acgan.networks.interface import Heads
from acgan.networks.layers import BatchNormConfig

torch.set_num_threads(1)

BOTH = Heads()
MULTIPLY = ConditioningConfig(mode="multiply")
SCRIPT_G = UpsampleConvConfig(widths=(128, 128, 64), conditioning=MULTIPLY)
SCRIPT_D = ConvStackConfig(
    layers=tuple(
        ConvLayerConfig(width=width, kernel=3, stride=2, norm=width > 16)
        for width in (16, 32, 64, 128)
    ),
    order="norm-last",
    dropout=0.25,
    dropout_unit="channels",
)
COLOR_G = DeconvConfig(widths=(1024, 512, 256, 128), to_image="deconv", conditioning=MULTIPLY)
COLOR_D = ConvStackConfig(
    layers=tuple(
        ConvLayerConfig(width=width, kernel=4, stride=2, norm=width > 128)
        for width in (128, 256, 512, 1024)
    )
)
PAPER_G = DeconvConfig(
    widths=(384, 192, 96),
    kernel=5,
    to_image="deconv",
    start_norm=False,
    conditioning=ConditioningConfig(mode="one-hot"),
)
PAPER_D = ConvStackConfig(
    layers=tuple(
        ConvLayerConfig(width=16 * 2**i, kernel=3, stride=2 - i % 2, norm=i > 0) for i in range(6)
    ),
    dropout=0.5,
    activation_noise=0.1,
)
SYSTEMS: dict[int, tuple[GeneratorFamily, DiscriminatorFamily, ImageShape, int]] = {
    4: (SCRIPT_G, SCRIPT_D, ImageShape(1, 32, 32), 10),
    5: (SCRIPT_G, SCRIPT_D, ImageShape(1, 28, 28), 10),
    6: (COLOR_G, COLOR_D, ImageShape(3, 64, 64), 2),
    7: (PAPER_G, PAPER_D, ImageShape(3, 32, 32), 10),
}


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("system", "generator", "discriminator"),
    [
        # the terms of G: label and linear layer, norms and convolutions, image layer; of D: the
        # convolutions and norms, then the heads
        (
            4,
            1_000 + 101 * 8192 + 640 + 147_456 + 73_728 + 577,
            160 + 4_640 + 18_496 + 73_856 + 448 + 513 + 5_130,
        ),
        (
            5,
            1_000 + 101 * 6272 + 640 + 147_456 + 73_728 + 577,
            160 + 4_640 + 18_496 + 73_856 + 448 + 513 + 5_130,
        ),
        (
            6,
            200 + 101 * 16_384 + 3_840 + 8_388_608 + 2_097_152 + 524_288 + 6_147,
            6_272 + 524_288 + 2_097_152 + 8_388_608 + 3_584 + 16_385 + 32_770,
        ),
        (
            7,
            111 * 6_144 + 1_843_200 + 460_800 + 576 + 7_203,
            448 + 4_608 + 18_432 + 73_728 + 294_912 + 1_179_648 + 1_984 + 8_193 + 81_930,
        ),
    ],
)
def test_parameters_counted_by_hand(system: int, generator: int, discriminator: int) -> None:
    g, d, shape, classes = SYSTEMS[system]
    assert size(g.build(shape, classes)) == generator
    assert size(d.build(shape, classes, BOTH)) == discriminator


def layers(network: nn.Module) -> list[str]:
    return [type(m).__name__ for m in network.modules() if not list(m.children())]


def test_the_script_normalises_after_dropout_and_the_rest_before_the_activation() -> None:
    script = SCRIPT_D.build(ImageShape(1, 32, 32), 10, BOTH)
    block = ["Conv2d", "LeakyReLU", "Dropout2d"]
    normed = [*block, "BatchNorm2d"]
    assert layers(script) == [*block, *normed, *normed, *normed, "Linear", "Linear"]

    paper = PAPER_D.build(ImageShape(3, 32, 32), 10, BOTH)
    after = ["LeakyReLU", "ActivationNoise", "Dropout"]
    assert layers(paper) == [
        "Conv2d",
        *after,
        *(["Conv2d", "BatchNorm2d", *after] * 5),
        "Linear",
        "Linear",
    ]
    assert [m.stride[0] for m in paper.modules() if isinstance(m, nn.Conv2d)] == [2, 1, 2, 1, 2, 1]


def test_generators_compute_in_the_stated_order() -> None:
    called: list[str] = []

    def order_of(config: DeconvConfig | UpsampleConvConfig, shape: ImageShape) -> list[str]:
        generator = config.build(shape, 2)
        for module in generator.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda m, *_: called.append(type(m).__name__))
        called.clear()
        generator(torch.randn(2, 100), torch.tensor([0, 1]))
        return list(called)

    stage = ["UpsampledConv2d", "BatchNorm2d"]
    expected = ["Embedding", "Linear", "BatchNorm2d", *stage, *stage, "Conv2d"]
    assert order_of(SCRIPT_G, ImageShape(1, 8, 8)) == expected
    up = ["ConvTranspose2d", "BatchNorm2d"]
    expected = ["JoinedOneHot", "Linear", *up, *up, "ConvTranspose2d"]
    assert order_of(PAPER_G, ImageShape(3, 8, 8)) == expected


@pytest.mark.parametrize("system", SYSTEMS)
def test_eps_and_momentum_are_not_mixed_up(system: int) -> None:
    """``BatchNorm2d(C, 0.8)`` of the scripts sets eps; here both go by name."""
    g, d, shape, classes = SYSTEMS[system]
    small_g = g.model_copy(update={"widths": tuple(4 for _ in g.widths)})
    for network in (
        small_g.build(shape, classes),
        d.build(shape, classes, BOTH),
    ):
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms
        assert {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}


def test_eps_is_a_field_for_those_who_run_the_script_as_it_is() -> None:
    config = SCRIPT_G.model_copy(update={"batch_norm": BatchNormConfig(eps=0.8)})
    norms = [
        m for m in config.build(ImageShape(1, 8, 8), 2).modules() if isinstance(m, nn.BatchNorm2d)
    ]
    assert {(m.eps, m.momentum) for m in norms} == {(0.8, 0.1)}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_layer_starts_as_the_scheme_says(system: int) -> None:
    g, d, shape, classes = SYSTEMS[system]
    noisy = BatchNormConfig(gain_std=0.02)
    if system == 6:  # same layers, a tenth of the numbers
        g = COLOR_G.model_copy(update={"widths": (128, 64, 32, 32)})
    torch.manual_seed(0)
    networks = (
        g.model_copy(update={"batch_norm": noisy}).build(shape, classes),
        d.model_copy(update={"batch_norm": noisy}).build(shape, classes, BOTH),
    )
    seen = set()
    for network in networks:
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                seen.add(type(layer))
                numbers = layer.weight.numel()
                tolerance = 5 / (2 * numbers) ** 0.5  # five standard errors
                assert layer.weight.std().item() == pytest.approx(0.02, rel=tolerance)
                assert abs(layer.weight.mean().item()) <= 5 * 0.02 / numbers**0.5
                assert layer.bias is None or not layer.bias.any()
            elif isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.8)
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.03)
                assert not layer.bias.any()
            elif isinstance(layer, nn.Embedding):
                assert layer.weight.std().item() == pytest.approx(1, rel=0.25)
    assert len(seen) >= 2


def test_conditional_gains_start_apart_and_plain_gains_at_one() -> None:
    torch.manual_seed(0)
    generator = DeconvConfig().build(ImageShape(1, 28, 28), 10)
    for parameter in generator.conditioning_parameters():
        assert parameter.std().item() == pytest.approx(0.3, rel=0.15)
    plain = SCRIPT_G.build(ImageShape(1, 8, 8), 10)
    gains = [m.weight for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(torch.equal(gain, torch.ones_like(gain)) for gain in gains)
