"""What a study of usefulness refuses before a sample is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acgan.data.images import DatasetSplits
from acgan.errors import DataError, UsageError
from acgan.model.card import ModelInfo
from acgan.model.folder import ModelRecord
from acgan.model.model import Model
from acgan.runs.config import RunConfig
from acgan.studies.usefulness import check_maker


@pytest.fixture
def maker(tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits) -> Model:
    """A model that says it learned from the tiny parts."""
    config = tiny_config()
    record = ModelRecord(
        folder=Path("nowhere"),
        info=ModelInfo(
            config=config,
            shape=tiny_splits.shape,
            classes=tiny_splits.classes,
            split=tiny_splits.split_record(),
            data_name=tiny_splits.name,
            images_seen=0,
        ),
        content_hash="0" * 64,
        weights={},
    )
    return Model(record, config.generator.build(tiny_splits.shape, 3))


def test_its_own_data_are_accepted_and_pictures_from_elsewhere(
    maker: Model, tiny_splits: DatasetSplits
) -> None:
    for made_by in (maker, None):
        check_maker(made_by, tiny_splits, conditional=True)


def test_samples_of_no_asked_class(maker: Model, tiny_splits: DatasetSplits) -> None:
    for made_by in (maker, None):
        with pytest.raises(UsageError, match="leave it out"):
            check_maker(made_by, tiny_splits, conditional=False)


def test_other_training_images_than_the_models_own(
    maker: Model, tiny_splits: DatasetSplits
) -> None:
    fewer = tiny_splits.train.subset(np.arange(48))
    others = DatasetSplits("shapes", fewer, tiny_splits.validation, tiny_splits.test)
    with pytest.raises(DataError, match="trained on other images"):
        check_maker(maker, others, conditional=True)
    check_maker(None, others, conditional=True)


def test_a_class_without_training_images(tiny_splits: DatasetSplits) -> None:
    train = tiny_splits.train.subset(np.flatnonzero(tiny_splits.train.labels != 1))
    splits = DatasetSplits("shapes", train, tiny_splits.validation, tiny_splits.test)
    with pytest.raises(DataError, match="no image of cross"):
        check_maker(None, splits, conditional=True)
