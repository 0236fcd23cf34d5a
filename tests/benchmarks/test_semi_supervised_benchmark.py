"""benchmarks/semi_supervised.py: who learns from what, a table, going on, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from acgan.data.config import DataConfig
from acgan.data.images import LabeledImages
from acgan.data.load import load_data
from acgan.model.model import load

FAST = ("-o", "generator.widths=[8, 4]", "-o", "training.batch_size=32")


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("semi_supervised")


def words(out: Path, *more: str) -> list[str]:
    given = ["--data", "digits", "--out", str(out), "--images", "64", "--steps", "2"]
    return [*given, "--labels-per-class", "2", "--seeds", "0", "1", *FAST, *more]


@pytest.mark.slow
def test_both_arms_learn_from_the_same_labels_and_a_second_call_does_nothing_again(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taught: list[LabeledImages] = []
    fit = script.fit_classifier

    def watched(network: Any, images: LabeledImages, *given: Any, **named: Any) -> None:
        taught.append(images)
        fit(network, images, *given, **named)

    monkeypatch.setattr(script, "fit_classifier", watched)
    out = tmp_path / "out"
    assert script.main(words(out)) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((out / "semi-supervised.json").read_text())["accuracy"]["2"]
    assert list(metrics) == ["sgan", "labeled alone"]
    assert all(len(values) == 2 and all(0 <= v <= 1 for v in values) for values in metrics.values())
    for seed, images in enumerate(taught):
        record = load(out / f"run-2-{seed}").split["train"]
        assert record["images"] == 4000
        assert record["labeled"]["content_hash"] == images.content_hash
        assert images.class_counts.tolist() == [2] * 10
    assert taught[0].content_hash != taught[1].content_hash
    monkeypatch.setattr(script, "train", None)
    monkeypatch.setattr(script, "fit_classifier", None)
    assert script.main(words(out)) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.slow
def test_accuracy_is_of_the_class_head(script: ModuleType, tmp_path: Path) -> None:
    arguments = script._arguments(words(tmp_path, "--split", "validation"))
    accuracy = script._sgan(arguments, 2, 0)
    model = load(tmp_path / "run-2-0")
    part = load_data(DataConfig(source="digits")).validation
    said = model.discriminator(
        script.torch.from_numpy(part.images).float() / 127.5 - 1
    ).class_logits.argmax(dim=1)
    assert accuracy == np.mean(said.numpy() == part.labels)


def test_the_table(script: ModuleType) -> None:
    rows = {
        "2": {"sgan": [0.5, 0.7], "labeled alone": [0.25, 0.25]},
        "10": {"sgan": [0.9], "labeled alone": [0.8]},
    }
    assert script.table(rows).splitlines()[2:] == [
        "| 2 | 60.00 ± 14.14 % | 25.00 ± 0.00 % |",
        "| 10 | 90.00 % | 80.00 % |",
    ]


@pytest.mark.slow
def test_mistakes_end_with_a_sentence_and_their_exit_code(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(words(tmp_path, "--data", "digts")) == 2
    assert "semi_supervised: " in capsys.readouterr().err
    assert script.main(words(tmp_path, "--recipe", "projection-gray")) == 2
    assert "needs a label for each real image" in capsys.readouterr().err
    assert script.main(words(tmp_path, "--recipe", "gan-gray")) == 2
    assert "has no class head" in capsys.readouterr().err
