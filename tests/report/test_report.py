from __future__ import annotations

import dataclasses
import doctest
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.plots.charts import class_bars
from acgan.report import report
from acgan.report import report as numbers
from acgan.report.html import png_size
from acgan.report.report import headline, number
from acgan.report.section import Metric, worst_class


@pytest.mark.parametrize("module", [numbers, report])
def test_examples(module: Any) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_its_size_and_sign(value: float) -> None:
    text = number(value).replace("−", "-").replace(",", "")
    mantissa, _, power = text.partition(" × 10")
    digits = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0"
    assert math.isclose(float(f"{mantissa}e{digits}"), value, rel_tol=6e-3)


def metric(
    aim: Any, values: tuple[float | None, ...], frechet_ratio: tuple[float | None, ...]
) -> Metric:
    return Metric("k", "K", 0.5, aim, "p", per_class=values, per_class_baseline=frechet_ratio)


@pytest.mark.parametrize(
    ("aim", "values", "frechet_ratio", "worst"),
    [
        ("low", (4.0, 3.0), (4.0, 1.0), 1),  # in floors, not in size
        ("low", (4.0, 3.0), (), 0),
        ("high", (0.5, 0.4), (0.9, 0.4), 0),  # missing to the floor
        ("high", (0.5, 0.4), (), 1),
        ("one", (0.5, 1.5), (), 0),  # a half is farther from one than one and a half
        ("one", (0.0, 9.0), (), 0),
        ("baseline", (0.2, 0.9), (0.3, 0.5), None),  # the bad side is not known
        ("low", (4.0, 3.0), (-0.1, 0.1), 0),  # no number of floors where one is below 0
        ("low", (4.0, 3.0), (1.5, None), 1),
        ("low", (math.nan, 3.0, 4.0), (), 2),
        ("low", (None, 1.0, 2.0), (None, None, None), 2),
        ("low", (1.0, 1.0), (), None),
        ("low", (None, 1.0), (), None),
        ("high", (), (), None),
    ],
)
def test_the_worst_class(aim: Any, values: Any, frechet_ratio: Any, worst: int | None) -> None:
    assert worst_class(metric(aim, values, frechet_ratio)) == worst


def test_the_panel_shows_what_was_measured() -> None:
    metrics = (
        dataclasses.replace(
            Metric(
                "gan_test_accuracy",
                "Accuracy",
                0.991,
                "high",
                "p",
                0.9967,
                extractor="reference-classifier",
            ),
            per_class=(1.0, 0.98),
        ),
        Metric(
            "frechet_distance",
            "Fréchet distance",
            0.175,
            "low",
            "p",
            0.035,
            extractor="reference-classifier",
        ),
        Metric(
            "variance_ratio", "Variance ratio", None, "one", "p", extractor="reference-classifier"
        ),
        Metric("something", "Else", 1.0, "low", "p"),
    )
    accuracy, distance = headline(metrics, ("cat", "dog"))
    assert accuracy.label == "GAN-test accuracy"
    assert accuracy.value == "0.9910"
    assert (
        accuracy.detail
        == "Accuracy (reference-classifier); real images 0.9967; worst class dog: 0.980"
    )
    assert distance.value == "5.0 × baseline"
    assert distance.detail == "Fréchet distance (reference-classifier); 0.175, baseline 0.0350"


def test_the_lowest_class_is_named_where_the_aim_is_the_floor() -> None:
    metric = Metric(
        "gan_test_accuracy",
        "GAN-test accuracy",
        0.5,
        "baseline",
        "p",
        baseline=0.9,
        per_class=(0.6, 0.4, None),
        extractor="reference-classifier",
    )
    (card,) = headline([metric], ("cat", "dog", "cow"))
    assert card.detail == "reference-classifier; real images 0.900; lowest class dog: 0.400"


def test_charts_are_laid_out_at_their_size_in_inches() -> None:
    chart = class_bars(("a",), {"x": (1.0,)}, axis="share")
    size = png_size(chart)
    assert size is not None
    assert size[0] == pytest.approx(7.2 * 96, abs=1)
    assert png_size(b"GIF89a") is None
    assert png_size(chart[:40]) is None
