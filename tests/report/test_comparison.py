from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from acgan.errors import DataError, UsageError
from acgan.report.comparison import MetricRow, ReportComparison, compare
from acgan.report.comparison_page import comparison_html, comparison_json
from acgan.report.files import (
    NamedReport,
    ReportRecord,
    find_report,
    load_reports,
    report_json,
    write_report,
)
from acgan.report.report import Report
from acgan.report.section import Finding, Metric, Section

NAMES = ("cat", "<b>dog</b>")
PROTOCOL: dict[str, Any] = {
    "extractor": "judge",
    "extractor_weights_hash": "ab" * 32,
    "resize": "none",
    "samples": 100,
    "reference_hash": "cd" * 32,
    "seed": 0,
}


def make_report(
    name: str = "a",
    distance: float | None = 0.2,
    interval: tuple[float, float] | None = None,
    *,
    seed: int = 0,
    protocol: dict[str, Any] | None = None,
    **changes: Any,
) -> Report:
    metric = Metric(
        "frechet_distance",
        "Fréchet distance",
        distance,
        "low",
        "p",
        baseline=0.05,
        interval=interval,
        per_class=(distance, 0.5),
        per_class_baseline=(0.1, 0.1),
        extractor="reference-classifier",
    )
    section = Section(
        "fidelity",
        "Fidelity",
        ("Why.",),
        (metric,),
        findings=(Finding("far-from-real", "warning", "It is far."),),
        protocols={"p": PROTOCOL | (protocol or {})},
    )
    values: dict[str, Any] = {
        "name": name,
        "data": "digits",
        "classes": NAMES,
        "samples": 100,
        "origin": {"model": name * 8, "images_seen": 640, "recipe": "tiny"},
        "sections": (section,),
        "held_out": True,
        "config": {"seed": seed, "widths": [8]},
    }
    return Report(**(values | changes))


def compared(*reports: Report) -> ReportComparison:
    records = [ReportRecord.model_validate(report_json(report)) for report in reports]
    return compare([NamedReport(each.name, Path(each.name), each) for each in records])


def only_row(*reports: Report) -> MetricRow:
    (row,) = compared(*reports).rows
    return row


def test_equal_protocols_are_compared() -> None:
    row = only_row(make_report("a", 0.2), make_report("b", 0.3))
    assert row.values == (0.2, 0.3)
    assert row.conflict == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extractor_weights_hash": "ef" * 32}, "extractor weights hash differs (abab"),
        ({"reference_hash": "ef" * 32}, "reference hash differs (cdcd"),
        ({"samples": 10_000}, "samples differs (100 / 10,000)"),
        ({"resize": "bilinear to 128"}, "resize differs (none / bilinear to 128)"),
        ({"k": 3}, "k differs (not stated / 3)"),
    ],
)
def test_other_protocols_are_shown_and_not_compared(changes: dict[str, Any], words: str) -> None:
    apart = (0.1, 0.11), (0.4, 0.5)
    row = only_row(
        make_report("a", 0.105, apart[0]), make_report("b", 0.45, apart[1], protocol=changes)
    )
    assert row.values == (0.105, 0.45)
    assert words in row.conflict
    assert row.clear_best is None


@pytest.mark.parametrize(
    "changes", [{"seed": 7}, {"first_seed": 3}, {"model": "x"}, {"checkpoints": [1, 2]}]
)
def test_what_names_the_model_or_the_draw_is_no_hindrance(changes: dict[str, Any]) -> None:
    assert only_row(make_report("a"), make_report("b", protocol=changes)).conflict == ""


def test_what_was_asked_for_no_class_meets_others_in_figures_of_all_samples() -> None:
    of_classes = {"samples_per_class": [50, 50], "images_per_side_per_class": [20, 20]}
    of_none: dict[str, Any] = {"samples_per_class": None, "images_per_side_per_class": []}
    one = make_report("a", protocol=of_classes)
    assert only_row(one, make_report("b", protocol=of_none)).conflict == ""
    others = of_classes | {"samples_per_class": [60, 40]}
    conflict = only_row(one, make_report("b", protocol=others)).conflict
    assert "samples per class differs" in conflict
    more = only_row(one, make_report("b", protocol=of_none | {"samples": 200})).conflict
    assert more.startswith("samples differs")


