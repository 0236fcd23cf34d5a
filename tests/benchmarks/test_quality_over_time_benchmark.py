"""benchmarks/quality_over_time.py: curves of both sides, the target, the time to reach it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from acgan.evaluation.reference_quality import SampleQuality
from acgan.training.train import train


@pytest.fixture
def benchmark(small_classifier: None, load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("quality_over_time")


def quality(accuracy: float, frechet: float) -> SampleQuality:
    return SampleQuality(
        classes=("a", "b"),
        accuracy=accuracy,
        class_accuracy=(accuracy, accuracy),
        frechet=frechet,
        baseline=0.1,
        class_frechet=(1.0, 1.0),
        class_variance_ratio=(1.0, 1.0),
        confusion=((1, 0), (0, 1)),
        protocol={},
        notes=(),
    )


@pytest.mark.slow
def test_both_sides_are_evaluated_plotted_and_compared(
    benchmark: ModuleType,
    tutorial_snapshots: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    train(
        "digits",
        recipe="acgan-mnist-28",
        images=512,
        run=run,
        execution={"threads": 1, "precision": "fp32"},
        options=[
            "reporting.checkpoint_every_images=128",
            "reporting.keep_checkpoints=1000",
            "training.batch_size=64",
            "generator.widths=[8, 8]",
            "discriminator.layers=[{width=6, kernel=4, stride=4}]",
        ],
    )
    words = ["--data", "digits", "--tutorial", str(tutorial_snapshots), "--runs", str(run)]
    words += ["--rates", "64", "256", "--per-class", "30", "--points", "3", "--out", str(out)]
    assert benchmark.main(words) == 0
    assert (out / "quality-over-time.png").read_bytes().startswith(b"\x89PNG")
    report: dict[str, Any] = json.loads((out / "quality-over-time.json").read_text())
    script = report["curves"]["tutorial script"][str(tutorial_snapshots)]
    acgan = report["curves"]["acgan"][str(run)]
    assert [(point["images"], point["seconds"]) for point in script] == [(64, 1.0), (128, 2.0)]
    assert acgan[-1]["images"] == 512
    assert acgan[-1]["seconds"] == 2.0
    assert all(point["frechet"] > 0 for point in script + acgan)
    assert report["target"]["seconds"] == 2.0
    assert report["target"]["frechet"] == script[-1]["frechet"]
    assert "tutorial script after 2 s" in capsys.readouterr().out


@pytest.mark.slow
def test_errors_have_a_message_and_an_exit_code(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "digits", "--rates", "64", "512", "--out", str(tmp_path / "out")]
    none = str(tmp_path / "none")
    assert benchmark.main([*words, "--tutorial", none, "--runs", none]) == 2
    assert "no snapshots in" in capsys.readouterr().err
    (tmp_path / "000000000064.npz").write_bytes(b"nothing")
    assert benchmark.main([*words, "--tutorial", str(tmp_path), "--runs", none]) == 3
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark.main([*words, "--points", "1"])


def test_the_first_checkpoint_to_reach_the_target_is_found_by_bisection(
    benchmark: ModuleType, tmp_path: Path
) -> None:
    point = sys.modules["quality_runs"].Point

    class Run:
        """Reaches the target at 3 700 images; few of its 100 checkpoints are evaluated."""

        counts = tuple(range(100, 10_001, 100))
        evaluated: tuple[int, ...] = ()

        def at(self, images: int) -> Any:
            self.evaluated = (*self.evaluated, images)
            good = images >= 3_700
            return point(images, images / 100, quality(0.9 if good else 0.5, 1.0))

    run = Run()
    target = benchmark.Target(seconds=1200.0, accuracy=0.8, frechet=2.0)
    points = benchmark._curve(tmp_path, run, target, 5)
    before, good = benchmark.bracket(points, target)
    assert (before.images, good.images) == (3_600, 3_700)
    assert len(run.evaluated) < 15
    compared = benchmark._comparison([points], target)
    assert compared["acgan_seconds"] == 37.0
    assert compared["ratio"] == pytest.approx(1200 / 37)


def test_both_measures_must_be_reached(benchmark: ModuleType) -> None:
    point = sys.modules["quality_runs"].Point
    target = benchmark.Target(seconds=60.0, accuracy=0.8, frechet=2.0)
    poor = [point(100, 1.0, quality(0.9, 2.1)), point(200, 2.0, quality(0.7, 1.0))]
    assert benchmark.bracket(poor, target) == (poor[-1], None)
    assert benchmark._comparison([poor], target)["ratio"] is None
    good = point(300, 3.0, quality(0.8, 2.0))
    assert benchmark.bracket([good], target) == (None, good)
    assert benchmark._last_within([*poor, good], minutes=2 / 60) == poor[1]


def test_points_are_log_spaced_evenly_over_the_logarithm(benchmark: ModuleType) -> None:
    log_spaced = sys.modules["quality_runs"].log_spaced
    assert log_spaced([1, 2, 3], 5) == [1, 2, 3]
    assert log_spaced(list(range(1, 1001)), 4) == [1, 10, 100, 1000]
    with pytest.raises(ValueError, match="2 points"):
        log_spaced([1, 2, 3], 1)
