"""The benchmark of long tails: one command that resumes; figures by class and by policy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from acgan.data.config import DataConfig
from acgan.data.load import load_data
from acgan.model.model import load

SMALL = (
    *("-o", "generator.widths=[8, 8]", "-o", "generator.latent_size=6"),
    *("-o", "discriminator.layers=[{width=6, kernel=4, stride=4}]"),
    *("-o", "training.batch_size=16", "-o", "execution.threads=1"),
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
    return load_script("long_tail")


@pytest.mark.slow
def test_one_command_trains_evaluates_and_resumes(
    benchmark: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    words = ["digits", "--ratio", "20", "--seeds", "3", "--images", "64", *SMALL]
    words += ["--per-class", "30", "--out", str(out)]
    assert benchmark.main([*words, "--policies", "frequency"]) == 0
    capsys.readouterr()
    alone = json.loads((out / "long-tail.json").read_text(encoding="utf-8"))
    assert benchmark.main([*words, "--policies", "frequency", "uniform"]) == 0
    first = capsys.readouterr().out

    report = json.loads((out / "long-tail.json").read_text(encoding="utf-8"))
    assert [(run["policy"], run["seed"], run["images"]) for run in report["runs"]] == [
        ("frequency", 3, 64),
        ("uniform", 3, 64),
    ]
    assert report["runs"][0] == alone["runs"][0]
    assert list(report["training_images"].values()) == [
        *(400, 286, 205, 147, 105, 75, 54, 38, 27),
        20,
    ]
    assert report["rare_classes"] == ["seven", "eight", "nine"]
    frequency, uniform = (load(out / f"{name}-s3").config for name in ("frequency", "uniform"))
    assert (frequency.training.fake_labels, uniform.training.fake_labels) == (
        "frequency",
        "uniform",
    )
    assert frequency.data == uniform.data
    balanced = load_data(DataConfig(source="digits"))
    for run in report["runs"]:
        protocol = run["quality"]["protocol"]
        assert protocol["reference_classifier_train_hash"] == balanced.train.content_hash
        assert protocol["reference_hash"] == balanced.test.content_hash
        assert protocol["samples_per_class"] == [30] * 10
    assert "uniform minus" not in first, "one seed shows no difference"

    def never(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(benchmark, "measure_runs", never)
    assert benchmark.main([*words, "--policies", "frequency", "uniform"]) == 0
    assert capsys.readouterr().out == first == (out / "long-tail.md").read_text(encoding="utf-8")
    with pytest.raises(AssertionError):
        benchmark.main([*words, "--policies", "uniform", "--per-class", "31"])


def quality(accuracy: float, rarest: float | None, frechet: float) -> dict[str, Any]:
    """Figures of three classes as `quality.measure` has them, as far as they are read."""
    per_class = {"accuracy": [1.0, accuracy, rarest], "frechet": [0.5, frechet, None]}
    return {
        **{"accuracy": accuracy, "worst_class_accuracy": 0.1, "frechet_ratio": 4.0},
        **{"mean_class_frechet": frechet, "variance_ratio": 0.75},
        "class_accuracy": dict(zip("abc", per_class["accuracy"], strict=True)),
        "class_frechet": dict(zip("abc", per_class["frechet"], strict=True)),
        "class_variance_ratio": {"a": 1.0, "b": 0.5, "c": 0.25},
    }


def test_tables_and_differences_by_hand(benchmark: ModuleType) -> None:
    module = sys.modules["long_tail_result"]
    found = module.LongTail("shapes", 50.0, "test", 9, {"a": 100, "b": 14, "c": 2}, ())
    for policy, seed, accuracy, rarest in (
        ("frequency", 0, 0.5, 0.2),
        ("frequency", 1, 0.7, 0.3),
        ("uniform", 1, 0.9, 0.5),
        ("uniform", 0, 0.6, 0.3),
        ("batch", 2, 0.6, 0.3),
    ):
        found = found.and_run(module.Run(policy, seed, 640, quality(accuracy, rarest, 2.0)))
    assert found.rare == ("c",)
    assert found.values("uniform", "rare_accuracy") == {1: 0.5, 0: 0.3}
    assert found.values("uniform", "rare_class_frechet") == {}, "not defined"
    assert found.values("batch", "rare_variance_ratio") == {2: 0.25}

    differences = found.differences("uniform")
    # (.6 − .5, .9 − .7): mean .15, standard error .05, t of one degree of freedom 12.706
    assert differences["accuracy"]["mean"] == pytest.approx(0.15)
    assert differences["accuracy"]["half_width"] == pytest.approx(0.05 * 12.7062, rel=1e-4)
    assert differences["rare_accuracy"]["per_seed"] == pytest.approx([0.2, 0.1])
    assert differences["rare_accuracy"]["seeds"] == [1, 0]
    assert found.differences("batch") == {}, "no seed in common"

    policies, classes, compared = (
        [line.split(" | ") for line in table.splitlines()]
        for table in found.to_markdown().split("\n\n")[1:]
    )
    assert policies[2][:4] == ["| frequency", "640", "2", "0.60 ± 0.14"]
    assert policies[4][:4] == ["| batch", "640", "1", "0.600"]
    assert classes[0][2:5] == [f"GAN-test accuracy, {name}" for name in found.policies]
    assert classes[4][:4] == ["| c", "2", "0.250 ± 0.071", "0.40 ± 0.14"]
    assert classes[4][5:8] == ["–", "–", "–"]
    assert [row[0] for row in compared[2:]] == ["| uniform minus frequency"]
    assert compared[2][1] == "+0.15 ± 0.64"
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits", "--policies", "batch", "batch"], "--policies has a duplicate"),
        (["digits", "--seeds", "1", "1"], "--seeds has a duplicate"),
        (["digits", "--ratio", "1.5"], "at least 2"),
    ],
)
def test_errors_have_a_message(
    benchmark: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    assert benchmark.main([*words, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
