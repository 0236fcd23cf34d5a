"""benchmarks/quality.py: a row per model, mean and std over models, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from acgan.data.images import DatasetSplits, ImageShape, LabeledImages, make_classes

Save = Callable[..., Path]


@pytest.fixture
def quality(small_classifier: None, load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("quality")


@pytest.fixture(scope="session")
def model(
    tmp_path_factory: pytest.TempPathFactory, untrained_model: Save, digits: DatasetSplits
) -> Path:
    """An untrained model of digits."""
    return untrained_model(tmp_path_factory.mktemp("quality"), digits.shape, digits.classes)


@pytest.mark.slow
def test_a_row_per_model_and_the_std_over_them(
    quality: ModuleType,
    model: Path,
    untrained_model: Save,
    digits: DatasetSplits,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = untrained_model(tmp_path / "seed-1", digits.shape, digits.classes, seed=1)
    models = [str(model), str(other)]
    out = tmp_path / "out.json"
    words = [*models, "--data", "digits", "--per-class", "30", "--json", str(out)]
    assert quality.main(words) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    assert list(report["models"]) == models
    for row in report["models"].values():
        assert row["accuracy"] < 0.5, "an untrained model generates no digits"
        assert row["frechet_ratio"] > 3
        assert row["protocol"]["samples_per_class"] == [30] * 10
        assert row["protocol"]["reference_images"] == 500
    first, second = (row["accuracy"] for row in report["models"].values())
    assert report["over_models"]["accuracy"]["mean"] == pytest.approx((first + second) / 2)
    assert report["over_models"]["accuracy"]["std"] == pytest.approx(abs(first - second) / 2**0.5)
    printed = capsys.readouterr().out
    assert "mean ± std" in printed
    assert "compared to 500 test images" in printed


def test_colors_are_compared_class_by_class(quality: ModuleType) -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), 200)
    images = random.integers(0, 256, (400, 3, 4, 4), dtype=np.uint8)
    classes = make_classes(["a", "b"])
    real = LabeledImages(images, labels, classes)
    assert quality._color(images, labels, real) == pytest.approx(1)
    of_one = np.broadcast_to(images[labels], images.shape)  # an image a class, of two colors
    assert quality._color(of_one, labels, real) == pytest.approx(0, abs=1e-9)
    gray = LabeledImages(images[:, :1], labels, classes)
    assert quality._color(images[:, :1], labels, gray) is None


@pytest.mark.slow
def test_one_model_has_no_std_and_too_few_samples_are_reported(
    quality: ModuleType, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(model), "--data", "digits", "--per-class", "2", "--split", "validation"]
    assert quality.main(words) == 0
    printed = capsys.readouterr()
    assert "mean ± std" not in printed.out
    assert "compared to 500 validation images" in printed.out
    assert "no Fréchet distance: 20 images per side" in printed.err


def test_errors_have_a_message_and_an_exit_code(
    quality: ModuleType,
    model: Path,
    untrained_model: Save,
    digits: DatasetSplits,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shirts = make_classes([f"shirt {i}" for i in range(10)])
    others = untrained_model(tmp_path / "others", digits.shape, shirts)
    color = untrained_model(tmp_path / "color", ImageShape(3, 28, 28), digits.classes)
    for words, code, message in (
        ([str(tmp_path / "none"), "--data", "digits"], 2, "none"),
        ([str(model), "--data", "digits", "--per-class", "0"], 2, "--per-class must be at least 1"),
        ([str(others), "--data", "digits"], 3, "generates the classes shirt 0"),
        ([str(model), str(color), "--data", "digits"], 3, "generates images of 28×28×3"),
    ):
        assert quality.main(words) == code
        assert message in capsys.readouterr().err
