"""The two files of a report, each written as a whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from acgan.evaluation.report.html import report_html
from acgan.evaluation.report.json import report_json
from acgan.evaluation.report.report import Report
from acgan.storage import disk_errors, write_atomic

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
