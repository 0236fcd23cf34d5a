from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import pytest


class FakeWorker:
    """A side whose steps take 2 s, or 4 s without the fast path "memory"."""

    described: dict[str, Any] = {"precision": "fp32", "threads": 1}  # noqa: RUF012

    def __init__(self, side: dict[str, Any]) -> None:
        self._seconds = 4.0 if side["without"] == "memory" else 2.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, _command: dict[str, float]) -> dict[str, float]:
        return {"median_step_cpu_seconds": self._seconds}


def test_ratios_are_step_times_with_a_path_to_those_without(
    load_script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    benchmark, out = load_script("fast_paths"), tmp_path / "figures.json"
    monkeypatch.setattr(benchmark, "Worker", FakeWorker)
    assert benchmark.main(["--recipes", "small-gray", "--rounds", "3", "--json", str(out)]) == 0
    ratios = {row["fast_path"]: row["ratio"] for row in json.loads(out.read_text())}
    assert ratios == {"memory": 0.5, "random layers": 1.0}


@pytest.mark.full
def test_every_fast_path_is_switched_off_in_a_real_step(load_script: Any, tmp_path: Path) -> None:
    benchmark, out = load_script("fast_paths"), tmp_path / "figures.json"
    words = ["--recipes", "acgan-mnist-32", "--rounds", "1", "--seconds", "0.1"]
    assert benchmark.main([*words, "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert [row["fast_path"] for row in rows] == list(benchmark.FAST_PATHS)
    assert all(row["ratio"] > 0 for row in rows)
