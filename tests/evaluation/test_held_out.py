from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import DataError
from acgan.evaluation.prepare import check_same_split, check_unseen, has_same_split
from acgan.model.model import Model

Untrained = Callable[..., Model]


def image_folder(folder: Path, seeds: range) -> DataConfig:
    """A folder of two classes of 8×8 noise, one file a seed."""
    for seed in seeds:
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
        place = folder / ("dark" if seed % 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{seed}.png")
    return DataConfig(source=str(folder), cache=str(folder.parent / "cache"))


@pytest.fixture
def own(tmp_path: Path) -> tuple[DataConfig, DatasetSplits]:
    config = image_folder(tmp_path / "own", range(40))
    return config, load_data(config)


def test_the_models_own_split_is_held_out(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained
) -> None:
    config, splits = own
    model = untrained(splits, config)
    assert has_same_split(model, splits)
    check_same_split(model, splits, "run")


def test_another_cut_of_the_same_data_is_refused(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained
) -> None:
    config, splits = own
    other = load_data(config.model_copy(update={"split_seed": 1}))
    with pytest.raises(DataError, match=r"another split .* --other-data"):
        check_same_split(untrained(splits, config), other, "run")
    with pytest.raises(DataError, match="are training images of run"):
        check_unseen(untrained(splits, config), other, "run")


def test_a_swap_of_train_and_test_is_refused(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained
) -> None:
    config, splits = own
    swapped = DatasetSplits(splits.name, splits.test, splits.validation, splits.train)
    with pytest.raises(DataError, match="another split"):
        check_same_split(untrained(splits, config), swapped, "run")


def test_other_images_are_found_to_be_held_out(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config, splits = own
    other = load_data(image_folder(tmp_path / "other", range(100, 140)))
    assert check_unseen(untrained(splits, config), other, "run") is True


def test_one_shared_image_is_enough_to_refuse(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config, splits = own
    other = load_data(image_folder(tmp_path / "other", range(100, 140)))
    images = other.test.images.copy()
    images[0] = splits.train.images[3]
    spoiled = DatasetSplits(
        other.name,
        other.train,
        other.validation,
        type(other.test)(images, other.test.labels, other.classes),
    )
    with pytest.raises(DataError, match=r"^1 of the validation and test images"):
        check_unseen(untrained(splits, config), spoiled, "run")


def test_where_the_models_data_are_gone_nobody_knows(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config, splits = own
    other = load_data(image_folder(tmp_path / "other", range(100, 140)))
    gone = untrained(splits, config.model_copy(update={"source": str(tmp_path / "gone")}))
    assert check_unseen(gone, other, "run") is None
    changed = untrained(splits, config.model_copy(update={"split_seed": 7}), name="changed")
    assert check_unseen(changed, other, "run") is None


@pytest.mark.real_data
def test_digits_are_not_held_out_for_a_model_of_mnist(untrained: Untrained) -> None:
    config = DataConfig(source="mnist")
    model = untrained(load_data(config), config)
    with pytest.raises(DataError, match="of the validation and test images of digits are training"):
        check_unseen(model, load_data(DataConfig(source="digits")), "run")
