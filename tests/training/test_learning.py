"""It learns: an independent classifier reads the class that was asked for, unless labels lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acgan.classifiers.judge import Judge, fit_judge
from acgan.data.config import DataConfig
from acgan.data.images import DataParts, LabelledImages
from acgan.data.load import load_data
from acgan.model import load
from acgan.recipes import load_recipe
from acgan.run_config import RunConfig

IMAGES = 40_000
WELL_ABOVE_CHANCE = 0.6
PER_CLASS = 40


@pytest.fixture(scope="module")
def digits() -> DataParts:
    return load_data(DataConfig(source="digits"))


@pytest.fixture(scope="module")
def judge(digits: DataParts) -> Judge:
    return fit_judge(digits.train, digits.validation, seed=0, images=12_000)


def agreement(judge: Judge, folder: Path) -> float:
    """Share of samples, as many of each class, that the judge reads as the class asked for."""
    images = load(folder).sample("all", count=PER_CLASS)
    read = judge.answers(images).logits.argmax(axis=1)
    return float((read == np.repeat(np.arange(10), PER_CLASS)).mean())


def config(images: int) -> RunConfig:
    values = dict(load_recipe("small-grey").values)
    values["training"] = {**values["training"], "total_images": images}
    execution = {"device": "cpu", "threads": 1}
    return RunConfig.model_validate({"recipe": "small-grey", **values, "execution": execution})


@pytest.mark.slow
def test_samples_are_read_as_the_class_asked_for(
    digits: DataParts, judge: Judge, tmp_path: Path, train_tiny: Callable[..., Any]
) -> None:
    assert judge.accuracy(digits.validation) > 0.9, "or it could not tell"
    train_tiny(tmp_path / "run", config(IMAGES), parts=digits)
    assert agreement(judge, tmp_path / "run") >= WELL_ABOVE_CHANCE


@pytest.mark.slow
def test_with_shuffled_labels_they_are_not(
    digits: DataParts, judge: Judge, tmp_path: Path, train_tiny: Callable[..., Any]
) -> None:
    train = digits.train
    shuffled = np.random.default_rng(0).permutation(train.labels)
    lies = LabelledImages(train.images, shuffled, train.classes)
    parts = DataParts("digits", lies, digits.validation, digits.test)
    train_tiny(tmp_path / "run", config(IMAGES), parts=parts)
    assert agreement(judge, tmp_path / "run") < WELL_ABOVE_CHANCE / 2
