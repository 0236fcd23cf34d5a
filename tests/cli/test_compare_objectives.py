from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acgan.studies import objectives as module
from acgan.studies.objectives import Question
from acgan.studies.objectives_result import ObjectiveComparison, ObjectiveRow


@pytest.fixture
def target_labels(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """A comparison that takes no time, and what it was asked."""
    questions: list[Question] = []

    def compare(question: Question, folder: Path, *, on_result: Any, **_: Any) -> Any:
        questions.append(question)
        folder.mkdir(exist_ok=True)
        metrics = {"accuracy": 0.9, "frechet_ratio": 3.0, "variance_ratio": None}
        rows = {name: (ObjectiveRow(name, 0, 100, "m", metrics),) for name in ("adc", "tac")}
        found = ObjectiveComparison(
            "digits", ("a", "b"), rows, 0.1, 0.98, "test", 1000, question.quick
        )
        on_result(found)
        return found

    def picture(found: ObjectiveComparison, folder: Path) -> bytes:
        Image.new("L", (8, 8)).save(folder / "drawn.png")
        return (folder / "drawn.png").read_bytes()

    monkeypatch.setattr(module, "compare_objectives", compare)
    monkeypatch.setattr(module, "comparison_chart", picture)
    return questions


def test_it_prints_a_table_and_writes_figures_and_picture(
    acgan: Any, target_labels: list[Question], tmp_path: Path
) -> None:
    out = tmp_path / "compared"
    done = acgan("compare-objectives", "digits", "--out", str(out))
    assert done.code == 0, done.err
    assert "90.0" not in done.out  # shares, as in the other tables
    assert "adc" in done.out
    assert "0.900" in done.out
    assert "98.0%" in done.out
    assert json.loads((out / "objectives.json").read_text())["objectives"]["adc"]["frechet_ratio"]
    assert (out / "objectives.txt").read_text() in done.out + "\n"
    assert (out / "objectives.png").exists()
    assert target_labels == [Question("digits")]


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ((), {}),
        (("--images", "500"), {"minutes": None, "images": 500}),
        (("--minutes", "2", "--seed", "1", "--seed", "2"), {"minutes": 2.0, "seeds": (1, 2)}),
        (("--per-class", "7"), {"per_class": 7}),
    ],
)
def test_quick_is_said_to_be_indicative_and_given_options_win(
    acgan: Any,
    target_labels: list[Question],
    tmp_path: Path,
    words: tuple[str, ...],
    changes: dict[str, Any],
) -> None:
    done = acgan("compare-objectives", "digits", "--quick", "--out", str(tmp_path), *words)
    assert done.code == 0, done.err
    quick = Question("digits", minutes=0.5, seeds=(0,), per_class=100, quick=True)
    assert target_labels == [replace(quick, **changes)]
    assert "quick comparison, indicative only" in done.out
    assert "one seed" in done.out
    full = acgan("compare-objectives", "digits", "--out", str(tmp_path / "full"))
    assert "indicative" not in full.out
    assert full.out.splitlines()[1] == done.out.splitlines()[2], "the same header"


def test_its_flags_make_the_question(
    acgan: Any, target_labels: list[Question], tmp_path: Path
) -> None:
    words: Sequence[str] = [
        "compare-objectives",
        "digits",
        "--objective",
        "adc",
        "--objective",
        "tac",
        "--recipe",
        "medium",
        "--images",
        "500",
        "--seed",
        "3",
        "--seed",
        "4",
        "--per-class",
        "20",
        "--split",
        "validation",
        "--data-root",
        "/data",
        "-o",
        "a.b=1",
        "--json",
    ]
    done = acgan(*words, "--out", str(tmp_path))
    assert json.loads(done.out)["folder"] == str(tmp_path)
    assert target_labels == [
        Question(
            "digits",
            names=("adc", "tac"),
            recipe="medium",
            images=500,
            seeds=(3, 4),
            per_class=20,
            split="validation",
            data_options={"root": "/data"},
            options=("a.b=1",),
        )
    ]


def test_a_wrong_objective_is_refused_with_the_closest(acgan: Any, tmp_path: Path) -> None:
    words = ("--objective", "acgn", "--objective", "adc", "--out", str(tmp_path / "new"))
    done = acgan("compare-objectives", "digits", *words)
    assert done.code == 2
    assert "did you mean 'acgan'" in done.err
