"""Planted cases: samples of which it is known whether they are of use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.data.images import ClassName, DatasetSplits, LabeledImages
from acgan.studies.arms import UsefulnessConfig
from acgan.studies.usefulness import usefulness
from acgan.studies.usefulness_findings import compare, usefulness_findings
from acgan.studies.usefulness_result import Usefulness

Pictures = Callable[[Sequence[int], int], LabeledImages]


SEEDS = (0, 1, 2, 3, 4)
NOISE_COSTS = {"samples-alone-cost", "samples-added-cost", "samples-instead-cost"}


def noise_of(classes: tuple[ClassName, ...]) -> LabeledImages:
    """200 images per class that show nothing."""
    labels = np.repeat(np.arange(3), 200).astype(np.int64)
    images = np.random.default_rng(5).integers(0, 256, (600, 1, 8, 8), np.uint8)
    return LabeledImages(images, labels, classes)


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
    samples = noise_of(scarce.train.classes)
    return usefulness(scarce, samples, config=config, seeds=SEEDS, folder=folder)


@pytest.mark.slow
def test_a_small_study_separates_noise_from_fresh_real_images(
    scarce: DatasetSplits, pictures: Pictures, config: UsefulnessConfig, tmp_path: Path
) -> None:
    """30 steps of a small network, 3 seeds; the tests of the whole study are marked full."""
    small = config.model_copy(
        update={
            "fit": config.fit.model_copy(update={"images": 360}),
            "network": ReferenceNetworkConfig(stem=8, stages=(16,)),
        }
    )
    test = pictures([60] * 3, 2)
    splits = DatasetSplits("shapes", scarce.train, scarce.validation, test)
    noise, fresh = (
        usefulness(splits, samples, config=small, folder=tmp_path)
        for samples in (noise_of(splits.train.classes), pictures([200] * 3, 77))
    )
    assert set(sentences(noise)) >= NOISE_COSTS
    assert compare(fresh, "mixed-5000-percent", "real", "accuracy").difference.verdict == "gain"
    assert not NOISE_COSTS & set(sentences(fresh))
    assert fresh.by_key["real"].accuracy == noise.by_key["real"].accuracy


def sentences(study: Usefulness) -> dict[str, str]:
    return {each.key: each.sentence for each in usefulness_findings(study)}


@pytest.mark.full
def test_fresh_real_images_help_where_real_images_are_scarce(fresh: Usefulness) -> None:
    found = sentences(fresh)
    assert {"samples-added-help", "samples-instead-help"} <= set(found)
    assert "“real, augmented”: gain " in found["samples-added-help"]
    levels = {each.key: each.level for each in usefulness_findings(fresh)}
    assert levels["samples-added-help"] == "good"


@pytest.mark.full
def test_noise_costs(noise: Usefulness) -> None:
    found = sentences(noise)
    assert "samples-alone-cost" in found
    assert "the samples cost " in found["samples-alone-cost"]
    assert "cannot replace the real images" in found["samples-alone-cost"]
    assert {"samples-added-cost", "samples-instead-cost"} <= set(found)


@pytest.mark.full
def test_noise_alone_teaches_nothing(noise: Usefulness) -> None:
    assert np.mean(noise.by_key["synthetic"].accuracy) < 0.5


@pytest.mark.full
def test_real_arms_do_not_depend_on_the_samples(fresh: Usefulness, noise: Usefulness) -> None:
    for key in ("real", "real-augmented"):
        assert fresh.by_key[key].accuracy == noise.by_key[key].accuracy
