from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from acgan.evaluation.origin import shared_features
from acgan.networks.feature_network import FeatureNetworkName
from acgan.runs.config import RunConfig

TinyConfig = Callable[..., RunConfig]


def test_a_discriminator_trained_from_scratch_shares_nothing(tiny_config: TinyConfig) -> None:
    assert shared_features(tiny_config()) is None


@pytest.mark.parametrize("network", get_args(FeatureNetworkName))
def test_a_pretrained_discriminator_is_compared_with_another_extractor(
    network: str, tiny_config: TinyConfig
) -> None:
    layers = [{"width": 4, "kernel": 1}]
    discriminator = {
        "family": "pretrained",
        "layers": layers,
        "feature_network": {"network": network},
    }
    sentence = shared_features(tiny_config(discriminator=discriminator))
    assert sentence is not None
    first, advice = sentence.split("To compare such models, use ")
    assert network in first
    assert network not in advice
