from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from acgan.studies.objectives_result import ObjectiveComparison, ObjectiveRow, draw_comparison

FIGURES = {
    "accuracy": 0.9,
    "worst_class_accuracy": 0.5,
    "frechet_ratio": 12.0,
    "mean_class_frechet": None,
    "variance_ratio": 0.8,
    "lowest_variance_ratio": 0.4,
}


def row(name: str, seed: int, **metrics: float | None) -> ObjectiveRow:
    return ObjectiveRow(name, seed, 1000, f"{name}{seed}", {**FIGURES, **metrics})


def comparison() -> ObjectiveComparison:
    return ObjectiveComparison(
        data="shapes",
        classes=("a", "b"),
        rows={
            "adc": (row("adc", 0), row("adc", 1, accuracy=0.8, frechet_ratio=18.0)),
            "gan": (ObjectiveRow("gan", 0, 2000, "g", {"frechet_ratio": 30.0}),),
        },
        baseline=0.1,
        reference_accuracy=0.95,
        split="test",
        per_class=100,
    )


def test_a_line_has_mean_and_deviation_over_seeds_and_a_dash_for_what_is_not_defined() -> None:
    header, (adc, gan) = comparison().table()
    cells = dict(zip(header, adc, strict=True))
    assert cells["objective"] == "adc"
    assert cells["seeds"] == "2"
    assert cells["GAN-test accuracy"] == f"0.850 ± {np.std([0.9, 0.8], ddof=1):.3f}"
    assert cells["Fréchet ratio"] == f"15.0 ± {np.std([12, 18], ddof=1):.1f}"
    assert cells["Fréchet in a class"] == "–"
    assert dict(zip(header, gan, strict=True)) | {"images": "2,000"} == {
        "objective": "gan",
        "images": "2,000",
        "seeds": "1",
        "GAN-test accuracy": "–",
        "worst class": "–",
        "Fréchet ratio": "30.0",
        "Fréchet in a class": "–",
        "variance ratio": "–",
        "lowest class": "–",
    }


def test_rows_survive_json() -> None:
    for one in comparison().rows["adc"]:
        assert ObjectiveRow(**json.loads(json.dumps(asdict(one)))) == one


def test_the_json_is_plain_and_has_means_and_deviations() -> None:
    plain = json.loads(json.dumps(comparison().to_json(), allow_nan=False))
    assert plain["objectives"]["adc"]["accuracy"]["mean"] == pytest.approx(0.85)
    assert plain["objectives"]["gan"]["frechet_ratio"] == {"mean": 30.0, "standard_deviation": None}
    assert [run["seed"] for run in plain["runs"]] == [0, 1, 0]


@pytest.mark.slow
def test_the_picture_shows_figures_and_samples() -> None:
    random = np.random.default_rng(0)
    samples = {
        name: random.integers(0, 255, (2, 1, 8, 8)).astype(np.uint8) for name in ("adc", "gan")
    }
    picture = draw_comparison(comparison(), samples)
    assert picture == draw_comparison(comparison(), samples)
    assert picture.startswith(b"\x89PNG")
    better = {"adc": (row("adc", 0),), "gan": comparison().rows["gan"]}
    assert picture != draw_comparison(replace(comparison(), rows=better), samples)
    assert picture != draw_comparison(comparison(), {**samples, "gan": 255 - samples["gan"]})
