from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from acgan.backbones.reference_network import (
    EarlyReferenceNetwork,
    PooledNetworkConfig,
    ReferenceNetwork,
    ReferenceNetworkConfig,
)
from acgan.data.images import ImageShape

torch.set_num_threads(1)

Network = ReferenceNetworkConfig | PooledNetworkConfig
CASES: list[tuple[Network, ImageShape]] = [
    (ReferenceNetworkConfig(stem=4, stages=(6, 8)), ImageShape(1, 12, 9)),
    (PooledNetworkConfig(components=4, stages=(6, 8, 8)), ImageShape(3, 16, 16)),
]


def judge_like_a_fitted_one(config: Network, shape: ImageShape) -> tuple[ReferenceNetwork, Tensor]:
    torch.manual_seed(0)
    reference_classifier = ReferenceNetwork(config, shape, 3)
    pixels = torch.randint(0, 256, (40, *shape), dtype=torch.uint8)
    reference_classifier.learn_statistics(pixels.numpy())
    with torch.no_grad():
        for layer in reference_classifier.modules():
            if isinstance(layer, nn.BatchNorm2d):  # gains of both signs
                layer.weight.normal_()
                layer.bias.normal_()
        for _ in range(5):
            reference_classifier(pixels)
    return reference_classifier.eval(), pixels


def maps_of(reference_classifier: ReferenceNetwork, pixels: Tensor) -> list[Tensor]:
    """The maps after each of the judge's stages, written out."""
    pixels = (
        pixels.float() - reference_classifier.mean[:, None, None]
    ) / reference_classifier.scale[:, None, None]
    x, maps = reference_classifier.stem(pixels), []
    for stage in reference_classifier.stages:
        x = stage(x)
        maps.append(x)
    return maps


@pytest.mark.parametrize(("config", "shape"), CASES)
def test_its_maps_are_the_judges_in_evaluation_whatever_its_mode(
    config: Network, shape: ImageShape
) -> None:
    reference_classifier, pixels = judge_like_a_fitted_one(config, shape)
    taps = (1, len(config.stages))
    early = EarlyReferenceNetwork(config, shape, taps)
    early.load_state_dict(early.weights_of(reference_classifier))
    with torch.no_grad():
        expected = maps_of(reference_classifier, pixels)
        for mode in (True, False):
            found = early.train(mode)(pixels.float() / 127.5 - 1)
            assert len(found) == 2
            for tap, maps in zip(taps, found, strict=True):
                assert early.widths[taps.index(tap)] == maps.shape[1]
                torch.testing.assert_close(maps, expected[tap - 1], rtol=1e-4, atol=1e-4)


def test_the_judge_stays_as_it_is_and_another_one_does_not_fit() -> None:
    config, shape = CASES[0]
    reference_classifier, _ = judge_like_a_fitted_one(config, shape)
    before = {name: value.clone() for name, value in reference_classifier.state_dict().items()}
    EarlyReferenceNetwork(config, shape, (1,)).weights_of(reference_classifier)
    after = reference_classifier.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(KeyError):
        EarlyReferenceNetwork(*CASES[1], taps=(1, 3)).weights_of(reference_classifier)


def test_what_comes_after_the_last_tap_is_not_there() -> None:
    config, shape = CASES[1]
    assert len(EarlyReferenceNetwork(config, shape, (2,)).stages) == 2
