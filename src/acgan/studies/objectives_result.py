"""What a comparison of objectives found: a row for each run, a line for each objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, final

import numpy as np

MEASURES = {
    "accuracy": "judge agrees",
    "worst_class_accuracy": "worst class",
    "floors": "Fréchet / floor",
    "mean_class_frechet": "Fréchet in a class",
    "variance_ratio": "variance ratio",
    "lowest_variance_ratio": "lowest class",
}
"""Heading of every figure; an objective without classes has ``floors`` alone."""


@final
@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        name: of the objective.
        seed: of the run.
        images: real images that D saw.
        model: content hash of the model that was judged.
        figures: some of `MEASURES`; None where one is not defined.
        class_accuracy: the judge's agreement by class.
        class_frechet: the Fréchet distance by class; None where a class has too few images.
    """

    name: str
    seed: int
    images: int
    model: str
    figures: Mapping[str, float | None]
    class_accuracy: Mapping[str, float | None] = field(default_factory=dict)
    class_frechet: Mapping[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Row:
        """What `to_json` gave."""
        return Row(**values)


@final
@dataclass(frozen=True)
class ObjectiveComparison:
    """All that is known so far.

    Attributes:
        data: name of the data.
        classes: their names.
        rows: by objective, in the order of the table, a row for each seed that is done.
        floor: Fréchet distance between two real parts.
        judge_accuracy: the judge's on the real part that samples are held against.
        part: that part.
        per_class: samples a class.
    """

    data: str
    classes: tuple[str, ...]
    rows: Mapping[str, tuple[Row, ...]]
    floor: float
    judge_accuracy: float
    part: str
    per_class: int

    def values(self, name: str, measure: str) -> list[float]:
        """A measure of an objective, seed by seed; empty where it is not defined."""
        found = [row.figures.get(measure) for row in self.rows[name]]
        return [value for value in found if value is not None]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and a line for each objective: mean ± standard deviation (N − 1) over seeds."""
        header = ("objective", "images", "seeds", *MEASURES.values())
        lines = [
            (
                name,
                " / ".join(f"{each:,}" for each in sorted({row.images for row in rows})),
                str(len(rows)),
                *(mean_and_spread(self.values(name, measure)) for measure in MEASURES),
            )
            for name, rows in self.rows.items()
        ]
        return header, lines

    def to_json(self) -> dict[str, Any]:
        """Plain values: the protocol, every run, and the table's means and deviations."""
        return {
            "data": self.data,
            "classes": list(self.classes),
            "floor": self.floor,
            "judge_accuracy": self.judge_accuracy,
            "part": self.part,
            "samples_per_class": self.per_class,
            "runs": [row.to_json() for rows in self.rows.values() for row in rows],
            "objectives": {
                name: {measure: summary(self.values(name, measure)) for measure in MEASURES}
                for name in self.rows
            },
        }


def summary(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation (N − 1) as plain values; None where there are too few."""
    return {
        "mean": float(np.mean(values)) if values else None,
        "standard_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def mean_and_spread(values: Sequence[float]) -> str:
    """``mean ± standard deviation`` with as many digits as the mean's size asks for."""
    if not values:
        return "–"
    mean = float(np.mean(values))
    digits = decimals(mean)
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{mean:.{digits}f}{spread}"


def decimals(value: float) -> int:
    """Digits after the point that a figure of this size is shown with."""
    return 1 if abs(value) >= 10 else 2 if abs(value) >= 2 else 3
