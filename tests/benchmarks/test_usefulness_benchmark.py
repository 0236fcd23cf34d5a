from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.load import load_data
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("usefulness")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A model that was never trained, of ten images a class."""
    config = RunConfig.model_validate(
        {
            "recipe": "tiny",
            "data": DataConfig(source="digits", per_class=10),
            "generator": {"family": "deconv", "latent_size": 8, "widths": [8, 8]},
            "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
            "training": {"total_images": 1000},
        }
    )
    splits = load_data(config.data)
    torch.manual_seed(0)
    save_model(
        tmp_path / "run" / "model",
        ModelInfo(config, splits.shape, splits.classes, splits.split_record(), splits.name, 0),
        generator_state=config.generator.build(splits.shape, 10).state_dict(),
        discriminator_state=config.discriminator.build(splits.shape, 10, Heads()).state_dict(),
    )
    return tmp_path / "run"


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
    assert "usefulness: a usefulness study takes at least three" in capsys.readouterr().err
    assert script.main([str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
