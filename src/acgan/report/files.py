"""The two files of a report, each written as a whole or not at all.

Where the reports of runs lie, and a name for each by which it can be told from the others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from acgan.errors import UsageError
from acgan.model.folder import run_of
from acgan.report.html import report_html
from acgan.report.json import ReportRecord, read_report, report_json
from acgan.report.report import Report
from acgan.storage.disk import disk_errors
from acgan.storage.files import write_atomic

HTML_FILE = "report.html"
JSON_FILE = "report.json"


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json`` into a folder, which is made if need be.

    Returns:
        Their paths.

    Raises:
        DiskError: one cannot be written; an older file of that name is then still whole.
    """
    page, record = folder / HTML_FILE, folder / JSON_FILE
    text = json.dumps(report_json(report), indent=1, ensure_ascii=False, allow_nan=False)
    for path, content in ((page, report_html(report)), (record, text + "\n")):
        with disk_errors(path, len(content), option="--out"):
            write_atomic(path, content)
    return page, record


@final
@dataclass(frozen=True)
class NamedReport:
    """A report under the name by which it can be told from the others.

    Attributes:
        name: of the run, or as the person named its place where runs share a name.
        path: of the file that it was read from.
        record: what is in it.
    """

    name: str
    path: Path
    record: ReportRecord


def load_reports(places: Sequence[Path]) -> tuple[NamedReport, ...]:
    """The reports of runs, in the order in which they are named.

    Args:
        places: runs, evaluation folders or report files.

    Raises:
        UsageError: fewer than two, one named twice, or one that has not been evaluated.
        DataError: a report is damaged.
    """
    if len(places) < 2:
        raise UsageError("a comparison takes at least two runs; name another")
    paths = [find_report(place) for place in places]
    for position, path in enumerate(paths):
        if path.resolve() in {each.resolve() for each in paths[:position]}:
            raise UsageError(f"{places[position]} is named twice; name each run once")
    records = [read_report(path) for path in paths]
    names = [record.name for record in records]
    return tuple(
        NamedReport(record.name if names.count(record.name) == 1 else str(place), path, record)
        for place, path, record in zip(places, paths, records, strict=True)
    )


def find_report(place: Path) -> Path:
    """The report.json of a run, of its model or evaluation folder, or the file itself.

    Raises:
        UsageError: there is none.
    """
    if place.is_file():
        return place
    if not place.exists():
        raise UsageError(f"{place} does not exist; name runs that `acgan evaluate` has been run on")
    run = run_of(place)
    for path in (run.evaluation / JSON_FILE, place / JSON_FILE):
        if path.is_file():
            return path
    if run.has_run() or run.model.is_dir():
        where = run.path
        raise UsageError(f"{where} has not been evaluated; run `acgan evaluate {where}` first")
    raise UsageError(
        f"{place} is neither a run nor holds a {JSON_FILE}; name runs that `acgan evaluate` has "
        "been run on"
    )
