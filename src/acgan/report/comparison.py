"""Comparison of reports: shared metrics, and whether their protocols allow a comparison."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from acgan.report.files import NamedReport
from acgan.report.report import fact, words
from acgan.report.section import Aim, Metric

_SHOWN_OF_FACT = 48
_UNSET = "not stated"


@final
@dataclass(frozen=True)
class MetricRow:
    """One metric in all reports.

    Attributes:
        key: of the metric.
        name: of the metric.
        section: title of its chapter.
        aim: the better direction.
        metrics: one per report, None if a report lacks it.
        protocols: of these metrics, likewise.
        conflict: why the values cannot be compared; empty if they can.
        clear_best: index of the report whose 95 % interval is entirely better than all others;
            None if there is none, or if an interval is missing.
    """

    key: str
    name: str
    section: str
    aim: Aim
    metrics: tuple[Metric | None, ...]
    protocols: tuple[Mapping[str, Any] | None, ...]
    conflict: str
    clear_best: int | None

    @property
    def values(self) -> tuple[float | None, ...]:
        """One per report."""
        return tuple(each.value if each else None for each in self.metrics)


@final
@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (N − 1) over ``seeds`` seeds."""

    mean: float
    standard_deviation: float
    seeds: int


@final
@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ only in the seed.

    Attributes:
        name: their common recipe, data and training length.
        members: indices of the reports, one per seed.
        spreads: by key of the metric, if at least two members have a comparable value.
    """

    name: str
    members: tuple[int, ...]
    spreads: Mapping[str, Spread]


@final
@dataclass(frozen=True)
class ReportComparison:
    """A comparison of reports.

    Attributes:
        reports: in the given order.
        rows: metrics of at least two reports.
        groups: runs that differ only in the seed.
        unshared: names of the metrics that only one report has, by report name.
    """

    reports: tuple[NamedReport, ...]
    rows: tuple[MetricRow, ...]
    groups: tuple[SeedGroup, ...]
    unshared: Mapping[str, tuple[str, ...]]


def compare(reports: Sequence[NamedReport]) -> ReportComparison:
    """Compare the metrics that at least two reports have, in the order of the first report."""
    rows = tuple(_rows(reports))
    shared = {row.key for row in rows}
    unshared = {
        report.name: names
        for report in reports
        if (
            names := tuple(
                metric.name
                for section in report.record.sections
                for metric in section.metrics
                if metric.key not in shared
            )
        )
    }
    return ReportComparison(tuple(reports), rows, tuple(_groups(reports, rows)), unshared)


def _rows(reports: Sequence[NamedReport]) -> Iterator[MetricRow]:
    found: dict[str, dict[int, tuple[Metric, Mapping[str, Any]]]] = {}
    titles: dict[str, str] = {}
    for position, report in enumerate(reports):
        for section in report.record.sections:
            for metric in section.metrics:
                protocol = section.protocols[metric.protocol]
                found.setdefault(metric.key, {})[position] = (metric, protocol)
                titles.setdefault(metric.key, section.title)
    for key, entries in found.items():
        if len(entries) < 2:
            continue
        first = next(iter(entries.values()))[0]
        metrics, protocols = zip(
            *(entries.get(position, (None, None)) for position in range(len(reports))), strict=True
        )
        conflict = _conflict(metrics, protocols)
        best = None if conflict else _clear_best(metrics, first.aim)
        yield MetricRow(key, first.name, titles[key], first.aim, metrics, protocols, conflict, best)


def _conflict(
    metrics: Sequence[Metric | None], protocols: Sequence[Mapping[str, Any] | None]
) -> str:
    """Return the relevant differences between protocols in words; empty if there are none."""
    stated: list[dict[str, Any]] = [
        {"measure": metric.name, **{k: v for k, v in protocol.items() if _matters(k)}}
        for metric, protocol in zip(metrics, protocols, strict=True)
        if metric is not None and protocol is not None and metric.value is not None
    ]
    keys = dict.fromkeys(key for protocol in stated for key in protocol)
    if any(each.get("samples_per_class", ()) is None for each in stated):
        # samples without labels have no values per class
        keys = {key: None for key in keys if not key.endswith("_per_class")}
    sentences = []
    for key in keys:
        different = {
            json.dumps(each.get(key), sort_keys=True): _short(each.get(key, _UNSET))
            for each in stated
        }
        if len(different) > 1:
            sentences.append(f"{words(key)} differs ({' / '.join(different.values())})")
    return "; ".join(sentences)


def _matters(key: str) -> bool:
    """Return whether different values of this key of a protocol rule out a comparison.

    Models are what is compared; another seed is another sample of the same measure.
    """
    is_model = key == "model" or key.startswith(("model_", "checkpoint"))
    return not (is_model or key == "seed" or key.endswith("_seed"))


def _short(value: Any) -> str:
    text = fact(value)
    return text if len(text) <= _SHOWN_OF_FACT else f"{text[: _SHOWN_OF_FACT - 1]}…"


def _clear_best(metrics: Sequence[Metric | None], aim: Aim) -> int | None:
    """Return the index of the metric whose interval is entirely better than all others."""
    if aim not in ("low", "high"):
        return None
    # The sign is flipped if high is better, so that low is better.
    ends = [
        None
        if each is None or each.value is None or each.interval is None
        else each.interval
        if aim == "low"
        else (-each.interval[1], -each.interval[0])
        for each in metrics
    ]
    known = sorted((each for each in ends if each is not None), key=lambda pair: pair[1])
    valued = sum(each is not None and each.value is not None for each in metrics)
    if len(known) < 2 or len(known) < valued:
        return None
    best, *others = known
    return ends.index(best) if all(best[1] < low for low, _ in others) else None


def _groups(reports: Sequence[NamedReport], rows: Sequence[MetricRow]) -> Iterator[SeedGroup]:
    seeds: dict[str, dict[Any, int]] = {}
    for position, report in enumerate(reports):
        record = report.record
        if record.config is not None:
            config = {key: value for key, value in record.config.items() if key != "seed"}
            common = [config, record.data, record.classes, record.origin.get("images_seen")]
            of_group = seeds.setdefault(json.dumps(common, sort_keys=True), {})
            of_group.setdefault(record.config.get("seed"), position)
    for by_seed in seeds.values():
        if len(by_seed) >= 2:
            members = tuple(by_seed.values())
            yield SeedGroup(_group_name(reports, members), members, _spreads(rows, members))


def _group_name(reports: Sequence[NamedReport], members: Sequence[int]) -> str:
    record = reports[members[0]].record
    seen = record.origin.get("images_seen")
    after = f" after {seen:,} images" if isinstance(seen, int) else ""
    recipe = record.origin.get("recipe")
    by = f"{recipe} on " if recipe else ""
    return f"{by}{record.data}{after}, {len(members)} seeds"


def _spreads(rows: Sequence[MetricRow], members: Sequence[int]) -> dict[str, Spread]:
    spreads = {}
    for row in rows:
        values = [value for i in members if (value := row.values[i]) is not None]
        # Only conflicts within the group matter here.
        conflict = _conflict([row.metrics[i] for i in members], [row.protocols[i] for i in members])
        if len(values) >= 2 and not conflict:
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            spreads[row.key] = Spread(mean, deviation, len(values))
    return spreads
