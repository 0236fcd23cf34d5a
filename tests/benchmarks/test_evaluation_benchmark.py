from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.data.images import DatasetSplits
from acgan.errors import UsageError


@pytest.fixture
def benchmark(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("evaluation")


def test_a_command_is_timed_with_its_memory_and_its_own_cache(
    benchmark: ModuleType, tmp_path: Path
) -> None:
    script = (
        "import json, os, time; block = bytearray(300_000_000); time.sleep(0.1); "
        "print(json.dumps({'seconds': {os.environ['ACGAN_CACHE']: 1.5}}))"
    )
    measured = benchmark._measure_command([sys.executable, "-c", script], tmp_path)
    assert measured.chapters == {str(tmp_path): 1.5}
    assert measured.seconds > 0.1
    assert 0.25 < measured.peak_gib < 2


def test_a_failed_command_is_an_error(benchmark: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exit code 3"):
        benchmark._measure_command([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path)


def test_without_a_run_nothing_is_measured(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main([str(tmp_path / "nothing")]) == 2
    assert "there is no model at" in capsys.readouterr().err


@pytest.mark.slow
def test_the_classifier_of_a_small_set_is_in_the_cache_of_both_runs(
    benchmark: ModuleType,
    untrained_model: Callable[..., Path],
    digits: DatasetSplits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The validation split of a small set decides when the fit ends, so it is part of the path."""
    config = ReferenceClassifierConfig(
        network=ReferenceNetworkConfig(stem=4, stages=(8,)),
        fit=FitConfig(flip=False, images=400, precision="fp32"),
        round_images=200,
    )
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    for module in ("acgan.classifiers.cache", "evaluation"):
        monkeypatch.setattr(f"{module}.reference_classifier_config", lambda *_, **__: config)
    caches = []

    def measured(command: list[str], cache: Path) -> Any:
        caches.append([path.name for path in (cache / "reference-classifiers").iterdir()])
        return benchmark.Measurement(1.0, {}, 1.0)

    monkeypatch.setattr(benchmark, "_measure_command", measured)
    data = {"source": "digits", "per_class": 20}
    run = untrained_model(tmp_path / "run", digits.shape, digits.classes, data=data)
    assert benchmark.main([str(run)]) == 0
    fitted = (tmp_path / "cache" / "reference-classifiers").glob("*.safetensors")
    assert caches == [[each.name for each in fitted]] * 2


def test_both_runs_are_printed_by_chapter(
    benchmark: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    first = benchmark.Measurement(100.0, {"data": 1.0, "fidelity": 60.0}, 2.5)
    second = benchmark.Measurement(50.0, {"data": 1.0, "fidelity": 30.0}, 2.0)
    benchmark._print(first, second)
    printed = capsys.readouterr().out
    assert "first / cached: 2.00" in printed
    assert "2.50 GiB, 2.00 GiB" in printed
