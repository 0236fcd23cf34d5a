from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acgan.errors import DataError, DiskError, UsageError
from acgan.report.files import find_report, read_report, report_json, write_report
from acgan.report.report import Report
from acgan.report.section import Metric, Section

MakeReport = Callable[..., Report]


def test_what_is_written_is_read(report: MakeReport, tmp_path: Path) -> None:
    written = report()
    page, path = write_report(written, tmp_path / "evaluation")
    assert (page.name, path.name) == ("report.html", "report.json")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    record = read_report(path)
    for read, section in zip(record.sections, written.sections, strict=True):
        assert read.metrics == section.metrics
        assert read.findings == section.findings
        assert read.protocols == section.protocols
        assert (read.key, read.title, read.notes) == (section.key, section.title, section.notes)
    for name in ("name", "data", "classes", "samples", "origin", "held_out", "config", "versions"):
        assert getattr(record, name) == getattr(written, name)
    assert record.verdict[0] == "fault"


def test_the_file_tells_programs_what_the_page_tells_people(report: MakeReport) -> None:
    values = report_json(report())
    assert values["verdict"]["level"] == "fault"
    assert [each["key"] for each in values["findings"]] == [
        "classes-confused",
        "far-from-real",
        "fine",
    ]
    assert values["sections"][0]["images"] == [
        {"title": "A strip", "caption": "From left to right."}
    ]
    assert values["sections"][1]["tables"][0]["rows"][1] == ["<b>dog</b>", 5, 5, None]
    assert values["seconds"] == {"fidelity": 12.0, "labels": 0.5}


@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(value=st.none() | st.floats(), text=st.text(st.characters(), max_size=9))
def test_any_number_and_any_text(
    report: MakeReport, tmp_path: Path, value: float | None, text: str
) -> None:
    metric = Metric("x.y", text, value, "low", "p", per_class=(value, None, 1.0))
    section = Section("x", text, (text,), (metric,), protocols={"p": {"text": text}})
    _, path = write_report(report(sections=(section,), name=text), tmp_path)
    read = read_report(path).sections[0].metrics[0]
    finite = value is not None and math.isfinite(value)
    assert read.value == (value if finite else None)
    assert read.per_class == (read.value, None, 1.0)


def test_arrays_and_paths_become_plain_values(report: MakeReport) -> None:
    section = report().sections[0]
    protocol: dict[str, Any] = {
        "counts": np.array([1, 2]),
        "share": np.float32(0.5),
        "folder": Path("samples"),
        "name": "\udc80",
    }
    changed = dataclasses.replace(section, protocols={"frechet": protocol, "fid": {}})
    values = report_json(report(sections=(changed,)))
    assert values["sections"][0]["protocols"]["frechet"] == {
        "counts": [1, 2],
        "share": 0.5,
        "folder": "samples",
        "name": "�",
    }
    assert json.dumps(values, ensure_ascii=False, allow_nan=False).encode()


def _change(values: dict[str, Any], place: str, change: Any) -> None:
    *path, last = place.split(".")
    inner: Any = values
    for step in path:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    if change is ...:
        del inner[last]
    else:
        inner[last] = change


@pytest.mark.parametrize(
    ("place", "change", "sentence"),
    [
        ("kind", "x", "no report of `acgan evaluate`"),
        ("format", 1, "has format 1; this version of acgan reads format 2"),
        ("format", ..., "has format None"),
        ("name", ..., "damaged at name"),
        ("sections.0.metrics.0.value", "high", "damaged at sections.0.metrics.0.value"),
        ("sections.0.metrics.0.aim", "up", "damaged at sections.0.metrics.0.aim"),
        ("sections.0.metrics.0.per_class", [1.0], "must have a value for every class"),
        ("sections.0.protocols", {}, "names a protocol that its section lacks"),
        ("sections.0.findings.0.level", "bad", "damaged at sections.0.findings.0.level"),
    ],
)
def test_a_damaged_file_is_refused(
    report: MakeReport, tmp_path: Path, place: str, change: Any, sentence: str
) -> None:
    values = report_json(report())
    _change(values, place, change)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_report(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b'{"a": NaN}', b"\xff\xfe", b"null"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"report\.json is no "):
        read_report(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_report(tmp_path / "report.json")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_report(tmp_path)


def test_keys_of_a_later_acgan_are_passed_over(report: MakeReport, tmp_path: Path) -> None:
    values = report_json(report()) | {"new": 1}
    values["sections"][0]["new"] = 1
    path = tmp_path / "report.json"
    path.write_text(json.dumps(values))
    assert read_report(path).name == "digits-s0"


def test_a_disk_that_refuses_says_so_and_names_the_option(
    report: MakeReport, tmp_path: Path
) -> None:
    (tmp_path / "evaluation").write_text("in the way")
    with pytest.raises(DiskError, match="--out"):
        write_report(report(), tmp_path / "evaluation")


@pytest.mark.parametrize("name", ["my run", "it's", "$(x)", "-x", "a\nb", '"', "`x`"])
def test_the_command_for_a_run_without_report_works_as_pasted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    Path(name, "config.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        find_report(Path(name))
    written = str(caught.value).partition("run `")[2].removesuffix("` first")
    program, verb, path = shlex.split(written)
    assert (program, verb) == ("acgan", "evaluate")
    assert not path.startswith("-")
    assert Path(path).samefile(name)
