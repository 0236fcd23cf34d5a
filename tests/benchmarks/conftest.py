"""Shared by the tests of benchmarks: a small reference classifier and untrained models."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers import cache
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.data.config import DataConfig
from acgan.data.images import ClassName, DatasetSplits, ImageShape
from acgan.data.load import load_data
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig

SMALL = ReferenceClassifierConfig(
    network=ReferenceNetworkConfig(stem=4, stages=(8, 8)),
    fit=FitConfig(flip=False, images=1_600, batch_size=32, precision="fp32"),
)

UntrainedModel = Callable[..., Path]


@pytest.fixture(scope="session")
def classifier_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache folder of the small reference classifier and of its predictions."""
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture
def small_classifier(classifier_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks loaded after this fixture use a reference classifier that is fitted in a second.

    It is fitted once per session and data set.
    """
    small = functools.partial(
        cache.cached_reference_classifier, config=SMALL, folder=classifier_cache
    )
    monkeypatch.setattr(cache, "cached_reference_classifier", small)
    monkeypatch.setattr(cache, "reference_classifiers_folder", lambda: classifier_cache)


@pytest.fixture(scope="session")
def digits() -> DatasetSplits:
    """The embedded digits."""
    return load_data(DataConfig(source="digits"))


@pytest.fixture(scope="session")
def untrained_model() -> UntrainedModel:
    """``untrained_model(folder, shape, classes)`` saves a small model with random weights."""

    def save(
        folder: Path,
        shape: ImageShape,
        classes: tuple[ClassName, ...],
        *,
        seed: int = 0,
        split: dict[str, Any] | None = None,
        **sections: Any,
    ) -> Path:
        config = RunConfig.model_validate(
            {
                "recipe": "tiny",
                "generator": {"family": "deconv", "latent_size": 8, "widths": [8, 8]},
                "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
                "training": {"total_images": 1000},
                **sections,
            }
        )
        count = len(classes)
        each = {"content_hash": "a" * 64, "images": count, "per_class": [1] * count}
        split = split or dict.fromkeys(("train", "validation", "test"), each)
        torch.manual_seed(seed)
        save_model(
            folder / "model",
            ModelInfo(config, shape, classes, split, "digits", 1),
            generator_state=config.generator.build(shape, count).state_dict(),
            discriminator_state=config.discriminator.build(shape, count, Heads()).state_dict(),
        )
        return folder

    return save


@pytest.fixture(scope="session")
def tutorial_snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshots of the tutorial script after 64 and 128 images, 30 samples per class."""
    folder = tmp_path_factory.mktemp("tutorial") / "snapshots"
    path = Path(__file__).parents[2] / "benchmarks" / "tutorial.py"
    spec = importlib.util.spec_from_file_location("tutorial_for_snapshots", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    words = ["--images", "128", "--snapshot-every", "64", "--per-class", "30", "--threads", "1"]
    assert script.main([*words, "--out", str(folder)]) == 0
    return folder
