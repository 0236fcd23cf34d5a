"""Models that were never trained, of any data: what they draw is noise, but it is theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.model.model import Model, load
from acgan.networks.build import build_discriminator, build_generator
from acgan.runs.config import RunConfig

Untrained = Callable[..., Model]


@pytest.fixture
def untrained(tmp_path: Path) -> Untrained:
    """Makes a model whose record says that it learned from some data."""

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
            generator_state=build_generator(config.generator, splits.shape, classes).state_dict(),
            discriminator_state=build_discriminator(
                config.discriminator,
                splits.shape,
                classes,
                config.objective.build().heads,
            ).state_dict(),
        )
        return load(tmp_path / name)

    return make
