"""The discriminator on a trained trunk; where the trunk comes from is tested with training."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from acgan.backbones.layers import Whitening
from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conv_stack import ConvLayerConfig
from acgan.networks.feature_network import FeatureNetwork, FeatureNetworkConfig, map_sides
from acgan.networks.interface import Heads, SourceHead
from acgan.networks.pretrained import PretrainedConfig, PretrainedDiscriminator

torch.set_num_threads(1)

GRAY, COLOR = ImageShape(1, 16, 24), ImageShape(3, 16, 16)
LAYERS = (ConvLayerConfig(width=5, kernel=1, norm=False), ConvLayerConfig(width=6, stride=2))
NETWORKS = [
    FeatureNetworkConfig(network="efficientnet-lite0", taps=(1, 3)),
    FeatureNetworkConfig(network="efficientnet-lite0", taps=(2,), enlarge=2),
    FeatureNetworkConfig(network="reference-classifier", taps=(1, 2)),
]


def make(
    feature_network: FeatureNetworkConfig,
    shape: ImageShape,
    heads: Heads | None = None,
    **options: Any,
) -> PretrainedDiscriminator:
    torch.manual_seed(0)
    config = PretrainedConfig(feature_network=feature_network, layers=LAYERS, **options)
    config.check_shape(shape)
    network = config.build(shape, 3, heads or Heads())
    assert isinstance(network, PretrainedDiscriminator)
    like_a_trained_one(network.feature_network)
    return network


def like_a_trained_one(feature_network: FeatureNetwork) -> None:
    """A whitening that has learned nothing lets nothing through."""
    for layer in feature_network.modules():
        if isinstance(layer, Whitening):
            torch.nn.init.normal_(layer.weight)


def some_images(shape: ImageShape, count: int = 6) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(count, *shape) * 2 - 1


def test_every_trunk_is_covered_here() -> None:
    assert {each.network for each in NETWORKS} == set(
        get_args(FeatureNetworkConfig.model_fields["network"].annotation)
    )


@pytest.mark.parametrize("source", get_args(SourceHead))
@pytest.mark.parametrize("shape", [GRAY, COLOR], ids=str)
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "tuned"])
@pytest.mark.parametrize("feature_network", NETWORKS, ids=lambda t: f"{t.network}x{t.enlarge}")
def test_everything_that_may_learn_does_and_gradients_reach_the_images(
    feature_network: FeatureNetworkConfig, frozen: bool, shape: ImageShape, source: SourceHead
) -> None:
    network = make(feature_network.model_copy(update={"frozen": frozen}), shape, Heads(source))
    images = some_images(shape).requires_grad_()
    labels = torch.arange(6) % 3
    output = network(images, labels)
    assert output.source_logits.shape == (6,)
    assert output.class_logits is not None
    assert output.class_logits.shape == (6, 3)
    weights = torch.linspace(-1, 2, 6)
    total = (output.source_logits * weights).sum() + (output.class_logits * weights[:, None]).sum()
    total.backward()

    assert images.grad is not None
    assert all(gradient.any() for gradient in images.grad)
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    assert (not list(network.feature_network.parameters())) == frozen
    heads = {id(p) for p in network.head_parameters()}
    names = {n.split(".")[0] for n, p in network.named_parameters() if id(p) in heads}
    assert names == {"branches", "heads"}
    rest = {n.split(".")[0] for n, p in network.named_parameters() if id(p) not in heads}
    assert rest == (set() if frozen else {"feature_network"})


@pytest.mark.parametrize("feature_network", NETWORKS, ids=lambda t: f"{t.network}x{t.enlarge}")
def test_a_frozen_trunk_takes_no_gradient_not_even_when_all_are_asked_for(
    feature_network: FeatureNetworkConfig,
) -> None:
    network = make(feature_network, COLOR).requires_grad_(False).requires_grad_(True).train()
    before = {name: value.clone() for name, value in network.feature_network.state_dict().items()}
    maps = network.feature_network(some_images(COLOR))
    assert not any(each.requires_grad for each in maps)
    optimizer = torch.optim.SGD(network.parameters(), 1.0)
    network(some_images(COLOR)).source_logits.sum().backward()
    optimizer.step()
    after = network.feature_network.state_dict()
    assert before.keys() == after.keys()
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_a_frozen_and_a_tuned_trunk_have_the_same_names_and_answers() -> None:
    frozen = make(NETWORKS[0], COLOR)
    tuned = make(NETWORKS[0].model_copy(update={"frozen": False}), COLOR)
    tuned.load_state_dict(frozen.state_dict())
    images = some_images(COLOR)
    assert torch.equal(frozen(images).source_logits, tuned(images).source_logits)


def test_a_gray_image_is_shown_in_three_equal_channels() -> None:
    gray = FeatureNetwork(NETWORKS[0], GRAY)
    color = FeatureNetwork(NETWORKS[0], GRAY._replace(channels=3))
    color.load_state_dict(gray.state_dict())
    images = some_images(GRAY)
    for mine, theirs in zip(gray(images), color(images.repeat(1, 3, 1, 1)), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("feature_network", NETWORKS, ids=lambda t: f"{t.network}x{t.enlarge}")
def test_scales_are_learned_so_that_real_images_have_mean_0_and_spread_1(
    feature_network: FeatureNetworkConfig,
) -> None:
    torch.manual_seed(0)
    network = FeatureNetwork(feature_network, COLOR).double()
    for layer in network.modules():  # far from standardized
        if isinstance(layer, torch.nn.Conv2d | Whitening):
            layer.weight.mul_(4)
    like_a_trained_one(network)
    images = some_images(COLOR, 150).double()
    raw = network(images)
    network.learn_scales(images)
    for maps, before in zip(network(images), raw, strict=True):
        lively = before.var((0, 2, 3)) > 1e-3
        assert lively.any()
        torch.testing.assert_close(
            maps.mean((0, 2, 3)), torch.zeros(maps.shape[1]).double(), rtol=0, atol=1e-6
        )
        variance = maps.var((0, 2, 3), correction=0)[lively]
        torch.testing.assert_close(variance, torch.ones_like(variance), rtol=1e-5, atol=0)


def test_scales_do_not_follow_the_mode_or_later_batches() -> None:
    network = make(NETWORKS[2], COLOR)
    network.feature_network.learn_scales(some_images(COLOR, 20))
    images = some_images(COLOR)
    first = network.train().feature_network(images)
    network.feature_network(images * 0.1)
    for a, b in zip(first, network.eval().feature_network(images), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("feature_network", NETWORKS, ids=lambda t: f"{t.network}x{t.enlarge}")
def test_bf16_with_its_own_depthwise_gradient_stays_close_to_float32(
    feature_network: FeatureNetworkConfig,
) -> None:
    network = make(feature_network, COLOR).eval()
    network.feature_network.learn_scales(some_images(COLOR, 50))
    gradients = []
    for low in (False, True):
        images = some_images(COLOR, 8).contiguous(memory_format=torch.channels_last)
        images.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            output = network(images)
        assert output.source_logits.dtype == output.features.dtype == torch.float32
        (gradient,) = torch.autograd.grad(output.source_logits.sum(), images)
        gradients.append(gradient.flatten())
    alike = torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0)
    assert alike > 0.9  # of two networks of noise, rounded in every layer


@pytest.mark.slow
def test_double_precision_stays_double() -> None:
    for feature_network in NETWORKS:
        network = make(feature_network, COLOR).double()
        output = network(some_images(COLOR).double())
        assert output.source_logits.dtype == output.features.dtype == torch.float64


@pytest.mark.parametrize("pool", ["flatten", "sum", "mean"])
def test_features_are_those_of_every_tap(pool: Any) -> None:
    network = make(NETWORKS[0], COLOR, pool=pool, spectral_norm=True, dropout=0.2).train()
    ends = [(4, 4), (1, 1)]
    expected = 6 * (sum(h * w for h, w in ends) if pool == "flatten" else 2)
    assert network(some_images(COLOR)).features.shape == (6, expected)
    assert map_sides(NETWORKS[0], COLOR) == ((8, 8), (2, 2))


def test_a_joined_label_needs_a_label() -> None:
    network = make(NETWORKS[0], COLOR, Heads("joined")).eval()
    with pytest.raises(ValueError, match="labels"):
        network(some_images(COLOR))
    first, second = (
        network(some_images(COLOR), torch.full((6,), label)).source_logits for label in (0, 1)
    )
    assert not torch.allclose(first, second, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("feature_network", "shape", "words"),
    [
        (FeatureNetworkConfig(taps=(1, 2, 3)), ImageShape(1, 28, 28), "enlarge=2.*multiple of 8$"),
        (
            FeatureNetworkConfig(taps=(5,)),
            ImageShape(3, 30, 31),
            "fewer taps, or with .* of 32$",
        ),
        (FeatureNetworkConfig(taps=(1,)), ImageShape(2, 8, 8), "network=reference-classifier"),
        (FeatureNetworkConfig(network="reference-classifier", enlarge=2), GRAY, "enlarge at 1"),
        (FeatureNetworkConfig(network="reference-classifier", taps=(4,)), GRAY, "3 stages"),
    ],
)
def test_a_trunk_that_cannot_see_the_images_is_refused(
    feature_network: FeatureNetworkConfig, shape: ImageShape, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        PretrainedConfig(feature_network=feature_network).check_shape(shape)


def test_maps_too_small_for_the_convolutions_are_refused() -> None:
    config = PretrainedConfig(layers=(ConvLayerConfig(width=4, kernel=4, stride=2),) * 2)
    config.check_shape(ImageShape(3, 32, 32))
    with pytest.raises(UsageError, match="2×2 at tap 3, too small"):
        config.check_shape(COLOR)


@pytest.mark.parametrize("taps", [(2, 1), (1, 1), (), (0, 1), (6,)])
def test_taps_that_do_not_ascend_are_refused(taps: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        FeatureNetworkConfig(taps=taps)
