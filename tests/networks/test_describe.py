from __future__ import annotations

import pytest
import torch

from acgan.data.images import ImageShape
from acgan.networks.conv_generators import DeconvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.describe import describe_networks, render_summary
from acgan.networks.interface import Discriminator, Generator, Heads

torch.set_num_threads(1)

SHAPE = ImageShape(1, 8, 8)


def pair(*, spectral_norm: bool = False) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    g = DeconvConfig(latent_size=5, widths=(8, 4), spectral_norm=spectral_norm)
    d = ConvStackConfig(
        layers=(ConvLayerConfig(width=6, kernel=4, stride=2),),
        dropout=0.5,
        activation_noise=0.1,
        spectral_norm=spectral_norm,
    )
    return g.build(SHAPE, 3), d.build(SHAPE, 3, Heads())


@pytest.mark.slow
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_rows_and_totals_by_hand(spectral_norm: bool) -> None:
    generator, discriminator = pair(spectral_norm=spectral_norm)
    summary = describe_networks(generator, discriminator, SHAPE, 3, 7)

    rows = [(row.kind, row.output_shape, row.parameters) for row in summary.generator.rows]
    assert rows == [
        ("Unconditional", (5,), 0),
        ("Linear", (128,), 6 * 128),
        ("Embedding", (16,), 48),
        ("BatchNorm2d", (8, 4, 4), 0),
        ("ConvTranspose2d", (4, 8, 8), 8 * 4 * 16),
        ("Embedding", (8,), 24),
        ("BatchNorm2d", (4, 8, 8), 0),
        ("Conv2d", (1, 8, 8), 37),
    ]
    kinds = [row.kind for row in summary.discriminator.rows]
    expected = ["Conv2d", "BatchNorm2d", "LeakyReLU", "ActivationNoise", "Dropout"]
    assert kinds == [*expected, "Linear", "Linear"]
    for table, network in (
        (summary.generator, generator),
        (summary.discriminator, discriminator),
    ):
        assert table.parameters == sum(row.parameters for row in table.rows)
        assert table.parameters == sum(p.numel() for p in network.parameters())


def test_flops_by_hand() -> None:
    summary = describe_networks(*pair(), SHAPE, 3, 7)
    linear = 2 * 5 * 128
    doubling = 2 * 8 * 4 * 16 * 16  # every input position is multiplied with the whole kernel
    image = 2 * 4 * 9 * 64
    assert summary.generator.forward_flops == linear + doubling + image
    first, heads = 2 * 16 * 6 * 16, 2 * 96 * 4
    assert summary.discriminator.forward_flops == first + heads
    # A backward pass costs a forward pass for the weights and one for the input of each layer; the
    # first layer of each network needs no gradient of its input, and in G's step D none of weights.
    g, d = summary.generator.forward_flops, summary.discriminator.forward_flops
    d_step = g + 2 * (3 * d - first)
    g_step = (3 * g - linear) + 2 * d
    assert summary.training_flops == d_step + g_step


def test_nothing_of_the_callers_is_touched() -> None:
    generator, discriminator = pair(spectral_norm=True)
    generator.eval()
    before = [
        {n: t.clone() for n, t in network.state_dict().items()}
        for network in (generator, discriminator)
    ]
    chance = torch.get_rng_state()
    describe_networks(generator, discriminator, SHAPE, 3, 4)
    assert torch.equal(torch.get_rng_state(), chance)
    for network, state in zip((generator, discriminator), before, strict=True):
        assert all(torch.equal(t, state[n]) for n, t in network.state_dict().items())
        assert all(p.grad is None and p.requires_grad for p in network.parameters())
        assert not any(m._forward_hooks for m in network.modules())
    assert not generator.training
    assert discriminator.training


def test_the_text_names_layers_totals_and_costs() -> None:
    summary = describe_networks(*pair(), SHAPE, 3, 4)
    text = render_summary(summary)
    assert text == str(summary)
    assert "ConvTranspose2d  4×8×8" in text
    assert f"{summary.generator.parameters:,}" in text
    assert "FLOP an image" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="3 classes"):
        describe_networks(*pair(), SHAPE, 4, 4)
