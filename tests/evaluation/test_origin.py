from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.evaluation.origin import few_test_images, shared_features
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


def test_the_advice_for_few_test_images_is_what_helps(tmp_path: Path) -> None:
    def advice(*splits: str) -> tuple[DatasetSplits, str]:
        root = tmp_path / ("-".join(splits) or "none")
        random = np.random.default_rng(0)
        for split in splits or ("",):
            for name in ("a", "b"):
                (root / split / name).mkdir(parents=True)
                for number in range(20):
                    pixels = random.integers(0, 256, (8, 8)).astype(np.uint8)
                    Image.fromarray(pixels).save(root / split / name / f"{number}.png")
        data = load_data(DataConfig(source=str(root), cache=str(tmp_path / "cache")))
        sentence = few_test_images(data)
        assert sentence is not None
        return data, sentence

    data, sentence = advice()
    assert data.source_splits == ()
    assert "-o data.test_share=0.3 -o data.validation_share=0.3" in sentence
    data, sentence = advice("train", "val")
    assert data.source_splits == ("validation",)
    assert "-o data.test_share=0.3), or" in sentence
    for splits in (("train", "test"), ("train", "val", "test")):
        data, sentence = advice(*splits)
        assert "test" in data.source_splits
        assert "has its own test split" in sentence
        assert "-o data." not in sentence
