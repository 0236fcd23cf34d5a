from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "random_layers.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("random_layers_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "random_layers_benchmark", module)
    spec.loader.exec_module(module)
    return module


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
