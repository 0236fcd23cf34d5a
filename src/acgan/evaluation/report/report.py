"""Everything that a report tells, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from acgan.evaluation.section import Finding, Picture, Section

Level = Literal["fault", "warning", "good"]
LEVELS: tuple[Level, ...] = ("fault", "warning", "good")


@final
@dataclass(frozen=True)
class Report:
    """What was evaluated, by whom and how, and what came of it.

    Attributes:
        name: of the run or folder.
        data: name of the data that the samples are held against.
        classes: names of the classes in label order.
        samples: how many images were examined.
        origin: what it takes to have the same samples again, as `Subject.origin` tells it:
            ``model`` (its hash), ``recipe``, ``images_seen``, ``training_seed``, ``sample_seed``.
        sections: the chapters, in reading order.
        held_out: whether the model is known never to have seen the reference; None where nobody
            knows.
        overview: samples beside real images, the first picture.
        config: the trajectory's configuration (`RunConfig.trajectory`), by which runs that differ
            in nothing but the seed are found; None without a model.
        judge: what is known of the judge: accuracy on test images, weights' hash …
        notes: sentences about the evaluation as a whole: what is missing and why.
        seconds: by part of the work, in the order in which they were done.
        versions: of ``acgan``, ``torch`` and whatever else shapes the figures.
        machine: in words.
        command: the command line.
        date: when it was made, as ISO 8601; empty to leave it out.
    """

    name: str
    data: str
    classes: tuple[str, ...]
    samples: int
    origin: Mapping[str, Any]
    sections: tuple[Section, ...]
    held_out: bool | None
    overview: Picture | None = None
    config: Mapping[str, Any] | None = None
    judge: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    command: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        keys = [figure.key for section in self.sections for figure in section.figures]
        if len(set(keys)) < len(keys):
            raise ValueError(f"figures must differ in their keys: {sorted(keys)}")
        for section in self.sections:
            for figure in section.figures:
                lengths = {len(figure.per_class), len(figure.per_class_floor)}
                if not lengths <= {0, len(self.classes)}:
                    raise ValueError(f"{figure.key} must have a value for every class, or none")
                if figure.protocol not in section.protocols:
                    raise ValueError(f"{figure.key} names a protocol that its section lacks")

    def findings(self) -> tuple[tuple[Section, Finding], ...]:
        """All findings with their sections: faults first, then warnings, then what is good."""
        found = [(section, each) for section in self.sections for each in section.findings]
        return tuple(sorted(found, key=lambda pair: LEVELS.index(pair[1].level)))


def verdict(levels: frozenset[Level] | set[Level]) -> tuple[Level | None, str]:
    """The verdict's level and its words; None where no measure could say anything.

    >>> verdict({"good", "warning"})[0]
    'warning'
    """
    if "fault" in levels:
        return "fault", "Faults found: these samples do not stand in for real images"
    if "warning" in levels:
        return "warning", "No fault found; read the warnings before you use these samples"
    if "good" in levels:
        return "good", "No fault found by these measures"
    return None, "No verdict: no measure had enough to say something"
