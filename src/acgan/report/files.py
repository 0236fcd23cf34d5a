"""Report files: ``report.html`` for people, ``report.json`` for programs and `acgan compare`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from acgan.errors import DataError, UsageError, command
from acgan.model.folder import run_of
from acgan.report.html import report_html
from acgan.report.report import Report, verdict
from acgan.report.section import (
    LEVELS,
    Finding,
    ImageBlock,
    Level,
    Metric,
    Section,
    Table,
    check_metrics,
)
from acgan.storage.disk import disk_errors
from acgan.storage.files import write_atomic
from acgan.storage.json_reader import read_json

FORMAT = 2
KIND = "acgan evaluation"
_LARGEST_RECORD = 64 << 20


class _Record(BaseModel):
    """Frozen; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@final
class SectionRecord(_Record):
    """A section without images and tables; attributes as in `Section`."""

    key: str
    title: str
    metrics: tuple[Metric, ...]
    findings: tuple[Finding, ...]
    protocols: dict[str, dict[str, Any]]
    notes: tuple[str, ...]


@final
class ReportRecord(_Record):
    """Content of ``report.json``; attributes as in `Report`."""

    kind: Literal["acgan evaluation"]
    format: Literal[2]
    name: str
    data: str
    classes: tuple[str, ...]
    samples: int
    origin: dict[str, Any]
    held_out: bool | None
    config: dict[str, Any] | None
    reference_classifier: dict[str, Any]
    sections: tuple[SectionRecord, ...]
    notes: tuple[str, ...]
    versions: dict[str, str]

    @property
    def verdict(self) -> tuple[Level | None, str]:
        """Level and sentence of the verdict."""
        return verdict({each.level for each in self.findings})

    @property
    def findings(self) -> list[Finding]:
        """All findings, the most serious first."""
        found = (each for section in self.sections for each in section.findings)
        return sorted(found, key=lambda each: LEVELS.index(each.level))


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values, without the pixels of its images."""
    level, words = verdict({finding.level for _, finding in report.findings()})
    copied = ("seconds", "versions", "machine", "command", "date", "config")
    values = {
        "kind": KIND,
        "format": FORMAT,
        "name": report.name,
        "verdict": {"level": level, "words": words},
        "findings": [
            {"section": section.key, **asdict(finding)} for section, finding in report.findings()
        ],
        "data": report.data,
        "classes": report.classes,
        "samples": report.samples,
        "origin": report.origin,
        "held_out": report.held_out,
        "sections": [_section(section) for section in report.sections],
        "reference_classifier": report.reference_classifier,
        "notes": report.notes,
        **{name: getattr(report, name) for name in copied},
    }
    plain = _plain(values)
    assert isinstance(plain, dict)
    return plain


def read_report(path: Path) -> ReportRecord:
    """Read a ``report.json``.

    Raises:
        DataError: it cannot be read, is damaged, or has another format.
    """
    again = "run `acgan evaluate` again to write it anew"
    try:
        values = read_json(path, _LARGEST_RECORD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(
            f"{path} is no complete JSON file ({error}): it is damaged; {again}"
        ) from None
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise DataError(f"{path} is no report of `acgan evaluate`; name its report.json")
    if values.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {values.get('format')!r}; this version of acgan reads "
            f"format {FORMAT}; {again}, or use the version that wrote it"
        )
    try:
        record = ReportRecord.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise DataError(f"{path} is damaged at {where} ({problem['msg']}); {again}") from None
    for section in record.sections:
        try:
            check_metrics(section.metrics, section.protocols, len(record.classes))
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}; {again}") from None
    return record


def _section(section: Section) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "metrics": [
            {"key": metric.key, "name": metric.name, **asdict(metric)} for metric in section.metrics
        ],
        "findings": [asdict(finding) for finding in section.findings],
        "tables": [asdict(block) for block in section.blocks if isinstance(block, Table)],
        "images": [
            {"title": each.title, "caption": each.caption}
            for each in section.blocks
            if isinstance(each, ImageBlock)
        ],
        "protocols": section.protocols,
        "notes": section.notes,
        "explanation": section.explanation,
    }


def _plain(value: Any) -> Any:
    """Convert to dicts, lists, text, finite numbers, booleans and None."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {_text(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _text(value)


def _text(value: Any) -> str:
    """Convert to text that can be encoded: file names may contain unpaired surrogates."""
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


JSON_FILE = "report.json"


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json`` into a folder, which is created if missing.

    Returns:
        Their paths.

    Raises:
        DiskError: a file cannot be written; an older file of that name is unchanged.
    """
    page, record = folder / "report.html", folder / JSON_FILE
    text = json.dumps(report_json(report), indent=1, ensure_ascii=False, allow_nan=False)
    for path, content in ((page, report_html(report)), (record, text + "\n")):
        with disk_errors(path, len(content), option="--out"):
            write_atomic(path, content)
    return page, record


@final
@dataclass(frozen=True)
class NamedReport:
    """A report with a unique name.

    Attributes:
        name: of the run, or the given path if several runs have the same name.
        path: of the file.
        record: its content.
    """

    name: str
    path: Path
    record: ReportRecord


def load_reports(places: Sequence[Path]) -> tuple[NamedReport, ...]:
    """Load the reports of runs, in the given order.

    Args:
        places: runs, evaluation folders or report files.

    Raises:
        UsageError: fewer than two, a duplicate, or a run that has not been evaluated.
        DataError: a report is damaged.
    """
    if len(places) < 2:
        raise UsageError("a comparison needs at least two runs; name another one")
    paths = [find_report(place) for place in places]
    for position, path in enumerate(paths):
        if path.resolve() in {each.resolve() for each in paths[:position]}:
            raise UsageError(f"{places[position]} is given twice; name each run once")
    records = [read_report(path) for path in paths]
    names = [record.name for record in records]
    return tuple(
        NamedReport(record.name if names.count(record.name) == 1 else str(place), path, record)
        for place, path, record in zip(places, paths, records, strict=True)
    )


def find_report(place: Path) -> Path:
    """Return the path of the ``report.json`` of a run, model folder or evaluation folder.

    Raises:
        UsageError: there is no report.
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
        first = command("acgan", "evaluate", run.path)
        raise UsageError(f"{run.path} has not been evaluated; run `{first}` first")
    raise UsageError(
        f"{place} is neither a run nor holds a {JSON_FILE}; name runs that `acgan evaluate` has "
        "been run on"
    )
