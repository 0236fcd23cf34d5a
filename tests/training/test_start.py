"""The decisions at a start: threads by a fake measurement, what a resume keeps and says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.errors import UsageError
from acgan.execution import execution as device_module
from acgan.execution.execution import CPU_LEVELS
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training import start as start_module
from acgan.training.budget import Rate, thread_counts
from acgan.training.display import SilentDisplay
from acgan.training.start import Start, decide_start

TinyConfig = Callable[..., RunConfig]
Decide = Callable[..., Start]
AUTO = {"execution": {"threads": None}}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[int]]]:
    """``machine(load, {threads: rate})`` fakes a machine; it returns what was measured."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda _threads: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    def fake(load: float, rates: Mapping[int, float]) -> list[list[int]]:
        measured: list[list[int]] = []

        def measure(*_: object, counts: list[int], **__: object) -> Rate:
            measured.append(counts)
            found = {str(threads): rates[threads] for threads in counts}
            return Rate(max(found.values()), (0.0, 0.0, 0.0), 3.0, found)

        monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load), raising=False)
        monkeypatch.setattr(start_module, "measure_rate", measure)
        return measured

    return fake


@pytest.fixture
def decide(tmp_path: Path, tiny_splits: Any, recording: Any) -> Decide:
    """``decide(config)`` starts the run in a folder and records its decisions, as training does."""

    def start(config: RunConfig, display: Any = None, **options: Any) -> Start:
        folder = RunFolder(tmp_path)
        decided = decide_start(config, tiny_splits, folder, display or recording(), **options)
        folder.record(config, tiny_splits, decided.files)
        return decided

    return start


def test_the_numbers_of_threads_to_compare() -> None:
    assert [thread_counts(most) for most in (1, 2, 3, 8)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 8],
    ]


