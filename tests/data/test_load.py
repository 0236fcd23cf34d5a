"""load_data on the embedded digits: parts, subsets, names, notes, and unknown sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import UsageError


def load(**options: Any) -> DatasetSplits:
    return load_data(DataConfig.model_validate(options))


@pytest.fixture(scope="module")
def digits() -> DatasetSplits:
    return load()


def test_the_embedded_digits_are_there(digits: DatasetSplits) -> None:
    assert digits.name == "digits"
    assert digits.shape == (1, 28, 28)
    for split, count in ((digits.train, 400), (digits.validation, 50), (digits.test, 50)):
        assert split.class_counts.tolist() == [count] * 10
    assert [c.name for c in digits.classes][:2] == ["zero", "one"]
    assert digits.classes[7].aliases == ("7",)
    assert digits.notes == ()
    assert digits.train.images.max() == 255


def test_the_parts_are_disjoint(digits: DatasetSplits) -> None:
    splits = (digits.train, digits.validation, digits.test)
    pictures = {image.tobytes() for split in splits for image in split.images}
    assert len(pictures) == 5000


def test_the_same_config_gives_the_same_parts(digits: DatasetSplits) -> None:
    assert load().split_record() == digits.split_record()
    other = load(split_seed=1).split_record()
    assert all(other[name] != record for name, record in digits.split_record().items())


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"fraction": 0.1}, [40] * 10),
        ({"per_class": 3}, [3] * 10),
        ({"long_tail": 50}, [400, 258, 167, 108, 70, 45, 29, 19, 12, 8]),
    ],
)
def test_subsets_concern_training_alone(
    digits: DatasetSplits, options: dict[str, Any], counts: list[int]
) -> None:
    splits = load(**options)
    assert splits.train.class_counts.tolist() == counts
    whole, record = digits.split_record(), splits.split_record()
    assert record["test"] == whole["test"]
    assert record["validation"] == whole["validation"]
    assert record["train"] != whole["train"]
    everything = {image.tobytes() for image in digits.train.images}
    assert {image.tobytes() for image in splits.train.images} <= everything


def test_one_class_keeps_its_name_and_its_images(digits: DatasetSplits) -> None:
    splits = load(only_class=["7", "three"])
    assert [c.name for c in splits.classes] == ["three", "seven"]
    for split, whole in ((splits.train, digits.train), (splits.test, digits.test)):
        for new, old in ((0, 3), (1, 7)):
            np.testing.assert_array_equal(
                split.images[split.labels == new], whole.images[whole.labels == old]
            )
    assert len(load(only_class=["seven"]).classes) == 1


def test_named_sets_are_resized_too(digits: DatasetSplits) -> None:
    splits = load(image_size=(32, 16), per_class=2)
    assert splits.shape == (1, 32, 16)
    assert splits.train.class_counts.tolist() == [2] * 10


@pytest.mark.slow
def test_few_labels_are_those_of_the_subset_of_as_many_images(digits: DatasetSplits) -> None:
    """All images stay, and all labels do, for an evaluation; training is told of some alone."""
    splits, subset = load(labeled_per_class=3), load(per_class=3)
    assert splits.train.content_hash == digits.train.content_hash
    assert splits.labeled.content_hash == subset.train.content_hash
    record = splits.split_record()
    assert record["train"].pop("labeled") == subset.split_record()["train"]
    assert record == digits.split_record()
    assert digits.labeled is digits.train
    more = load(labeled_per_class=5)
    assert splits.labeled_rows is not None
    assert more.labeled_rows is not None
    assert set(splits.labeled_rows.tolist()) < set(more.labeled_rows.tolist())
    other = load(labeled_per_class=3, split_seed=1)
    assert other.labeled.content_hash != splits.labeled.content_hash


def test_labels_of_a_subset() -> None:
    splits = load(long_tail=50, labeled_per_class=10)
    assert splits.labeled.class_counts.tolist() == [10] * 9 + [8]
    assert any(
        note == "fewer than 10 labeled images, so all are used: nine" for note in splits.notes
    )
    assert load(per_class=3, labeled_per_class=3).labeled_rows is None


def test_too_large_a_per_class_is_said() -> None:
    assert any("so all are used: zero, one" in note for note in load(per_class=1000).notes)


@pytest.mark.parametrize(
    ("source", "words"),
    [("digts", "did you mean 'digits'"), ("nothing-like-it", "no folder of that name")],
)
def test_unknown_names_are_refused(source: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(source=source)


def test_unknown_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="no class 'eleven'"):
        load(only_class=["eleven"])


@pytest.mark.slow
def test_the_digits_need_neither_torch_nor_torchvision() -> None:
    code = (
        "import sys; from acgan.data.load import load_data;"
        "from acgan.data.config import DataConfig;"
        "load_data(DataConfig());"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "scripts"),
    [
        *(("\u0441\u0430t", "Cyrillic, Latin"), ("\u03bfx 2", "Greek, Latin"), ("cat", "")),
        *(("кот", ""), ("日本 cat", ""), ("été", "")),
    ],
)
def test_names_that_mix_scripts_which_look_alike_are_a_note(
    name: str, scripts: str, tmp_path: Path
) -> None:
    for label, each in enumerate(("dog", name)):
        (tmp_path / "set" / each).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (4, 4), 50 * label + number).save(tmp_path / f"set/{each}/{number}.png")
    config = DataConfig(source=str(tmp_path / "set"), cache=str(tmp_path / "cache"))
    notes = [note for note in load_data(config).notes if "several scripts" in note]
    assert len(notes) == bool(scripts)
    assert all(note.endswith(f"look like another: '{name}' ({scripts})") for note in notes)
