"""Pictures made by a formula, as many and as skewed as a test wants, and fits that take no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.studies.arms import UsefulnessConfig, study_arms
from acgan.studies.usefulness_result import ArmResult, Usefulness

Pictures = Callable[[Sequence[int], int], LabeledImages]
StudyMaker = Callable[..., Usefulness]


def pictures_of(counts: Sequence[int], seed: int) -> LabeledImages:
    """Gray 8×8 pictures of a bar, a cross and a ring under noise; place and brightness vary."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), counts).astype(np.int64)
    y, x = random.uniform(2.0, 5.0, (2, len(labels), 1, 1))
    rows, columns = np.mgrid[:8, :8]
    across, down = np.abs(columns - x) < 1, np.abs(rows - y) < 1
    ring = np.abs(np.hypot(rows - y, columns - x) - 2.5) < 0.8
    shapes = np.stack([down, across | down, ring], 1)[np.arange(len(labels)), labels]
    bright = random.uniform(60, 130, (len(labels), 1, 1))
    images = shapes * bright + random.uniform(0, 120, shapes.shape)
    return LabeledImages(images.astype(np.uint8)[:, None], labels, make_classes(["bar", "x", "o"]))


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """``pictures(counts, seed)`` draws that many of each class."""
    return pictures_of


@pytest.fixture(scope="session")
def scarce() -> DatasetSplits:
    """Four training images a class, and plenty to test on."""
    return DatasetSplits(
        "shapes",
        pictures_of([4] * 3, 0),
        pictures_of([40] * 3, 1),
        pictures_of([200] * 3, 2),
    )


@pytest.fixture(scope="session")
def skewed() -> DatasetSplits:
    """The first class has ten times the images of the last."""
    return DatasetSplits(
        "shapes",
        pictures_of([40, 20, 4], 0),
        pictures_of([40] * 3, 1),
        pictures_of([100] * 3, 2),
    )


@pytest.fixture(scope="session")
def quick() -> UsefulnessConfig:
    """Fits of sixty steps, one ratio."""
    return UsefulnessConfig(
        fit=FitConfig(
            flip=False,
            images=960,
            batch_size=16,
            peak_lr=1e-2,
            shift_pixels=1,
            precision="fp32",
        ),
        network=ReferenceNetworkConfig(stem=8, stages=(16, 16)),
        ratios=(1.0,),
    )


@pytest.fixture(scope="session")
def study_with(quick: UsefulnessConfig) -> StudyMaker:
    """``study_with(real=[.8, .81, .79], ...)``: a study whose arms have these recalls by seed.

    An arm that is not named has those of ``real``. ``rare`` is the recall of the last class by
    arm key; ``counts`` are the real training images of each class.
    """

    def make(
        counts: Sequence[int] = (50, 50, 50),
        rare: Mapping[str, Sequence[float]] | None = None,
        **recalls: Sequence[float],
    ) -> Usefulness:
        named = {key.replace("_", "-"): values for key, values in recalls.items()}
        results = []
        for arm in study_arms(np.array(counts), quick):
            of_all = named.get(arm.key, named["real"])
            of_rare = (rare or {}).get(arm.key, (rare or {}).get("real", of_all))
            confusions = tuple(
                confusion_of([whole, whole, last])
                for whole, last in zip(of_all, of_rare, strict=True)
            )
            results.append(ArmResult(arm, confusions, (1.0,) * len(confusions)))
        return Usefulness(
            results=tuple(results),
            seeds=tuple(range(len(named["real"]))),
            classes=("bar", "x", "o"),
            train_counts=tuple(counts),
            config=quick,
            protocol={
                "steps": [60],
                "batch_size": 16,
                "reference": "test",
                "reference_images": 30_000,
            },
            notes=("A note.",),
        )

    return make


def confusion_of(recalls: Sequence[float]) -> npt.NDArray[np.int64]:
    """10 000 tested images a class, these shares of them read right, the rest as the next class."""
    right = np.rint(10_000 * np.asarray(recalls)).astype(np.int64)
    return np.diag(right) + np.roll(np.diag(10_000 - right), 1, axis=1)
