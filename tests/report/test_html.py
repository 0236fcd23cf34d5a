from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acgan.report.comparison import compare
from acgan.report.comparison_page import comparison_html
from acgan.report.files import load_reports, write_report
from acgan.report.html import report_html
from acgan.report.report import Report
from acgan.report.section import Finding, Metric, Section, Table

MakeReport = Callable[..., Report]
BLOCKS = {"dt", "dd", "th", "td", "li", "p", "div", "summary", "h1", "h2", "h3", "h4"}
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page as its elements, and the text outside of style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " * (tag in BLOCKS)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def test_the_order_is_verdict_headline_pictures_chapters_making(report: MakeReport) -> None:
    words = Page(report_html(report())).words
    splits = [
        "digits-s0",
        "Faults found",
        "Dogs are cats.",
        "Five floors away.",
        "Cats are cats.",
        "GAN-test accuracy 0.750",
        "5.0 × baseline",
        "Held out.",
        "Beside real images.",
        "Fidelity: do they look real?",
        "What it is.",
        "How to read it.",
        "0.161 to 0.192",
        "It takes Inception's weights.",
        "Per class",
        "From left to right.",
        "A note on fidelity.",
        "Protocols",
        "ab" * 32,
        "Rows are asked for.",
        "How this was made data digits",
        "cd" * 32,
        "0.9930",
        "two cores",
        "acgan evaluate runs/digits-s0",
        "A note on everything.",
        "12 s in total",
        "generator.widths",
    ]
    places = [words.find(part) for part in splits]
    assert -1 not in places, splits[places.index(-1)]
    assert places == sorted(places)


def test_nothing_is_fetched_and_nothing_runs(report: MakeReport) -> None:
    html = report_html(report())
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "srcset", "href", "action", "poster", "data"}:
                assert value
                assert value.startswith(("data:", "#")), (tag, name, value)
    assert "url(" not in html
    assert "@import" not in html
    assert not re.search(r"https?:", html)
    policies = [
        each["content"] for each in page.all("meta") if "Content-Security-Policy" in each.values()
    ]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_links_lead_somewhere_and_no_address_is_given_twice(report: MakeReport) -> None:
    page = Page(report_html(report()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attribute in ("aria-labelledby", "aria-describedby"):
        used = [a[attribute] for _, a in page.elements if attribute in a]
        assert used
        assert set(used) <= set(ids)
    targets = [str(each["href"]) for each in page.all("a")]
    assert targets
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_it_can_be_read_without_seeing_it(report: MakeReport) -> None:
    page = Page(report_html(report()))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert all(picture["alt"] for picture in page.all("img"))
    assert all(picture["width"] == "20" for picture in page.all("img"))
    assert {heading["scope"] for heading in page.all("th")} == {"col", "row"}


def test_names_are_escaped(report: MakeReport) -> None:
    html = report_html(report(name="<script>alert(1)</script>", command="x 'y' <z>"))
    assert "<script" not in html
    assert "<b>dog</b>" not in html
    page = Page(html)
    assert "<script>alert(1)</script>" in page.words
    assert 'T-shirt & "top"' in page.words


TEXT = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["<b>", "&amp;", '"', "'", "{{ 7 * 7 }}", "{% x %}", "</style>", "\x00", "\udc80", "\u202e"]
)
VALUE = st.none() | st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, 1e300, 5e-324])


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=TEXT, value=VALUE, baseline=VALUE, aim=st.sampled_from(["low", "high", "one", "baseline"])
)
def test_any_text_and_any_number(
    report: MakeReport, text: str, value: float | None, baseline: float | None, aim: Any
) -> None:
    page = Page(report_html(_filled(report, text, value, baseline, aim)))
    plain = Page(report_html(_filled(report, "plain", value, baseline, aim)))
    assert not page.open
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert not re.search(r"\b(nan|inf|None)\b", plain.text)


