"""Real files: MNIST's .gz files, Debian's Fashion-MNIST, and CIFAR-10 as a zip of JPEG files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from acgan.data.config import DataConfig
from acgan.data.load import load_data

pytestmark = pytest.mark.real_data
ROOT = os.environ.get("ACGAN_DATA")


def existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture
def root() -> Path:
    if ROOT is None:
        pytest.skip("ACGAN_DATA names no folder of real data sets")
    return Path(ROOT)


@pytest.mark.slow
def test_mnist_comes_from_its_gz_files(root: Path) -> None:
    existing(root / "mnist" / "train-images-idx3-ubyte.gz")
    splits = load_data(DataConfig(source="mnist", root=str(root)))
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [54_001, 5_999, 10_000]
    assert splits.notes == ()
    assert splits.test.class_counts.tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


@pytest.mark.slow
def test_pairs_are_made_of_mnists_own_parts(root: Path) -> None:
    existing(root / "mnist" / "train-images-idx3-ubyte.gz")
    splits = load_data(DataConfig(source="mnist-pairs", root=str(root)))
    assert splits.shape == (1, 28, 56)
    for split, count in ((splits.train, 540), (splits.validation, 60), (splits.test, 100)):
        assert split.class_counts.tolist() == [count] * 100
    assert splits.notes == ()


def test_fashion_mnist_comes_from_debians_folder(tmp_path: Path) -> None:
    existing(Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"))
    splits = load_data(DataConfig(source="fashion-mnist", root=str(tmp_path)))
    assert splits.train.class_counts.tolist() == [5400] * 10
    assert splits.test.class_counts.tolist() == [1000] * 10
    assert splits.notes == ()
    assert splits.classes[0].folder == "T-shirt-top"


@pytest.mark.full
def test_a_zip_of_60_000_jpegs_simply_works(root: Path, tmp_path: Path) -> None:
    path = existing(root / "cifar10-jpeg.zip")
    config = DataConfig(source=str(path), cache=str(tmp_path))
    first = load_data(config)
    assert first.shape == (3, 32, 32)
    assert first.name == "cifar10-jpeg"
    for split, count in ((first.train, 4500), (first.validation, 500), (first.test, 1000)):
        assert split.class_counts.tolist() == [count] * 10
    start = time.process_time()
    assert load_data(config).split_record() == first.split_record()
    assert time.process_time() - start < 15
