"""Benchmarks of processor levels and of threads: ratios by hand, and a real step of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest


class FakeWorker:
    """A side whose step takes 1 s with one thread, 2 s with two, and twice that in bf16."""

    def __init__(self, side: dict[str, Any], environment: Mapping[str, str]) -> None:
        self.described = {"batch": 64}
        bf16 = "execution.precision=bf16" in side["options"]
        self._seconds = side["threads"] * (2.0 if bf16 else 1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, _command: dict[str, float]) -> dict[str, float]:
        rate = 64 / self._seconds
        return {"median_step_cpu_seconds": self._seconds, "images_per_second": rate}


def test_levels_are_compared_with_fp32(
    load_script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    benchmark, out = load_script("processor_levels"), tmp_path / "figures.json"
    monkeypatch.setattr(benchmark, "Worker", FakeWorker)
    assert benchmark.main(["--levels", "AVX2", "--rounds", "3", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert {(row["precision"], row["ratio"]) for row in rows} == {("fp32", 1.0), ("bf16", 0.5)}
    assert {row["memory_format"] for row in rows} == {"contiguous", "channels-last"}


def test_threads_are_compared_with_one(
    load_script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    benchmark, out = load_script("threads"), tmp_path / "figures.json"
    monkeypatch.setattr(benchmark, "Worker", FakeWorker)
    words = ["--burners", "0", "1", "--rounds", "2", "--json", str(out)]
    assert benchmark.main(words) == 0
    rows = json.loads(out.read_text())
    assert {(row["threads"], row["ratio"]) for row in rows} == {(1, 1.0), (2, 0.5)}
    assert {row["busy_cores"] for row in rows} == {0, 1}


@pytest.mark.full
def test_a_real_step_is_measured(load_script: Any, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    words = ["--rounds", "1", "--seconds", "0.1", "--json", str(out)]
    levels = ["--levels", "AVX2", "--precisions", "fp32"]
    assert load_script("processor_levels").main([*words, *levels]) == 0
    assert load_script("threads").main([*words, "--threads", "1", "--burners", "0"]) == 0
    assert all(row["ratio"] > 0 for row in json.loads(out.read_text()))