def test_a_value_that_is_missing_conflicts_with_nothing() -> None:
    row = only_row(make_report("a"), make_report("b", None, protocol={"samples": 3}))
    assert row.conflict == ""
    assert row.values == (0.2, None)


def test_another_measure_under_the_same_key_is_a_conflict() -> None:
    other = make_report("b")
    values = report_json(other)
    values["sections"][0]["metrics"][0]["title"] = "MS-SSIM"
    records = [
        ReportRecord.model_validate(report_json(make_report("a"))),
        ReportRecord.model_validate(values),
    ]
    (row,) = compare([NamedReport("x", Path("x"), each) for each in records]).rows
    first, second = (f"{name} (reference-classifier)" for name in ("Fréchet distance", "MS-SSIM"))
    assert row.conflict == f"measure differs ({first} / {second})"


@pytest.mark.parametrize(
    ("intervals", "aim", "best"),
    [
        (((0.1, 0.2), (0.3, 0.4)), "low", 0),
        (((0.1, 0.2), (0.3, 0.4)), "high", 1),
        (((0.1, 0.3), (0.2, 0.4)), "low", None),
        (((0.1, 0.2), (0.2, 0.4)), "low", None),  # they touch
        (((0.1, 0.2), None), "low", None),
        (((0.1, 0.2), (0.3, 0.4), (0.15, 0.16)), "low", None),
        (((0.3, 0.4), (0.5, 0.6), (0.1, 0.2)), "low", 2),
        (((0.1, 0.2), (0.1, 0.2)), "high", None),
        (((0.1, 0.2), (0.3, 0.4)), "one", None),
        (((0.1, 0.2), (0.3, 0.4)), "baseline", None),
    ],
)
def test_a_best_is_marked_only_where_intervals_lie_apart(
    intervals: tuple[tuple[float, float] | None, ...], aim: str, best: int | None
) -> None:
    records = []
    for position, ends in enumerate(intervals):
        values = report_json(make_report(str(position), 0.15, ends))
        values["sections"][0]["metrics"][0]["aim"] = aim
        records.append(ReportRecord.model_validate(values))
    (row,) = compare([NamedReport(each.name, Path(each.name), each) for each in records]).rows
    assert row.clear_best == best


def test_seeds_of_one_recipe_have_mean_and_spread() -> None:
    values = (0.2, 0.3, 0.25)
    reports = [make_report(f"s{seed}", each, seed=seed) for seed, each in enumerate(values)]
    other = make_report("other", 9.0, seed=1, config={"seed": 1, "widths": [16]})
    (group,) = compared(*reports, other).groups
    assert group.members == (0, 1, 2)
    assert group.name == "tiny on digits after 640 images, 3 seeds"
    spread = group.spreads["frechet_distance[reference-classifier]"]
    assert spread.mean == pytest.approx(0.25)
    assert spread.standard_deviation == pytest.approx(math.sqrt(0.005 / 2))
    assert spread.standard_deviation == pytest.approx(statistics.stdev(values))
    assert spread.seeds == 3


@pytest.mark.parametrize(
    "second",
    [
        {"seed": 0},
        {"seed": 1, "data": "mnist"},
        {"seed": 1, "origin": {"images_seen": 1280}},
        {"seed": 1, "config": None},
    ],
)
def test_no_spread_over_what_differs_in_more_than_the_seed(second: dict[str, Any]) -> None:
    assert compared(make_report("a"), make_report("b", **second)).groups == ()


def test_a_conflict_elsewhere_does_not_take_the_spread_of_those_that_agree() -> None:
    far = {"reference_hash": "ef" * 32}
    reports = [make_report("a", seed=0), make_report("b", seed=1)]
    strangers = [
        make_report(name, seed=seed, data="mnist", protocol=far)
        for seed, name in enumerate(("c", "d"))
    ]
    comparison = compared(*reports, *strangers)
    assert comparison.rows[0].conflict
    assert [group.members for group in comparison.groups] == [(0, 1), (2, 3)]
    assert all(group.spreads for group in comparison.groups)
    (group,) = compared(reports[0], make_report("b", seed=1, protocol=far)).groups
    assert group.spreads == {}


