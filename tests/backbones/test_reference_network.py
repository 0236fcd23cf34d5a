from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from acgan.backbones.reference_network import (
    FEATURES,
    PooledNetworkConfig,
    ReferenceNetwork,
    ReferenceNetworkConfig,
)
from acgan.data.images import Images, ImageShape

STRIDED = ReferenceNetworkConfig(stem=4, stages=(6, 8, 8))
POOLED = PooledNetworkConfig(components=5, stages=(6, 8, 8))
BOTH = pytest.mark.parametrize("config", [STRIDED, POOLED], ids=["strided", "pooled"])


def noise(count: int, shape: ImageShape) -> Images:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


@BOTH
@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 50), (8, 8), (28, 28), (33, 20), (64, 64), (96, 130), (128, 128)],
)
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 11)])
def test_every_size_gives_features_logits_and_gradients(
    config: ReferenceNetworkConfig | PooledNetworkConfig,
    height: int,
    width: int,
    channels: int,
    classes: int,
) -> None:
    torch.manual_seed(0)
    shape = ImageShape(channels, height, width)
    network = ReferenceNetwork(config, shape, classes)
    network.learn_statistics(noise(30, shape))
    images = torch.from_numpy(noise(5, shape))
    features = network.features(images)
    assert features.shape == (5, FEATURES) == (5, 128)
    assert features.dtype == torch.float32
    assert (features >= 0).all()
    logits = network(images)
    assert logits.shape == (5, classes)
    loss = F.cross_entropy(logits, torch.arange(5) % classes)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if height > 1:
            assert parameter.grad.abs().sum() > 0, name


@BOTH
def test_the_features_are_the_input_of_the_last_layer(
    config: ReferenceNetworkConfig | PooledNetworkConfig,
) -> None:
    shape = ImageShape(1, 12, 12)
    network = ReferenceNetwork(config, shape, 3).eval()
    network.learn_statistics(noise(30, shape))
    images = torch.from_numpy(noise(4, shape))
    assert torch.equal(network(images), network.head(network.features(images)))


@pytest.mark.parametrize(
    ("config", "expected"), [(STRIDED, [28, 40, 32, 32]), (POOLED, [27, 39, 31, 31])]
)
def test_larger_images_do_not_cost_more_than_a_bounded_body(
    config: ReferenceNetworkConfig | PooledNetworkConfig, expected: list[int]
) -> None:
    sides = []
    for side in (28, 40, 64, 128):
        network = ReferenceNetwork(config, ImageShape(1, side, side), 3)
        sides.append(network.stem(torch.zeros(2, 1, side, side)).shape[-1])
    assert sides == expected


@BOTH
def test_pixels_are_standardized_by_the_statistics_of_the_images(
    config: ReferenceNetworkConfig | PooledNetworkConfig,
) -> None:
    images = np.zeros((250, 3, 6, 5), np.uint8)
    images[:, 0] = noise(250, ImageShape(1, 6, 5))[:, 0] // 2
    images[:, 2] = 200  # no spread, which is taken as 1
    network = ReferenceNetwork(config, ImageShape(3, 6, 5), 2)
    network.learn_statistics(images)
    np.testing.assert_allclose(network.mean.numpy(), images.mean(axis=(0, 2, 3)), rtol=1e-6)
    expected = [images[:, 0].std(), 1, 1]
    np.testing.assert_allclose(network.scale.numpy(), expected, rtol=1e-6)
    assert "mean" in network.state_dict()
    assert "scale" in network.state_dict()
