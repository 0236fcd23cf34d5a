"""Untrained models of any data, and real digits with a stub of a fitted classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.data.load import load_data
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.model.model import Model, load
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder

Untrained = Callable[..., Model]


@pytest.fixture(scope="session")
def digits() -> DatasetSplits:
    return load_data(DataConfig(source="digits"))


@pytest.fixture(scope="session")
def digits_classifier(
    digits: DatasetSplits, gaussian_classifier: Callable[[LabeledImages], ReferenceClassifier]
) -> ReferenceClassifier:
    return gaussian_classifier(digits.train)


@pytest.fixture
def untrained(tmp_path: Path) -> Untrained:
    """Return a function that makes the run of an untrained model, with the record of a training."""

    def make(
        splits: DatasetSplits,
        data: DataConfig,
        name: str = "run",
        *,
        objective: dict[str, Any] | None = None,
        conditioning: dict[str, Any] | None = None,
    ) -> Model:
        config = RunConfig.model_validate(
            {
                "recipe": "tiny",
                "data": data,
                "generator": {
                    "family": "deconv",
                    "latent_size": 8,
                    "widths": [8, 8],
                    "conditioning": conditioning or {},
                },
                "objective": objective or {},
                "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
                "training": {"total_images": 1000},
            }
        )
        classes = len(splits.classes)
        torch.manual_seed(0)
        info = ModelInfo(
            config=config,
            shape=splits.shape,
            classes=splits.classes,
            split=splits.split_record(),
            data_name=splits.name,
            images_seen=640,
        )
        save_model(
            tmp_path / name / "model",
            info,
            generator_state=config.generator.build(splits.shape, classes).state_dict(),
            discriminator_state=config.discriminator.build(
                splits.shape, classes, config.objective.build().heads
            ).state_dict(),
        )
        run = RunFolder(tmp_path / name)
        run.write(run.config, config.model_dump(mode="json"))
        return load(run.path)

    return make
