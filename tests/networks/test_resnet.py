"""The residual networks against the published order of operations, written out step by step."""

from __future__ import annotations

from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.config import validate
from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.interface import Heads
from acgan.networks.resnet import (
    DiscriminatorBlock,
    GeneratorBlock,
    ResnetDiscriminator,
    ResnetDiscriminatorConfig,
    ResnetGenerator,
    ResnetGeneratorConfig,
)

torch.set_num_threads(1)

SHAPE = ImageShape(3, 12, 8)
LABELS = torch.tensor([1, 0, 2, 2])


def generator() -> ResnetGenerator:
    torch.manual_seed(0)
    config = ResnetGeneratorConfig(latent_size=5, widths=(6, 4, 4))
    network = ResnetGenerator(config, SHAPE, 3).double()
    shake(network)
    return network


def discriminator() -> ResnetDiscriminator:
    torch.manual_seed(0)
    config = ResnetDiscriminatorConfig(widths=(4, 6, 6), halvings=2, spectral_norm=False)
    network = ResnetDiscriminator(config, SHAPE, 3, Heads()).double()
    shake(network)
    return network


def shake(network: nn.Module) -> None:
    """Biases and gains that start at 0 or 1 would hide where they stand."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)


def conv(maps: Tensor, layer: nn.Conv2d) -> Tensor:
    return F.conv2d(maps, layer.weight, layer.bias, padding=layer.padding)


def normal(maps: Tensor) -> Tensor:
    variance, mean = torch.var_mean(maps, dim=(0, 2, 3), correction=0, keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt()


def of_class(maps: Tensor, table: Tensor) -> Tensor:
    gain, bias = table[LABELS][:, :, None, None].chunk(2, dim=1)
    return normal(maps) * (1 + gain) + bias


def doubled(maps: Tensor) -> Tensor:
    return maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def drawn_as_published(network: ResnetGenerator, latents: Tensor, wrong: str = "") -> Tensor:
    """Appendix B: doubling before both convolutions of a block's entrance."""
    rows = F.linear(latents, network.start.weight, network.start.bias)
    x = rows.view(-1, 3, 2, 6).permute(0, 3, 1, 2)
    for each in network.blocks:
        block = cast("GeneratorBlock", each)
        first, second = (
            cast("Tensor", getattr(norm, "embedding").weight)  # noqa: B009
            for norm in (block.first_norm, block.second_norm)
        )
        same = first.shape == second.shape
        inner = of_class(x, first).relu()
        shortcut = inner if wrong == "shortcut after the norm" else x
        inner = conv(doubled(inner), block.first)
        inner = of_class(inner, first if same and wrong == "one norm twice" else second)
        if wrong != "no activation":
            inner = inner.relu()
        inner = conv(inner, block.second)
        x = inner if wrong == "no shortcut" else inner + conv(doubled(shortcut), block.shortcut)
    norm = cast("nn.BatchNorm2d", network.norm.batch_norm)
    last = normal(x) * norm.weight[:, None, None] + norm.bias[:, None, None]
    return conv(last.relu(), network.to_image).tanh()


def judged_as_published(network: ResnetDiscriminator, images: Tensor, wrong: str = "") -> Tensor:
    """Appendix B: means after both convolutions at a block's exit; the features, summed maps."""
    x = images
    for index, each in enumerate(network.blocks):
        block = cast("DiscriminatorBlock", each)
        inner = x if index == 0 and wrong != "first like the rest" else x.relu()
        shortcut = inner if wrong == "activation in place" else x
        inner = conv(conv(inner, block.first).relu(), block.second)
        if block.shortcut is not None and wrong != "no shortcut":
            shortcut = conv(shortcut, block.shortcut)
        if index < 2:
            inner, shortcut = F.avg_pool2d(inner, 2), F.avg_pool2d(shortcut, 2)
        if wrong == "no shortcut":
            shortcut = torch.zeros_like(inner)
        x = inner + shortcut
    last = x if wrong == "no last activation" else x.relu()
    return last.mean(dim=(2, 3)) if wrong == "mean" else last.sum(dim=(2, 3))


