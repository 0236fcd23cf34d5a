from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.evaluation.reference_quality import SampleQuality
from acgan.training.train import train

TINY = ReferenceClassifierConfig(
    network=ReferenceNetworkConfig(stem=4, stages=(8, 8)),
    fit=FitConfig(flip=False, images=3_200, batch_size=32, precision="fp32"),
)


@pytest.fixture
def benchmark(
    load_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ModuleType:
    """The script, with a judge that is fitted in a second and kept in a folder of the test's."""
    module = load_script("quality_over_time")
    small = functools.partial(cached_reference_classifier, config=TINY, folder=tmp_path / "judges")
    monkeypatch.setattr(module, "cached_reference_classifier", small)
    monkeypatch.setattr(module, "reference_classifiers_folder", lambda: tmp_path / "judges")
    return module


def script(words: list[str]) -> int:
    code: int = importlib.import_module("tutorial").main(words)
    return code


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


def test_the_script_leaves_snapshots_and_times(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tutorial"
    words = ["--images", "150", "--snapshot-every", "100", "--per-class", "12", "--threads", "1"]
    assert script([*words, "--out", str(out)]) == 0
    assert [path.name for path in sorted(out.glob("*.npz"))] == [
        "000000000128.npz",
        "000000000192.npz",
    ]
    with np.load(out / "000000000192.npz") as held:
        assert held["images"].shape == (120, 1, 28, 28)
        assert held["images"].dtype == np.uint8
        assert np.bincount(held["labels"]).tolist() == [12] * 10
    lines = [json.loads(line) for line in (out / "timing.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [128, 192]
    assert 0 < lines[0]["seconds"] < lines[1]["seconds"]
    assert "192 images in" in capsys.readouterr().out
    assert script([*words, "--out", str(out)]) == 2
    assert "has a run already" in capsys.readouterr().err
    assert script(["--images", "0", "--out", str(out)]) == 2
    assert "--images must be at least 1" in capsys.readouterr().err


def test_both_sides_are_judged_drawn_and_compared(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tutorial, run, out = (tmp_path / name for name in ("tutorial", "run", "out"))
    words = ["--images", "192", "--snapshot-every", "64", "--per-class", "30", "--threads", "1"]
    assert script([*words, "--out", str(tutorial)]) == 0
    train(
        "digits",
        recipe="acgan-mnist-28",
        images=1024,
        run=run,
        execution={"threads": 1},
        options=[
            "reporting.checkpoint_every_images=128",
            "reporting.keep_checkpoints=1000",
            "training.batch_size=64",
            "generator.widths=[8, 8]",
        ],
    )
    words = ["--data", "digits", "--tutorial", str(tutorial), "--ours", str(run)]
    words += ["--rates", "64", "512", "--per-class", "30", "--points", "3", "--out", str(out)]
    assert benchmark.main(words) == 0
    assert (out / "quality-over-time.png").read_bytes().startswith(b"\x89PNG")
    report: dict[str, Any] = json.loads((out / "quality-over-time.json").read_text())
    theirs = report["curves"]["the tutorial's way"][str(tutorial)]
    ours = report["curves"]["acgan"][str(run)]
    assert [(point["images"], point["seconds"]) for point in theirs] == [
        (64, 1.0),
        (128, 2.0),
        (192, 3.0),
    ]
    assert ours[-1]["images"] == 1024
    assert ours[-1]["seconds"] == 2.0
    assert all(point["frechet"] > 0 for point in theirs + ours)
    assert report["target"]["seconds"] == 3.0
    assert report["target"]["frechet"] == theirs[-1]["frechet"]
    assert "the tutorial after 3 s" in capsys.readouterr().out


def test_mistakes_get_a_sentence_and_an_exit_code(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "digits", "--rates", "64", "512", "--out", str(tmp_path / "out")]
    none = str(tmp_path / "none")
    assert benchmark.main([*words, "--tutorial", none, "--ours", none]) == 2
    assert "there are no snapshots" in capsys.readouterr().err
    (tmp_path / "000000000064.npz").write_bytes(b"nothing")
    assert benchmark.main([*words, "--tutorial", str(tmp_path), "--ours", none]) == 3
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark.main([*words, "--points", "1"])


def test_the_first_checkpoint_as_good_is_found_between_the_points(
    benchmark: ModuleType, tmp_path: Path
) -> None:
    point = sys.modules["quality_points"].Point

    class Judged:
        """As good as the target from 3 700 images on; asked for few of its hundred checkpoints."""

        counts = tuple(range(100, 10_001, 100))
        target_labels: tuple[int, ...] = ()

        def at(self, images: int) -> Any:
            self.target_labels = (*self.target_labels, images)
            good = images >= 3_700
            return point(images, images / 100, quality(0.9 if good else 0.5, 1.0))

    judged = Judged()
    target = benchmark.Target(seconds=1200.0, accuracy=0.8, frechet=2.0)
    points = benchmark._curve(tmp_path, judged, target, 5)
    before, good = benchmark.bracket(points, target)
    assert (before.images, good.images) == (3_600, 3_700)
    assert len(judged.target_labels) < 15
    compared = benchmark._compared([points], target)
    assert compared["ours_seconds"] == 37.0
    assert compared["ratio"] == pytest.approx(1200 / 37)


def test_both_measures_must_be_reached(benchmark: ModuleType) -> None:
    point = sys.modules["quality_points"].Point
    target = benchmark.Target(seconds=60.0, accuracy=0.8, frechet=2.0)
    poor = [point(100, 1.0, quality(0.9, 2.1)), point(200, 2.0, quality(0.7, 1.0))]
    assert benchmark.bracket(poor, target) == (poor[-1], None)
    assert benchmark._compared([poor], target)["ratio"] is None
    good = point(300, 3.0, quality(0.8, 2.0))
    assert benchmark.bracket([good], target) == (None, good)
    assert benchmark._last_within([*poor, good], minutes=2 / 60) == poor[1]


def test_points_are_spread_evenly_over_the_logarithm(benchmark: ModuleType) -> None:
    spread = sys.modules["quality_points"].spread
    assert spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(list(range(1, 1001)), 4) == [1, 10, 100, 1000]
    with pytest.raises(ValueError, match="2 points"):
        spread([1, 2, 3], 1)
