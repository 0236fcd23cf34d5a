from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from acgan.data.config import DataConfig
from acgan.data.folder import load_folder


@pytest.fixture
def benchmark(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("ingest")


@pytest.mark.slow
def test_three_ways_are_measured(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "figures.json"
    words = ["--images", "24", "--side", "20", "--size", "16", "--repeats", "1"]
    assert benchmark.main([*words, "--json", str(kept)]) == 0
    values = json.loads(kept.read_text())
    assert values["images"] == 24
    assert values["ratio_to_pillow"]["pillow"] == 1
    assert all(rate > 0 for rate in values["images_per_second"].values())
    assert "24 images" in capsys.readouterr().out


def test_both_ways_read_the_same_pixels(benchmark: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    benchmark.write_photos(folder, 8, 20)
    config = DataConfig(source=str(folder), image_size=(16, 16), cache=str(tmp_path / "cache"))
    ours = np.asarray(load_folder(folder, config, lambda *_: None).data.images)
    alone = benchmark.pillow_alone(folder, (16, 16))
    np.testing.assert_array_equal(ours.transpose(0, 2, 3, 1), alone)
    way = argparse.Namespace(folder=folder, size=16, way="cached", cache=tmp_path / "cache")
    assert benchmark.once(way)["images"] == 8


def test_a_folder_of_nothing_is_a_sentence(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--folder", str(tmp_path), "--way", "acgan", "--cache", str(tmp_path / "cache")]
    assert benchmark.main(words) == 3
    assert "ingest: " in capsys.readouterr().err
