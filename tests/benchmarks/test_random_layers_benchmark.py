from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture
def benchmark(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("random_layers")


def test_both_sides_of_both_layers_are_measured(
    benchmark: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = tmp_path / "figures.json"
    monkeypatch.setattr(benchmark, "SHAPES", ((2, 4, 6, 6),))
    threads = str(torch.get_num_threads())
    assert benchmark.main(["--rounds", "2", "--threads", threads, "--json", str(kept)]) == 0
    rows = json.loads(kept.read_text())["rows"]
    assert [row["layer"] for row in rows] == ["noise", "dropout"]
    assert all(row["torch_ms"] > 0 and row["ours_ms"] > 0 for row in rows)
    assert "peak memory" in capsys.readouterr().out
