from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from acgan.data.images import ImageShape, make_classes
from acgan.model.model import load
from acgan.sampling.latents import latents
from acgan.sampling.sampler import sample_images


@pytest.fixture
def benchmark(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("sampling")


@pytest.fixture(scope="module")
def tiny_model(
    tmp_path_factory: pytest.TempPathFactory, untrained_model: Callable[..., Path]
) -> Path:
    """An untrained model of three classes."""
    folder = tmp_path_factory.mktemp("sampling")
    return untrained_model(folder, ImageShape(1, 8, 12), make_classes(["zero", "one", "two"]))


@pytest.mark.full
def test_both_rates_are_printed_and_saved(
    benchmark: ModuleType, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "figures.json"
    words = [str(tiny_model), "--images", "64", "--repeats", "1", "--json", str(saved)]
    assert benchmark.main(words) == 0
    printed, values = capsys.readouterr().out, json.loads(saved.read_text())
    assert "images/s" in printed
    assert "cold, 64 images" in printed
    assert values["images_per_second"] > 0
    assert values["precision"] in {"fp32", "bf16"}
    assert values["cold_seconds"] > 0.1
    assert 0.05 < values["bulk_peak_gib"] < 8


def test_bulk_rates_of_both_loops(benchmark: ModuleType, tiny_model: Path) -> None:
    values = benchmark.bulk(tiny_model, images=32, repeats=1)
    assert (values["images"], values["threads"]) == (32, torch.get_num_threads())
    assert all(value > 0 for name, value in values.items() if name != "precision")


def test_the_plain_loop_generates_the_same_images(
    benchmark: ModuleType, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given our latents instead of torch's, so that both compute the same."""
    generator, labels = load(tiny_model).generator, np.arange(40) % 3
    noise = latents(range(40), generator.latent_size)
    monkeypatch.setattr(benchmark.torch, "randn", lambda *_: noise)
    ours = sample_images(generator, labels, range(40), precision="fp32").astype(int)
    assert np.abs(benchmark.plain(generator, labels).astype(int) - ours).max() <= 1


def test_a_missing_model_is_an_error(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main([str(tmp_path / "nowhere")]) == 2
    assert "sampling: there is no model" in capsys.readouterr().err