def test_only_shared_figures_are_shown() -> None:
    assert compared(make_report("a"), make_report("b", sections=())).rows == ()


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., Path]:
    def make(folder: str, **changes: Any) -> Path:
        run = tmp_path / folder
        run.mkdir(parents=True)
        (run / "config.json").write_text("{}")
        (run / "model").mkdir()
        (run / "model" / "model.json").write_text("{}")
        write_report(make_report(run.name, **changes), run / "evaluation")
        return run

    return make


def test_a_report_is_found_from_wherever_one_stands(runs: Callable[..., Path]) -> None:
    run = runs("a")
    report = run / "evaluation" / "report.json"
    for place in (run, run / "model", run / "evaluation", report):
        assert find_report(place) == report


def test_names_that_occur_twice_become_paths(runs: Callable[..., Path]) -> None:
    places = [runs("x/a"), runs("y/a"), runs("y/b")]
    names = [report.name for report in load_reports(places)]
    assert names == [str(places[0]), str(places[1]), "b"]


def test_what_cannot_be_compared(runs: Callable[..., Path], tmp_path: Path) -> None:
    run = runs("a")
    with pytest.raises(UsageError, match="at least two runs"):
        load_reports([run])
    with pytest.raises(UsageError, match="given twice"):
        load_reports([run, run / "evaluation"])
    with pytest.raises(UsageError, match="does not exist"):
        load_reports([run, tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="neither a run nor holds a report"):
        load_reports([run, tmp_path])
    fresh = runs("b")
    (fresh / "evaluation" / "report.json").unlink()
    with pytest.raises(UsageError, match=r"has not been evaluated; run `acgan evaluate .*b` first"):
        load_reports([run, fresh / "model"])
    (fresh / "evaluation" / "report.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        load_reports([run, fresh])


class _Text(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        self.text += " " * (tag in {"th", "td", "p"})

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page() -> None:
    far = {"reference_hash": "ef" * 32}
    agreeing = compared(
        make_report("<i>a</i>", 0.1, (0.09, 0.11), seed=0),
        make_report("b", 0.3, (0.28, 0.32), seed=1),
    )
    html = comparison_html(agreeing)
    page = _Text(html)
    words = " ".join(page.text.split())
    assert "<i>a</i> · b" in words
    assert '<td class="best">0.100' in html
    assert "0.20 ± 0.14" in words
    assert "<b>dog</b> 0.500 0.500 0.100" in words
    assert "Not comparable" not in words
    assert "<i>" not in html
    links = [value for name, value in page.attributes if name in ("src", "href")]
    assert links
    assert all(link and link.startswith(("#", "data:")) for link in links)
    html = comparison_html(
        compared(make_report("a", seed=0), make_report("b", seed=1, protocol=far))
    )
    words = " ".join(_Text(html).text.split())
    assert "Not comparable: reference hash differs (cdcdcdcdcdcd… / efefefefefef…)" in words
    assert "so there is no mean" in words
    assert 'class="best"' not in html


def test_a_page_of_nothing() -> None:
    comparison = compared(make_report("a", sections=()), make_report("b", sections=()))
    assert "have no metric in common" in comparison_html(comparison)


def test_json_holds_everything() -> None:
    comparison = compared(
        make_report("a", 0.1, (0.09, 0.11), seed=0), make_report("b", None, seed=1)
    )
    values = json.loads(json.dumps(comparison_json(comparison), allow_nan=False))
    assert [run["name"] for run in values["runs"]] == ["a", "b"]
    assert values["runs"][0]["verdict"]["level"] == "warning"
    (metric,) = values["metrics"]
    assert metric["values"][0] == {"value": 0.1, "interval": [0.09, 0.11], "baseline": 0.05}
    assert metric["values"][1]["value"] is None
    assert metric["not_comparable"] is None
    assert metric["clear_best"] is None
    assert values["seeds"] == [
        {"name": "tiny on digits after 640 images, 2 seeds", "runs": ["a", "b"], "metrics": {}}
    ]
