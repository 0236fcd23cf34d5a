from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acgan.report.files import write_report
from acgan.report.report import Report
from acgan.report.section import Metric, Section

Acgan = Callable[..., Any]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two seeds of a recipe, and a run whose samples were counted differently."""
    made = []
    for name, seed, value, samples in (("s0", 0, 0.2, 100), ("s1", 1, 0.3, 100), ("x", 2, 9.0, 9)):
        metric = Metric(
            "frechet_distance",
            "Fréchet distance",
            value,
            "low",
            "p",
            baseline=0.05,
            interval=(value - 0.01, value + 0.01),
            extractor="reference-classifier",
        )
        protocol = {"extractor": "reference-classifier", "samples": samples}
        metrics = (metric, Metric("kid", "KID", 0.1, "low", "p")) if name == "x" else (metric,)
        section = Section("fidelity", "Fidelity", ("Why.",), metrics, protocols={"p": protocol})
        report = Report(
            name, "digits", ("a", "b"), samples, {}, (section,), True, config={"seed": seed}
        )
        write_report(report, tmp_path / name / "evaluation")
        made.append(tmp_path / name)
    return made[0], made[1], made[2]


def test_a_table(acgan: Acgan, runs: tuple[Path, ...]) -> None:
    done = acgan("compare", *runs[:2])
    assert (done.code, done.err) == (0, "")
    header, row, star, _, group, _, spread, *_ = done.out.splitlines()
    assert header.split() == ["metric", "s0", "s1", "baseline", "better"]
    assert row.split() == [
        "Fréchet",
        "distance",
        "(reference-classifier)",
        "0.200",
        "★",
        "0.300",
        "0.0500",
        "↓",
    ]
    assert "95 % interval" in star
    assert group == "digits, 2 seeds (s0, s1)"
    assert spread.split() == [
        "Fréchet",
        "distance",
        "(reference-classifier)",
        "0.250",
        "±",
        "0.071",
        "2",
    ]


def test_other_protocols_are_not_compared(acgan: Acgan, runs: tuple[Path, ...]) -> None:
    out = acgan("compare", *runs).out
    assert "Fréchet distance (reference-classifier) [1]" in out
    assert "[1] not comparable: samples differs (100 / 9)" in out
    assert "★" not in out
    assert "no mean: their metrics were computed in different ways" in out
    assert "\nonly in x: KID\n" in out


def test_a_page_and_json(acgan: Acgan, runs: tuple[Path, ...], tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    done = acgan("compare", *runs, "--out", page, "--json")
    assert done.code == 0
    assert f"wrote {page}" in done.err
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    values = json.loads(done.out)
    assert [run["name"] for run in values["runs"]] == ["s0", "s1", "x"]
    assert values["metrics"][0]["not_comparable"] == "samples differs (100 / 9)"


def test_mistakes(acgan: Acgan, runs: tuple[Path, ...], tmp_path: Path) -> None:
    assert acgan("compare", runs[0]).code == 2
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "config.json").write_text("{}")
    done = acgan("compare", runs[0], fresh)
    assert done.code == 2
    assert f"run `acgan evaluate {fresh}` first" in done.err
    (runs[1] / "evaluation" / "report.json").write_text("[]")
    done = acgan("compare", *runs)
    assert done.code == 3
    assert "is no report of `acgan evaluate`" in done.err
    done = acgan("compare", runs[0], runs[2], "--out", tmp_path)
    assert done.code == 5
    assert "--out" in done.err