def _filled(
    report: MakeReport, text: str, value: float | None, baseline: float | None, aim: Any
) -> Report:
    """A report with this text in every place that can hold text, and these numbers likewise."""
    metric = Metric(
        "x.y",
        text,
        value,
        aim,
        text,
        baseline=baseline,
        per_class=(value, 0.5, baseline),
        per_class_baseline=(baseline, None, value),
        note=text,
    )
    section = Section(
        "x",
        text,
        (text,),
        (metric,),
        (Table(text, (text, text), ((text, value), (text, baseline)), text, heat=True),),
        (Finding("k", "good", text),),
        {text: {f"a {text}": text, "number": value}},
        (text,),
    )
    return report(name=text, sections=(section,), classes=("a", text, "b"), notes=(text,))


HOSTILE = ["<script>alert(1)</script>", "[x](javascript:alert(1))", "a|b", "`x`", "a\nb"]
HOSTILE += ['"><img src=x onerror=y>', "' onmouseover='x", "</style><b>", "</title><svg onload=x>"]
HOSTILE += ["&lt;b&gt;", "{{ 7 * 7 }}", "<!-- ", "]]>", "javascript:alert(1)", "--><b>"]


def _everywhere(report: MakeReport, text: str) -> Report:
    """A report with this text in every place that holds text, also as keys and in images."""
    filled = _filled(report, text, None, 0.1, "low")
    (section,) = filled.sections
    picture = report().overview
    assert picture is not None
    image = dataclasses.replace(picture, title=text, caption=text)
    return dataclasses.replace(
        filled,
        sections=(dataclasses.replace(section, blocks=(*section.blocks, image)),),
        overview=image,
        data=text,
        origin={"recipe": text, text: text},
        config={text: {text: text}},
        reference_classifier={text: text},
        versions={text: text},
        seconds={text: 1.0},
        machine=text,
        command=text,
        date=text,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_text_in_every_page(
    report: MakeReport, tmp_path: Path, text: str
) -> None:
    """In the report and in a comparison of reports: no element, attribute or address of its own."""

    def pages(word: str, folder: Path) -> list[Page]:
        one = _everywhere(report, word)
        paths = [write_report(one, folder / side)[0].parent for side in ("a", "b")]
        return [Page(report_html(one)), Page(comparison_html(compare(load_reports(paths))))]

    for page, plain in zip(
        pages(text, tmp_path / "hostile"), pages("plain", tmp_path / "plain"), strict=True
    ):
        assert [(tag, *each) for tag, each in page.elements] == [
            (tag, *each) for tag, each in plain.elements
        ]
        addresses = [(each.get("href"), each.get("src")) for _, each in page.elements]
        assert addresses == [(each.get("href"), each.get("src")) for _, each in plain.elements]
        styles = [(each.get("style"), each.get("class")) for _, each in page.elements]
        assert styles == [(each.get("style"), each.get("class")) for _, each in plain.elements]
        assert " ".join(text.split()) in page.words
    assert {text} <= {each["alt"] for each in pages(text, tmp_path / "again")[0].all("img")}


def test_what_is_undefined_is_a_dash_with_its_reason(report: MakeReport) -> None:
    html = report_html(report())
    assert '<abbr title="It takes Inception&#39;s weights.">–</abbr>' in html
    assert "too few images or no variance" in html


def test_the_worst_class_is_marked_by_its_floor(report: MakeReport) -> None:
    html = report_html(report())
    # In floors: cat 5.0, T-shirt 3.0; the largest value is not the worst.
    marked = re.findall(r'<td class="worst"[^>]*>([^<]*)', html)
    assert marked == ["0.500", "0.400"]


def test_heat_is_a_share_of_the_row(report: MakeReport) -> None:
    html = report_html(report())
    shares = [float(each) for each in re.findall(r"--share: ([\d.]+)", html)]
    assert len(shares) == 5  # the undefined one has none
    cat_cat, cat_dog, cat_shirt, dog_cat, dog_dog = shares
    assert cat_cat > dog_cat == dog_dog > cat_dog > cat_shirt == 0
    assert max(shares) <= 0.7


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (("good", "fault", "warning"), "Faults found"),
        (("good", "warning"), "No faults found; read the warnings"),
        (("good",), "No faults found by these metrics"),
        ((), "No verdict"),
    ],
)
def test_verdicts(report: MakeReport, levels: tuple[Any, ...], words: str) -> None:
    findings = tuple(Finding(level, level, f"It is {level}.") for level in levels)
    section = Section("x", "X", ("Why.",), findings=findings)
    page = Page(report_html(report(sections=(section,))))
    assert words in page.words


