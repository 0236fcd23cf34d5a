from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.load import load_data


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("usefulness")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, untrained_model: Callable[..., Path]) -> Path:
    """An untrained model of data with ten images per class."""
    data = DataConfig(source="digits", per_class=10)
    splits = load_data(data)
    folder = tmp_path_factory.mktemp("usefulness")
    split = splits.split_record()
    return untrained_model(folder, splits.shape, splits.classes, split=split, data=data)


@pytest.mark.full
def test_a_study_from_a_run_alone(
    script: ModuleType, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [str(run), "--out", str(out), "--images", "100"]
    assert script.main(words) == 0
    report = capsys.readouterr().out
    assert "**study-says-nothing** (fault)" in report  # one step teaches nothing
    assert "| samples only | 0 | 100 |" in report
    metrics = json.loads((out / "usefulness.json").read_text())
    assert metrics["train_images_per_class"] == [10] * 10
    assert metrics["protocol"]["steps"] == [1]
    assert metrics["protocol"]["reference"] == "test"
    assert len(metrics["arms"]["mixed-500-percent"]["accuracy"]) == 3
    assert (out / "usefulness.md").read_text() == report.removesuffix("\n")
    with Image.open(out / "accuracy.png") as chart:
        assert chart.width == 1080
    fits = (out / "fits.jsonl").read_bytes()
    assert script.main(words) == 0
    assert (out / "fits.jsonl").read_bytes() == fits


def test_mistakes_end_with_a_sentence_and_their_exit_code(
    script: ModuleType, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(run), "--out", str(tmp_path), "--seeds", "0", "1"]) == 2
    assert "usefulness: a usefulness study needs at least three" in capsys.readouterr().err
    assert script.main([str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