@pytest.mark.parametrize(
    ("load", "rates", "threads", "words"),
    [
        (0.1, {1: 173, 2: 290}, 2, "2 threads: 290 images/s (1 thread 173)"),
        (5.0, {1: 173, 2: 29}, 1, "1 thread: 173 images/s (2 threads 29): the machine is busy"),
        (0.1, {1: 173, 2: 150}, 1, "1 thread: 173 images/s (2 threads 150)"),
        (0.1, {1: 173, 2: 176}, 1, "1 thread: 173 images/s (2 threads 176)"),
        (5.0, {1: 90, 2: 120}, 2, "2 threads: 120 images/s (1 thread 90)"),
    ],
)
def test_the_fastest_number_of_threads_is_taken_and_kept(
    load: float,
    rates: dict[int, float],
    threads: int,
    words: str,
    machine: Any,
    decide: Decide,
    tiny_config: TinyConfig,
    recording: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")  # as the command line does: no further warning
    measured, display = machine(load, rates), recording()
    start = decide(tiny_config(**AUTO), display, estimate=True)
    assert measured == [[1, 2]], "threads and estimate share one measurement"
    assert start.execution.threads == threads
    assert display.says(words)
    assert display.says("machine is busy") == ("busy" in words)
    assert display.says("192 images will take about", "in fp32")
    assert display.says("too little training: 192 images, 2 passes over 96 training")
    saved = json.loads((tmp_path / "environment.json").read_text())
    assert saved["execution"]["threads"] == threads
    assert json.loads((tmp_path / "budget.json").read_text())["by_threads"]["1"] == rates[1]


@pytest.mark.parametrize("level", [None, *CPU_LEVELS])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bf16_without_instructions_is_a_warning(
    level: str | None,
    precision: str,
    decide: Decide,
    tiny_config: TinyConfig,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_module, "cpu_level", lambda: level)
    display, settings = recording(), {"threads": 1, "precision": precision, "device": "cpu"}
    decide(tiny_config(execution=settings), display)
    slow = precision == "bf16" and level in ("AVX2", "AVX512_CORE")
    assert display.says("no bf16 instructions", "use --precision fp32") == slow


def test_a_notebook_is_told_of_spinning_threads(
    machine: Any,
    decide: Decide,
    tiny_config: TinyConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    machine(5.0, {1: 173, 2: 29})
    with pytest.warns(UserWarning, match="busy.*set GOMP_SPINCOUNT=10000 before torch is imported"):
        decide(tiny_config(**AUTO), SilentDisplay())


def test_minutes_threads_and_estimate_share_one_measurement(
    machine: Any, decide: Decide, tiny_config: TinyConfig
) -> None:
    measured = machine(0.1, {1: 100, 2: 200})
    minutes = {"total_images": None, "max_minutes": 1.0}
    config = tiny_config(training=minutes, **AUTO)
    first = decide(config, estimate=True)
    assert measured == [[1, 2]]
    assert first.total_images == 57 * 200
    machine(5.0, {1: 1000, 2: 1000})
    assert decide(config).total_images == first.total_images


def test_a_given_number_of_threads_is_obeyed(
    machine: Any, decide: Decide, tiny_config: TinyConfig
) -> None:
    measured = machine(5.0, {1: 173, 2: 29})
    assert decide(tiny_config(execution={"threads": 2})).execution.threads == 2
    assert measured == []


def test_a_model_of_a_set_takes_the_number_of_the_one_before(
    machine: Any, decide: Decide, tiny_config: TinyConfig
) -> None:
    measured = machine(0.1, {1: 173, 2: 290})
    assert decide(tiny_config(**AUTO), threads=1).execution.threads == 1
    assert measured == []


def test_a_resume_keeps_its_threads_and_says_if_they_are_a_bad_choice(
    machine: Any,
    decide: Decide,
    tiny_config: TinyConfig,
    tiny_splits: Any,
    recording: Any,
    tmp_path: Path,
) -> None:
    config, hint = tiny_config(**AUTO), "-o execution.threads=1"
    machine(0.1, {1: 173, 2: 290})
    decide(config)
    for rates, bad in (({1: 173, 2: 29}, True), ({1: 173, 2: 160}, False)):
        display = recording()
        machine(5.0, rates)
        assert decide(config, display).execution.threads == 2
        assert display.says(hint) == bad

    # The hint works: this start and later ones use it, and say that bits change.
    display = recording()
    changed = tiny_config(execution={"threads": 1})
    RunFolder(tmp_path).check(changed, tiny_splits)
    assert decide(changed, display).execution.threads == 1
    assert display.says("1 thread instead of 2", "last bits")
    assert decide(config).execution.threads == 1


def test_a_resume_measures_a_lost_rate_with_its_own_threads(
    machine: Any, decide: Decide, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    config = tiny_config(**AUTO, training={"total_images": None, "max_minutes": 1.0})
    machine(0.1, {1: 100, 2: 200})
    assert decide(config).execution.threads == 2
    (tmp_path / "budget.json").unlink()
    measured = machine(0.1, {1: 200, 2: 100})
    assert decide(config).execution.threads == 2
    assert measured[0] == [2]


def test_a_resume_without_the_device_of_its_start_is_refused(
    machine: Any, decide: Decide, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    machine(0.1, {1: 173, 2: 290})
    decide(tiny_config(**AUTO))
    path = tmp_path / "environment.json"
    path.write_text(path.read_text().replace('"device": "cpu"', '"device": "mps"'))
    with pytest.raises(UsageError, match="this machine has no mps device, but cpu"):
        decide(tiny_config(**AUTO))


def test_a_complete_run_is_not_measured(
    machine: Any, decide: Decide, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    machine(0.1, {1: 173, 2: 290})
    decide(tiny_config(**AUTO))
    RunFolder(tmp_path).write_status("complete", 192, 192)
    measured = machine(0.1, {1: 173, 2: 290})
    decide(tiny_config(**AUTO))
    assert measured == []
