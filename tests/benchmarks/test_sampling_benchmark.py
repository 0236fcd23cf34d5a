from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from acgan.data.images import ImageShape, make_classes
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.model.model import load
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig
from acgan.sampling.sampler import latents, sample_images


@pytest.fixture
def benchmark(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("sampling")


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """An untrained model of three classes."""
    config = RunConfig.model_validate(
        {
            "recipe": "small-gray",
            "generator": {"family": "deconv", "latent_size": 8, "widths": [8, 8]},
            "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
            "training": {"total_images": 1000},
        }
    )
    shape = ImageShape(1, 8, 12)
    torch.manual_seed(0)
    generator = config.generator.build(shape, 3)
    discriminator = config.discriminator.build(shape, 3, Heads())
    part = {"content_hash": "a" * 64, "images": 30, "per_class": [10, 10, 10]}
    info = ModelInfo(
        config=config,
        shape=shape,
        classes=make_classes(["zero", "one", "two"], [[], [], []]),
        split={"train": part, "validation": part, "test": part},
        data_name="digits",
        images_seen=640,
    )
    save_model(
        tmp_path / "model",
        info,
        generator_state=generator.state_dict(),
        discriminator_state=discriminator.state_dict(),
    )
    return tmp_path / "model"


def test_both_figures_are_printed_and_kept(
    benchmark: ModuleType, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "figures.json"
    words = [str(tiny_model), "--images", "64", "--repeats", "1", "--json", str(kept)]
    assert benchmark.main(words) == 0
    printed, values = capsys.readouterr().out, json.loads(kept.read_text())
    assert "images/s" in printed
    assert "cold, 64 images" in printed
    assert values["images_per_second"] > 0
    assert values["precision"] in {"fp32", "bf16"}
    assert values["cold_seconds"] > 0.1
    assert 0.05 < values["bulk_peak_gib"] < 8


def test_the_plain_loop_draws_the_same_pictures(
    benchmark: ModuleType, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given our latents instead of torch's, so that the two do the same work."""
    generator, labels = load(tiny_model).generator, np.arange(40) % 3
    noise = latents(range(40), generator.latent_size)
    monkeypatch.setattr(benchmark.torch, "randn", lambda *_: noise)
    ours = sample_images(generator, labels, range(40), precision="fp32").astype(int)
    assert np.abs(benchmark.plain(generator, labels).astype(int) - ours).max() <= 1


def test_no_model_is_a_sentence(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main([str(tmp_path / "nowhere")]) == 2
    assert "sampling: there is no model" in capsys.readouterr().err
