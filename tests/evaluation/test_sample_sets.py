from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.errors import DataError, UsageError
from acgan.evaluation.sample_sets import counts_per_class, load_sample_folder, sample_model
from acgan.model.model import Model

Untrained = Callable[..., Model]


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def test_nearly_even_classes_are_asked_for_evenly() -> None:
    assert counts_per_class(np.array([892, 1135, 1000]), 3_000).tolist() == [1_000] * 3


def test_skewed_classes_are_asked_for_in_proportion() -> None:
    assert counts_per_class(np.array([500, 100, 0]), 60).tolist() == [50, 10, 1]


def test_there_must_be_a_sample_of_each_class() -> None:
    with pytest.raises(UsageError, match="fewer than the 3 classes"):
        counts_per_class(np.array([5, 5, 5]), 2)


def test_samples_are_those_that_the_model_draws(
    tiny_splits: DatasetSplits, untrained: Untrained
) -> None:
    model = untrained(tiny_splits, DataConfig())
    told: list[tuple[str, int, int]] = []
    sample_set = sample_model(
        model,
        tiny_splits,
        total=99,
        seed=5,
        name="run",
        run=None,
        progress=lambda *args: told.append(args),
    )
    assert np.array_equal(sample_set.samples, model.sample(count=33, seed=5))
    assert np.array_equal(sample_set.target_labels, np.repeat(np.arange(3), 33))
    assert sample_set.origin["model"] == model.record.content_hash
    assert told[-1] == ("samples", 99, 99)


@pytest.mark.parametrize(
    ("names", "side", "sentence"),
    [
        (("bar", "cross", "ring"), 9, "generates images of 8×8×1, but other has images of 9×9×1"),
        (
            ("bar", "cross", "disc"),
            8,
            "has the classes bar, cross, ring, but other has bar, cross, disc",
        ),
        (("cross", "bar", "ring"), 8, "has the classes bar, cross, ring, but other has cross, bar"),
    ],
)
def test_data_of_another_kind_are_refused(
    tiny_splits: DatasetSplits,
    untrained: Untrained,
    names: tuple[str, ...],
    side: int,
    sentence: str,
) -> None:
    part = LabeledImages(
        np.zeros((3, 1, side, side), np.uint8), np.arange(3, dtype=np.int64), make_classes(names)
    )
    with pytest.raises(DataError, match=sentence):
        sample_model(
            untrained(tiny_splits, DataConfig()),
            DatasetSplits("other", part, part, part),
            total=9,
            seed=0,
            name="run",
            run=None,
            progress=silent,
        )


def write(folder: Path, counts: dict[str, int], *, side: int = 8, mode: str = "L") -> Path:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((side, side, 3), (len(name) * 10, 10 * number, 7), np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{number:03}.png")
    return folder


def test_a_folder_of_images_from_elsewhere(tiny_splits: DatasetSplits, tmp_path: Path) -> None:
    folder = write(tmp_path / "made", {"ring": 4, "bar": 9, "cross": 2})
    sample_set = load_sample_folder(folder, tiny_splits, total=1000, seed=0, progress=silent)
    assert np.bincount(sample_set.target_labels).tolist() == [9, 2, 4]  # in the data's order
    assert sample_set.samples.shape == (15, 1, 8, 8)
    assert len(np.unique(sample_set.of_class(2), axis=0)) == 4
    assert sample_set.name == "made"
    assert sample_set.model is None


def test_of_too_many_images_an_even_choice_is_used(
    tiny_splits: DatasetSplits, tmp_path: Path
) -> None:
    folder = write(tmp_path / "made", {"ring": 20, "bar": 20, "cross": 5})
    sample_set = load_sample_folder(folder, tiny_splits, total=25, seed=0, progress=silent)
    assert np.bincount(sample_set.target_labels).tolist() == [10, 5, 10]
    again = load_sample_folder(folder, tiny_splits, total=25, seed=0, progress=silent)
    other = load_sample_folder(folder, tiny_splits, total=25, seed=1, progress=silent)
    assert np.array_equal(sample_set.samples, again.samples)
    assert not np.array_equal(sample_set.samples, other.samples)


@pytest.mark.parametrize(
    ("counts", "side", "mode", "sentence"),
    [
        ({"bar": 2, "cross": 2}, 8, "L", "has no images of ring"),
        ({"bar": 2, "cross": 2, "ring": 2, "disc": 2}, 8, "L", "no class 'disc'.* sub-folders"),
        ({"bar": 2, "cross": 2, "ring": 2}, 9, "L", "are of 9×9×1, but shapes has images of 8×8×1"),
        ({"bar": 2, "cross": 2, "ring": 2}, 8, "RGB", "are of 8×8×3"),
    ],
)
def test_unfit_folders_are_refused(
    tiny_splits: DatasetSplits,
    tmp_path: Path,
    counts: dict[str, int],
    side: int,
    mode: str,
    sentence: str,
) -> None:
    folder = write(tmp_path / "made", counts, side=side, mode=mode)
    with pytest.raises(DataError, match=sentence):
        load_sample_folder(folder, tiny_splits, total=100, seed=0, progress=silent)


def test_a_folder_without_images_is_refused(tiny_splits: DatasetSplits, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there are no files"):
        load_sample_folder(tmp_path / "empty", tiny_splits, total=100, seed=0, progress=silent)
