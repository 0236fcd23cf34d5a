"""The report of an evaluation as two files: one for people (HTML), one for programs (JSON)."""

from acgan.evaluation.report.html import report_html
from acgan.evaluation.report.json import FORMAT, ReportRecord, read_report, report_json
from acgan.evaluation.report.report import Report
from acgan.evaluation.report.write import HTML_FILE, JSON_FILE, write_report

__all__ = [
    "FORMAT",
    "HTML_FILE",
    "JSON_FILE",
    "Report",
    "ReportRecord",
    "read_report",
    "report_html",
    "report_json",
    "write_report",
]
