"""The benchmark of classes per model: one command that resumes, a row for each number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SMALL = (
    *("-o", "generator.widths=[8, 8]", "-o", "generator.latent_size=6"),
    *("-o", "discriminator.layers=[{width=6, kernel=4, stride=4}]"),
    *("-o", "training.batch_size=16", "-o", "execution.threads=1", "-o", "data.per_class=40"),
    *("-o", "reporting.grid_columns=1", "-o", "execution.precision=fp32"),
)


@pytest.fixture
def benchmark(
    small_classifier: None,
    load_script: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})
    return load_script("classes_per_model")


@pytest.mark.slow
def test_one_command_trains_evaluates_and_resumes(
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
    keys = [key for _, key in benchmark.METRICS]
    half: dict[str, Any] = dict.fromkeys(keys, 0.5)
    metrics = {"a": half, "b": dict.fromkeys(keys, 0.7), "c": dict(half)}
    metrics["c"][keys[2]] = None
    text = benchmark.table(
        metrics, {2: ["a", "b"], 10: ["c"]}, {2: 5, 10: 1}, {**dict.fromkeys("abc", 640)}
    )
    rows = text.splitlines()
    assert rows[2].startswith("| 2 | 5 | 640 | 0.600 ± 0.141 |")
    assert rows[3].startswith("| 10 | 1 | 640 | 0.500 | 0.500 | – |")


def test_errors_have_a_message(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["digits", "--per-model", "5", "5", "--out", str(tmp_path)]) == 2
    assert "duplicate" in capsys.readouterr().err
