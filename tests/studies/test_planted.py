"""Planted cases: samples of which it is known whether they are of use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from acgan.data.images import DatasetSplits, LabeledImages
from acgan.studies.usefulness import usefulness
from acgan.studies.usefulness_config import UsefulnessConfig
from acgan.studies.usefulness_findings import usefulness_findings
from acgan.studies.usefulness_result import Usefulness

pytestmark = pytest.mark.full

Pictures = Callable[[Sequence[int], int], LabeledImages]


SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="session")
def config(quick: UsefulnessConfig) -> UsefulnessConfig:
    return quick.model_copy(update={"ratios": (50.0,), "headline_ratio": 50.0})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of both studies: the real arms are fitted once."""
    return tmp_path_factory.mktemp("fits")


@pytest.fixture(scope="session")
def fresh(
    scarce: DatasetSplits, config: UsefulnessConfig, pictures: Pictures, folder: Path
) -> Usefulness:
    """Samples of a perfect model, by the hundred, where real images are four a class."""
    samples = pictures([200] * 3, 77)
    return usefulness(scarce, samples, config=config, seeds=SEEDS, folder=folder)


@pytest.fixture(scope="session")
def noise(scarce: DatasetSplits, config: UsefulnessConfig, folder: Path) -> Usefulness:
    """Samples that show nothing."""
    labels = np.repeat(np.arange(3), 200).astype(np.int64)
    images = np.random.default_rng(5).integers(0, 256, (600, 1, 8, 8), np.uint8)
    samples = LabeledImages(images, labels, scarce.train.classes)
    return usefulness(scarce, samples, config=config, seeds=SEEDS, folder=folder)


def sentences(study: Usefulness) -> dict[str, str]:
    return {each.key: each.sentence for each in usefulness_findings(study)}


def test_fresh_real_images_help_where_real_images_are_scarce(fresh: Usefulness) -> None:
    found = sentences(fresh)
    assert {"samples-added-help", "samples-instead-help"} <= set(found)
    assert "“real, augmented”: gain " in found["samples-added-help"]
    levels = {each.key: each.level for each in usefulness_findings(fresh)}
    assert levels["samples-added-help"] == "good"


def test_noise_costs(noise: Usefulness) -> None:
    found = sentences(noise)
    assert "samples-alone-cost" in found
    assert "the samples cost " in found["samples-alone-cost"]
    assert "cannot stand in for the real images" in found["samples-alone-cost"]
    assert {"samples-added-cost", "samples-instead-cost"} <= set(found)


def test_noise_alone_teaches_nothing(noise: Usefulness) -> None:
    assert np.mean(noise.by_key["synthetic"].accuracy) < 0.5


def test_real_arms_do_not_depend_on_the_samples(fresh: Usefulness, noise: Usefulness) -> None:
    for key in ("real", "real-augmented"):
        assert fresh.by_key[key].accuracy == noise.by_key[key].accuracy