def test_drawn_images_and_gradients_are_those_of_the_published_order() -> None:
    network = generator()
    latents = torch.randn(4, 5, dtype=torch.float64)
    weights = torch.randn(4, *SHAPE, dtype=torch.float64)
    found = []
    for images in (network(latents, LABELS), drawn_as_published(network, latents)):
        gradients = torch.autograd.grad((images * weights).sum(), list(network.parameters()))
        found.append([images, *gradients])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "wrong", ["shortcut after the norm", "one norm twice", "no activation", "no shortcut"]
)
def test_wrong_generators_are_seen(wrong: str) -> None:
    network = generator()
    latents = torch.randn(4, 5, dtype=torch.float64)
    images = drawn_as_published(network, latents, wrong)
    assert not torch.allclose(network(latents, LABELS), images, rtol=1e-3)


def test_features_and_gradients_are_those_of_the_published_order() -> None:
    network = discriminator()
    images = torch.randn(4, *SHAPE, dtype=torch.float64).requires_grad_()
    weights = torch.randn(4, 6, dtype=torch.float64)
    wanted = [images, *network.blocks.parameters()]
    found = []
    for features in (network(images).features, judged_as_published(network, images)):
        found.append([features, *torch.autograd.grad((features * weights).sum(), wanted)])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "wrong",
    ["first like the rest", "activation in place", "no shortcut", "no last activation", "mean"],
)
def test_wrong_discriminators_are_seen(wrong: str) -> None:
    network = discriminator()
    images = torch.randn(4, *SHAPE, dtype=torch.float64)
    features = judged_as_published(network, images, wrong)
    assert not torch.allclose(network(images).features, features, rtol=1e-3)


def test_maps_have_the_published_sizes() -> None:
    shapes: list[tuple[int, ...]] = []

    def note(_block: nn.Module, _inputs: object, output: Tensor) -> None:
        shapes.append(tuple(output.shape[1:]))

    shape = ImageShape(3, 32, 32)
    drawing = ResnetGenerator(ResnetGeneratorConfig(), shape, 10)
    judging = ResnetDiscriminator(ResnetDiscriminatorConfig(), shape, 10, Heads())
    for block in (*drawing.blocks, *judging.blocks):
        block.register_forward_hook(note)
    with torch.no_grad():
        judging(drawing(torch.randn(2, 128), torch.tensor([0, 9])))
    assert shapes[:3] == [(256, 8, 8), (256, 16, 16), (256, 32, 32)]
    assert shapes[3:] == [(128, 16, 16), (128, 8, 8), (128, 8, 8), (128, 8, 8)]


def test_odd_sides_lose_their_last_row_to_means_and_are_no_obstacle() -> None:
    config = ResnetDiscriminatorConfig(widths=(4, 6, 6), halvings=3)
    network = ResnetDiscriminator(config, ImageShape(1, 28, 11), 2, Heads())
    assert network(torch.randn(2, 1, 28, 11)).features.shape == (2, 6)


def test_impossible_sizes_and_settings_are_refused_with_what_works() -> None:
    with pytest.raises(UsageError, match=r"30×32 cannot be built by 3 doublings; 24×32 and 32×32"):
        ResnetGeneratorConfig().check_shape(ImageShape(3, 30, 32))
    with pytest.raises(UsageError, match="images of 16×16 or larger work"):
        ResnetDiscriminatorConfig(widths=(4, 4, 4, 4), halvings=4).check_shape(
            ImageShape(3, 32, 15)
        )
    with pytest.raises(UsageError, match="give more widths or fewer halvings"):
        validate(ResnetDiscriminatorConfig, {"widths": [8, 8], "halvings": 3}, where="test")


def test_a_norm_follows_each_blocks_first_convolution_alone() -> None:
    network = generator()
    pairs = list(network.normalized())
    assert [
        (a is b.first, c is b.second_norm) for (a, c), b in zip(pairs, network.blocks, strict=True)
    ] == [(True, True)] * 2
