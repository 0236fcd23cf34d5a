"""The report for programs: written once, read by `acgan compare` and by whoever else.

Pictures are named, not held. What is undefined is null; there is no NaN in the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NoReturn, final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from acgan.errors import DataError
from acgan.report.report import Level, Report, verdict
from acgan.report.section import Finding, ImageBlock, Metric, Section, Table

FORMAT = 2
KIND = "acgan evaluation"


class _Record(BaseModel):
    """Frozen; keys that a later acgan may add are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@final
class SectionRecord(_Record):
    """A section without its pictures and tables; attributes as in `Section`."""

    key: str
    title: str
    metrics: tuple[Metric, ...]
    findings: tuple[Finding, ...]
    protocols: dict[str, dict[str, Any]]
    notes: tuple[str, ...]


@final
class ReportRecord(_Record):
    """What ``report.json`` tells; attributes as in `Report`."""

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
        """Level and words of the verdict."""
        return verdict({each.level for section in self.sections for each in section.findings})


def report_json(report: Report) -> dict[str, Any]:
    """Everything in a report but its pictures' pixels, as plain values that JSON can hold."""
    level, words = verdict({finding.level for _, finding in report.findings()})
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
        "seconds": report.seconds,
        "versions": report.versions,
        "machine": report.machine,
        "command": report.command,
        "date": report.date,
        "config": report.config,
    }
    plain = _plain(values)
    assert isinstance(plain, dict)
    return plain


def read_report(path: Path) -> ReportRecord:
    """The report in a file that `report_json` filled.

    Raises:
        DataError: it cannot be read, is damaged, of another kind, or of a later acgan.
    """
    again = "evaluate again to have it written anew"
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise DataError(f"{path} is no whole JSON file: it is damaged; {again}") from None
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise DataError(f"{path} is no report of `acgan evaluate`; name its report.json")
    if values.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {values.get('format')!r}; this acgan reads format {FORMAT}: "
            f"take the acgan that wrote it, or {again}"
        )
    try:
        record = ReportRecord.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise DataError(f"{path} is damaged at {where} ({problem['msg']}); {again}") from None
    _check_shapes(record, path, again)
    return record


def _check_shapes(record: ReportRecord, path: Path, again: str) -> None:
    for section in record.sections:
        for metric in section.metrics:
            lengths = {len(metric.per_class), len(metric.per_class_baseline)}
            if not lengths <= {0, len(record.classes)} or metric.protocol not in section.protocols:
                raise DataError(
                    f"{path} is damaged: {metric.key} does not fit its classes and protocols; "
                    f"{again}"
                )


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
            {"title": block.title, "caption": block.caption}
            for block in section.blocks
            if isinstance(block, ImageBlock)
        ],
        "protocols": section.protocols,
        "notes": section.notes,
        "explanation": section.explanation,
    }


def _plain(value: Any) -> Any:
    """``value`` of dicts, lists, text, finite numbers, booleans and None alone."""
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
    """As text that can be encoded: a folder's name may hold half of a pair of surrogates."""
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
