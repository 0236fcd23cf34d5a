"""The benchmark of classes per model: one command, resumed by itself, a row for each number."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig

TINY = ReferenceClassifierConfig(
    network=ReferenceNetworkConfig(stem=4, stages=(8, 8)),
    fit=FitConfig(flip=False, images=1_600, batch_size=32, precision="fp32"),
)
SMALL = (
    *("-o", "generator.widths=[8, 8]", "-o", "generator.latent_size=6"),
    *("-o", "discriminator.layers=[{width=6, kernel=4, stride=4}]"),
    *("-o", "training.batch_size=16", "-o", "execution.threads=1", "-o", "data.per_class=40"),
    *("-o", "reporting.grid_columns=1", "-o", "execution.precision=fp32"),
)


@pytest.fixture
def benchmark(
    load_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ModuleType:
    """The script, with a judge that is fitted in a second."""
    module = load_script("classes_per_model")
    quality = sys.modules["quality"]
    small = functools.partial(cached_reference_classifier, config=TINY, folder=tmp_path / "judges")
    monkeypatch.setattr(quality, "cached_reference_classifier", small)
    monkeypatch.setattr(quality, "reference_classifiers_folder", lambda: tmp_path / "judges")
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})
    return module


def test_one_command_trains_judges_and_goes_on(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["digits", "--per-model", "5", "10", "--seeds", "3", "--images", "64", *SMALL]
    words += ["--per-class", "30", "--out", str(tmp_path / "out")]
    assert benchmark.main(words) == 0
    first = capsys.readouterr().out
    rows = [line.split(" | ") for line in first.splitlines()]
    assert [row[:3] for row in rows[2:]] == [["| 5", "2", "64"], ["| 10", "1", "64"]]
    report = json.loads((tmp_path / "out" / "classes-per-model.json").read_text(encoding="utf-8"))
    assert set(report["images_seen"].values()) == {64}
    assert report["members"] == {"5": 2, "10": 1}
    assert all(row["protocol"]["samples"] == 300 for row in report["models"].values())
    assert benchmark.main(words) == 0
    again = capsys.readouterr()
    assert again.out == first == (tmp_path / "out" / "classes-per-model.md").read_text("utf-8")
    assert "model 1 of" not in again.err, "nothing is trained twice"


def test_the_table_by_hand(benchmark: ModuleType) -> None:
    keys = [key for _, key in benchmark.FIGURES]
    half: dict[str, Any] = dict.fromkeys(keys, 0.5)
    metrics = {"a": half, "b": dict.fromkeys(keys, 0.7), "c": dict(half)}
    metrics["c"][keys[2]] = None
    text = benchmark.table(
        metrics, {2: ["a", "b"], 10: ["c"]}, {2: 5, 10: 1}, {**dict.fromkeys("abc", 640)}
    )
    rows = text.splitlines()
    assert rows[2].startswith("| 2 | 5 | 640 | 0.600 ± 0.141 |")
    assert rows[3].startswith("| 10 | 1 | 640 | 0.500 | 0.500 | – |")


def test_mistakes_get_their_sentence(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["digits", "--per-model", "5", "5", "--out", str(tmp_path)]) == 2
    assert "twice" in capsys.readouterr().err
