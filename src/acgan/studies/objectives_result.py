"""Results of a comparison of objectives: one row per run, a table, and a chart.

Equal results give a chart of equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, PercentFormatter

from acgan.data.images import Images
from acgan.plots.charts import COLORS, paper, style_rows
from acgan.plots.grid import class_grid
from acgan.report.report import mean_and_spread, number

MEASURES = {
    "accuracy": "GAN-test accuracy",
    "worst_class_accuracy": "worst class",
    "frechet_ratio": "Fréchet ratio",
    "mean_class_frechet": "Fréchet in a class",
    "variance_ratio": "variance ratio",
    "lowest_variance_ratio": "lowest class",
}
"""Heading of each metric; an unconditional objective has the Fréchet ratio only."""


@final
@dataclass(frozen=True)
class ObjectiveRow:
    """One run.

    Attributes:
        name: of the objective.
        seed: of the run.
        images: number of real images used.
        model: content hash of the evaluated model.
        metrics: some of `MEASURES`; None where one is not defined.
        class_accuracy: GAN-test accuracy by class.
        class_frechet: Fréchet distance by class; None for a class with too few images.
    """

    name: str
    seed: int
    images: int
    model: str
    metrics: Mapping[str, float | None]
    class_accuracy: Mapping[str, float | None] = field(default_factory=dict)
    class_frechet: Mapping[str, float | None] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class ObjectiveComparison:
    """The results so far.

    Attributes:
        data: name of the data.
        classes: their names.
        rows: by objective, in the order of the table, a row per finished seed.
        baseline: Fréchet distance between two real splits.
        reference_accuracy: accuracy of the reference classifier on the real split.
        split: the real split.
        per_class: samples per class.
        indicative: whether a short fit of the reference classifier limits what the values show.
    """

    data: str
    classes: tuple[str, ...]
    rows: Mapping[str, tuple[ObjectiveRow, ...]]
    baseline: float
    reference_accuracy: float
    split: str
    per_class: int
    indicative: bool = False

    def values(self, name: str, measure: str) -> list[float]:
        """Return a metric of an objective by seed; empty if it is undefined."""
        found = [row.metrics.get(measure) for row in self.rows[name]]
        return [value for value in found if value is not None]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows: mean ± standard deviation (N − 1) over seeds."""
        header = ("objective", "images", "seeds", *MEASURES.values())
        lines = [
            (
                name,
                " / ".join(f"{each:,}" for each in sorted({row.images for row in rows})),
                str(len(rows)),
                *(mean_and_std(self.values(name, measure)) for measure in MEASURES),
            )
            for name, rows in self.rows.items()
        ]
        return header, lines

    def to_json(self) -> dict[str, Any]:
        """Plain values: the protocol, every run, and the table's means and deviations."""
        return {
            "data": self.data,
            "classes": list(self.classes),
            "baseline": self.baseline,
            "reference_classifier_accuracy": self.reference_accuracy,
            "split": self.split,
            "samples_per_class": self.per_class,
            "indicative": self.indicative,
            "runs": [asdict(row) for rows in self.rows.values() for row in rows],
            "objectives": {
                name: {measure: summary(self.values(name, measure)) for measure in MEASURES}
                for name in self.rows
            },
        }


def summary(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean and standard deviation (N − 1); None if there are too few values."""
    return {
        "mean": float(np.mean(values)) if values else None,
        "standard_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def mean_and_std(values: Sequence[float]) -> str:
    """Return ``mean ± standard deviation``, a single value, or a dash if there is none."""
    if len(values) < 2:
        return number(values[0] if values else None)
    return mean_and_spread(float(np.mean(values)), float(np.std(values, ddof=1)))


_WIDTH, _DPI = 9.0, 120  # inches, pixels per inch
_PANELS = ("accuracy", "frechet_ratio", "variance_ratio")


def draw_comparison(comparison: ObjectiveComparison, samples: Mapping[str, Images]) -> bytes:
    """Return the chart as PNG.

    Args:
        comparison: the results.
        samples: by objective, uint8 (n, C, H, W), the same number of each: one per class, or any
            for an unconditional objective.
    """
    names = list(comparison.rows)
    grid = np.asarray(class_grid([samples[name] for name in names], names))
    heights = (1.0 + 0.3 * len(names), _WIDTH * grid.shape[0] / grid.shape[1])
    with paper((_WIDTH, sum(heights)), dpi=_DPI, font_size=9) as (figure, buffer):
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
        best = (comparison.reference_accuracy, 1.0, 1.0)  # of real images
        panels = above.subplots(1, len(_PANELS), sharey=True)
        for axes, measure, value in zip(panels, _PANELS, best, strict=True):
            _panel(axes, comparison, measure, value)
        image = below.subplots()
        image.imshow(grid, cmap="gray", interpolation="nearest")
        image.set_axis_off()
    return buffer.getvalue()


def _panel(axes: Axes, comparison: ObjectiveComparison, measure: str, best: float) -> None:
    names = list(comparison.rows)
    for row, name in enumerate(names):
        values = comparison.values(name, measure)
        if values:
            axes.plot(values, [row] * len(values), "o", color=COLORS[0], ms=4.5, alpha=0.5, mew=0)
            axes.plot([np.mean(values)], [row], "|", color=COLORS[0], ms=13, mew=2.2)
        else:
            middle = axes.get_yaxis_transform()
            axes.text(0.5, row, "no classes", transform=middle, ha="center", color="#888888")
    axes.axvline(best, color="#444444", lw=1, linestyle=(0, (4, 3)))
    if measure == "frechet_ratio":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if measure == "accuracy":
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    style_rows(axes, names, f"{MEASURES[measure]} (dashed: real images)")
