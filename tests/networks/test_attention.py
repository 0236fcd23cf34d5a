"""Self-attention against the paper's sums, written out; where it stands; what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.attention import SelfAttention
from acgan.networks.conv_generators import DeconvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.interface import Generator, Heads
from acgan.networks.layers import add_spectral_norm, initialize
from acgan.networks.resnet import ResnetDiscriminatorConfig, ResnetGeneratorConfig

torch.set_num_threads(1)

SHAPE = ImageShape(1, 16, 24)


def some_attention(channels: int = 16, gain: float = 0.7) -> SelfAttention:
    torch.manual_seed(0)
    attention = SelfAttention(channels).double()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64))
        attention.gain.factor.fill_(gain)
    return attention


def some_maps() -> Tensor:
    torch.manual_seed(1)
    return 0.3 * torch.randn(2, 16, 3, 2, dtype=torch.float64)


def written_out(attention: SelfAttention, maps: Tensor, wrong: str = "") -> Tensor:
    """Equations 1 to 3 of the paper, place by place; or one of the ways to get them wrong."""
    f, g, h, v = (
        layer.weight[:, :, 0, 0]
        for layer in (attention.key, attention.query, attention.value, attention.back)
    )
    count, _, height, width = maps.shape
    result = torch.empty_like(maps)
    for n in range(count):
        places = [maps[n, :, y, x] for y in range(height) for x in range(width)]
        for j, here in enumerate(places):
            scores = torch.stack([(f @ there) @ (g @ here) for there in places])
            if wrong == "query and key swapped":
                scores = torch.stack([(g @ there) @ (f @ here) for there in places])
            if wrong == "scaled":
                scores = scores / math.sqrt(f.shape[0])
            beta = scores.sigmoid() if wrong == "no softmax" else scores.softmax(dim=0)
            seen = sum(b * (h @ there) for b, there in zip(beta, places, strict=True))
            added = attention.gain.factor * (v @ seen)
            y, x = (j % height, j // height) if wrong == "turned" else (j // width, j % width)
            result[n, :, y, x] = added if wrong == "no rest" else here + added
    return result


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_the_papers_sums(layout: torch.memory_format) -> None:
    attention, maps = some_attention(), some_maps().to(memory_format=layout).requires_grad_()
    weights = torch.randn(maps.shape, dtype=torch.float64)
    found = []
    for result in (attention(maps), written_out(attention, maps)):
        wanted = [maps, *attention.parameters()]
        found.append([result, *torch.autograd.grad((result * weights).sum(), wanted)])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "wrong", ["query and key swapped", "scaled", "no softmax", "turned", "no rest"]
)
def test_wrong_versions_are_seen(wrong: str) -> None:
    attention, maps = some_attention(), some_maps()
    assert not torch.allclose(attention(maps), written_out(attention, maps, wrong), rtol=1e-3)


@pytest.mark.parametrize("channels", [4, 16, 64])
def test_it_starts_as_if_it_was_not_there(channels: int) -> None:
    for scheme in ("dcgan", "glorot", "torch"):
        attention = SelfAttention(channels)
        initialize(attention, scheme)
        maps = torch.randn(2, channels, 4, 4)
        assert torch.equal(attention(maps), maps)
        numbers = sum(parameter.numel() for parameter in attention.parameters())
        assert numbers == 4 * channels * max(1, channels // 8) + 1


def test_in_bf16_the_scores_are_not() -> None:
    """Scores of some hundreds: rounded to 8 bits they would choose other places."""
    attention, maps = some_attention().float(), 60 * some_maps().float()
    exact = written_out(attention.double(), maps.bfloat16().double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = attention.float()(maps.bfloat16())
    assert rough.dtype == torch.bfloat16
    close = (rough.double() - exact).abs() <= 0.05 * exact.abs().max()
    assert close.double().mean() > 0.9


def networks_with(wanted: tuple[int, ...], *, spectral: bool) -> list[nn.Module]:
    heads = Heads()
    layers = tuple(ConvLayerConfig(width=8, kernel=4, stride=2) for _ in range(2))
    torch.manual_seed(0)
    return [
        DeconvConfig(widths=(8, 8, 8), attention_at=wanted, spectral_norm=spectral).build(SHAPE, 2),
        ResnetGeneratorConfig(widths=(8, 8, 8), attention_at=wanted, spectral_norm=spectral).build(
            SHAPE, 2
        ),
        ConvStackConfig(layers=layers, attention_at=wanted, spectral_norm=spectral).build(
            SHAPE, 2, heads
        ),
        ResnetDiscriminatorConfig(
            widths=(8, 8, 8), attention_at=wanted, spectral_norm=spectral
        ).build(SHAPE, 2, heads),
    ]


@pytest.mark.parametrize("spectral", [False, True])
def test_it_stands_once_at_each_asked_height(spectral: bool) -> None:
    seen: list[tuple[int, ...]] = []

    def note(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.append(tuple(output.shape[2:]))

    for network in networks_with((8,), spectral=spectral):
        layers = [m for m in network.modules() if isinstance(m, SelfAttention)]
        for layer in layers:
            layer.register_forward_hook(note)
        assert hasattr(layers[0].query, "parametrizations") == spectral
        seen.clear()
        if isinstance(network, Generator):
            network(torch.randn(2, network.latent_size), torch.tensor([0, 1]))
        else:
            network(torch.randn(2, *SHAPE))
        assert seen == [(8, 12)]


def test_at_no_height_nothing_is_added() -> None:
    for network, other in zip(
        networks_with((), spectral=False), networks_with((8,), spectral=False), strict=True
    ):
        plain, attentive = network.state_dict().keys(), other.state_dict().keys()
        assert plain < attentive
        ends = ("key.weight", "query.weight", "value.weight", "back.weight", "gain.factor")
        assert len(attentive - plain) == len(ends)
        assert all(name.endswith(ends) for name in attentive - plain)


@pytest.mark.parametrize(
    ("config", "heights"),
    [
        (DeconvConfig(widths=(8, 8, 8), attention_at=(5,)), "8, 16"),
        (DeconvConfig(widths=(8, 8), to_image="shuffle", attention_at=(16,)), "8"),
        (ResnetGeneratorConfig(widths=(8, 8, 8), attention_at=(8, 4)), "8, 16"),
        (
            ConvStackConfig(
                layers=(ConvLayerConfig(width=8), ConvLayerConfig(width=8)), attention_at=(8,)
            ),
            "16",
        ),
        (ResnetDiscriminatorConfig(widths=(8, 8, 8), attention_at=(16,)), "8, 4"),
    ],
)
def test_a_height_that_no_layer_has_is_refused_with_those_there_are(
    config: DeconvConfig, heights: str
) -> None:
    with pytest.raises(UsageError, match=rf"choose .*\.attention_at among {heights}$"):
        config.check_shape(SHAPE)


def test_spectral_norm_reaches_its_layers_and_not_its_gain() -> None:
    attention = SelfAttention(16)
    add_spectral_norm(attention)
    normed = [n for n, m in attention.named_modules() if hasattr(m, "parametrizations")]
    assert normed == ["key", "query", "value", "back"]
