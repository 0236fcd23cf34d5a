from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.data.config import DataConfig
from acgan.data.images import ClassName, ImageShape, LabeledImages, make_classes
from acgan.data.load import load_data
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig

GRAY_28 = ImageShape(1, 28, 28)
TINY = ReferenceClassifierConfig(
    network=ReferenceNetworkConfig(stem=4, stages=(8, 8)),
    fit=FitConfig(flip=False, images=3_200, batch_size=32, precision="fp32"),
)


@pytest.fixture
def quality(
    load_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ModuleType:
    """The script, with a judge that is fitted in a second and kept in a folder of the test's."""
    module = load_script("quality")
    small = functools.partial(cached_reference_classifier, config=TINY, folder=tmp_path / "judges")
    monkeypatch.setattr(module, "cached_reference_classifier", small)
    monkeypatch.setattr(module, "reference_classifiers_folder", lambda: tmp_path / "judges")
    return module


def untrained(
    folder: Path,
    seed: int,
    classes: tuple[ClassName, ...],
    shape: ImageShape = GRAY_28,
) -> str:
    config = RunConfig.model_validate(
        {
            "recipe": "tiny",
            "generator": {"family": "deconv", "latent_size": 8, "widths": [8, 8]},
            "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
            "training": {"total_images": 1000},
        }
    )
    torch.manual_seed(seed)
    count = len(classes)
    save_model(
        folder / "model",
        ModelInfo(
            config=config,
            shape=shape,
            classes=classes,
            split={
                split: {"content_hash": "a" * 64, "images": 1, "per_class": [1] * count}
                for split in ("train", "validation", "test")
            },
            data_name="digits",
            images_seen=1,
        ),
        generator_state=config.generator.build(shape, count).state_dict(),
        discriminator_state=config.discriminator.build(shape, count, Heads()).state_dict(),
    )
    return str(folder)


def digits() -> tuple[ClassName, ...]:
    return load_data(DataConfig(source="digits")).classes


def test_a_row_for_each_model_and_the_spread_over_them(
    quality: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [untrained(tmp_path / f"seed-{seed}", seed, digits()) for seed in range(2)]
    out = tmp_path / "out.json"
    words = [*models, "--data", "digits", "--per-class", "30", "--json", str(out)]
    assert quality.main(words) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    assert list(report["models"]) == models
    for row in report["models"].values():
        assert row["accuracy"] < 0.5, "an untrained model draws no digits"
        assert row["frechet_ratio"] > 3
        assert row["protocol"]["samples_per_class"] == [30] * 10
        assert row["protocol"]["reference_images"] == 500
    first, second = (row["accuracy"] for row in report["models"].values())
    assert report["over_models"]["accuracy"]["mean"] == pytest.approx((first + second) / 2)
    assert report["over_models"]["accuracy"]["spread"] == pytest.approx(
        abs(first - second) / 2**0.5
    )
    printed = capsys.readouterr().out
    assert "mean ± spread" in printed
    assert "against 500 test images" in printed


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


def test_one_model_has_no_spread_and_too_few_samples_are_said(
    quality: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = untrained(tmp_path / "run", 0, digits())
    assert (
        quality.main([model, "--data", "digits", "--per-class", "2", "--part", "validation"]) == 0
    )
    told = capsys.readouterr()
    assert "mean ± spread" not in told.out
    assert "against 500 validation images" in told.out
    assert "no Fréchet distance: 20 images on a side" in told.err


def test_mistakes_get_a_sentence_and_an_exit_code(
    quality: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = untrained(tmp_path / "good", 0, digits())
    others = untrained(tmp_path / "others", 0, make_classes([f"shirt {i}" for i in range(10)]))
    color = untrained(tmp_path / "color", 0, digits(), ImageShape(3, 28, 28))
    for words, code, sentence in (
        ([str(tmp_path / "none"), "--data", "digits"], 2, "none"),
        ([good, "--data", "digits", "--per-class", "0"], 2, "--per-class must be at least 1"),
        ([others, "--data", "digits"], 3, "draws the classes shirt 0"),
        ([good, color, "--data", "digits"], 3, "draws images of 28×28×3"),
    ):
        assert quality.main(words) == code
        assert sentence in capsys.readouterr().err