@pytest.mark.parametrize(
    ("held_out", "words"),
    [(True, "Held out. "), (False, "Not held out."), (None, "Held out: unknown")],
)
def test_whether_the_reference_is_unseen_is_said(
    report: MakeReport, held_out: bool | None, words: str
) -> None:
    assert words in Page(report_html(report(held_out=held_out))).words


def test_least(report: MakeReport) -> None:
    """A folder of pictures from elsewhere, nothing measured."""
    nothing = report(
        sections=(),
        origin={},
        config=None,
        overview=None,
        reference_classifier={},
        notes=(),
        seconds={},
    )
    page = Page(report_html(nothing))
    assert "digits-s0" in page.words
    assert not page.all("img")


def test_no_frechet_ratio_where_the_baseline_is_noise(report: MakeReport) -> None:
    metric = Metric("kernel_inception_distance", "KID", 0.01, "baseline", "p", baseline=1e-5)
    section = Section("a", "A", ("Why.",), (metric,), protocols={"p": {}})
    assert "× baseline" not in Page(report_html(report(sections=(section,)))).words
    distance = dataclasses.replace(metric, measure="frechet_distance", aim="low")
    section = dataclasses.replace(section, metrics=(distance,))
    assert "1,000 × baseline" in Page(report_html(report(sections=(section,)))).words


def test_many_classes_are_folded_and_the_worst_named(report: MakeReport) -> None:
    names = tuple(f"class {index}" for index in range(40))
    metric = Metric(
        "a.b", "Accuracy", 0.5, "high", "p", per_class=tuple(index / 40 for index in range(40))
    )
    section = Section("a", "A", ("Why.",), (metric,), protocols={"p": {"extractor": "judge"}})
    page = Page(report_html(report(classes=names, sections=(section,))))
    assert "Per class (40 classes)" in page.words
    assert "Accuracy is worst for class 0 (0), class 1 (0.0250), class 2" in page.words


def _columns(report: Report) -> list[str]:
    """The headings of the tables of classes."""
    html = report_html(report)
    tables = re.findall(r'<table class="matrix">\s*<thead>(.*?)</thead>', html, re.DOTALL)
    return [" ".join(Page(each).words.split()) for each in tables]


def test_many_figures_are_parted_by_extractor(report: MakeReport) -> None:
    metrics = tuple(
        Metric(f"a.{i}", f"M{i}", 0.5, "high", "p", per_class=(0.1, 0.2, 0.3), extractor=each)
        for i in range(4)
        for each in ("judge", "inception")
    )
    protocols = {"p": {"extractor": "judge"}}
    many = Section("a", "A", ("Why.",), metrics, protocols=protocols)
    assert _columns(report(sections=(many,))) == ["Class M0 ↑ M1 ↑ M2 ↑ M3 ↑"] * 2
    few = dataclasses.replace(many, metrics=metrics[:3])
    assert _columns(report(sections=(few,))) == ["Class M0 (judge) ↑ M0 (inception) ↑ M1 (judge) ↑"]


def test_a_report_that_contradicts_itself_is_a_mistake(report: MakeReport) -> None:
    section = report().sections[0]
    with pytest.raises(ValueError, match="differ in their keys"):
        report(sections=(section, section))
    with pytest.raises(ValueError, match="a value for every class"):
        report(classes=("a", "b"))
    with pytest.raises(ValueError, match="names a protocol"):
        report(sections=(dataclasses.replace(section, protocols={}),))
