from __future__ import annotations

import pytest
import torch

from acgan.classifiers.network import FEATURES, JudgeNetwork, JudgeNetworkConfig
from acgan.data.images import ImageShape

SMALL = JudgeNetworkConfig(stem=4, stages=(6, 8, 8))


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (8, 8), (28, 28), (33, 20), (64, 64), (96, 130)]
)
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 11)])
def test_every_size_gives_features_logits_and_gradients(
    height: int, width: int, channels: int, classes: int
) -> None:
    torch.manual_seed(0)
    network = JudgeNetwork(SMALL, ImageShape(channels, height, width), classes)
    images = torch.randint(0, 256, (5, channels, height, width), dtype=torch.uint8)
    features = network.features(images)
    assert features.shape == (5, FEATURES) == (5, 128)
    assert features.dtype == torch.float32
    assert (features >= 0).all()
    logits = network(images)
    assert logits.shape == (5, classes)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(5) % classes)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if height > 1:
            assert parameter.grad.abs().sum() > 0, name


def test_the_features_are_the_input_of_the_last_layer() -> None:
    network = JudgeNetwork(SMALL, ImageShape(1, 12, 12), 3).eval()
    images = torch.randint(0, 256, (4, 1, 12, 12), dtype=torch.uint8)
    assert torch.equal(network(images), network.head(network.features(images)))


def test_larger_images_do_not_cost_more_than_a_bounded_body() -> None:
    sides = []
    for side in (28, 40, 64, 128):
        network = JudgeNetwork(SMALL, ImageShape(1, side, side), 3)
        sides.append(network.stem(torch.zeros(2, 1, side, side)).shape[-1])
    assert sides == [28, 40, 32, 32]
