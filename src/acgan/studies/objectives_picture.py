"""The picture of a comparison of objectives: its figures, a dot a seed, above what each draws.

Drawn on white paper; equal results give equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, PercentFormatter

from acgan.data.images import Images
from acgan.pictures.paper import COLOURS, paper
from acgan.pictures.sheet import class_sheet
from acgan.studies.objectives_result import MEASURES, ObjectiveComparison

_WIDTH, _DPI = 9.0, 120  # inches, pixels an inch
_PANELS = ("accuracy", "floors", "variance_ratio")


def objectives_picture(comparison: ObjectiveComparison, samples: Mapping[str, Images]) -> bytes:
    """A PNG.

    Args:
        comparison: its figures.
        samples: by objective, uint8 (n, C, H, W), as many of each: one of a class from left to
            right, or, of an objective without classes, any.
    """
    names = list(comparison.rows)
    sheet = np.asarray(class_sheet([samples[name] for name in names], names))
    panels = 1.0 + 0.3 * len(names)
    heights = (panels, _WIDTH * sheet.shape[0] / sheet.shape[1])
    with paper((_WIDTH, sum(heights)), dpi=_DPI, font_size=9) as (figure, buffer):
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
        for index, axes in enumerate(above.subplots(1, len(_PANELS), sharey=True)):
            _panel(axes, comparison, _PANELS[index])
        drawn = below.subplots()
        drawn.imshow(sheet, cmap="gray", interpolation="nearest")
        drawn.set_axis_off()
    return buffer.getvalue()


def _panel(axes: Axes, comparison: ObjectiveComparison, measure: str) -> None:
    names = list(comparison.rows)
    for place, name in enumerate(names):
        values = comparison.values(name, measure)
        if not values:
            middle = axes.get_yaxis_transform()
            axes.text(0.5, place, "no classes", transform=middle, ha="center", color="#888888")
            continue
        axes.plot(values, [place] * len(values), "o", color=COLOURS[0], ms=4.5, alpha=0.5, mew=0)
        axes.plot([np.mean(values)], [place], "|", color=COLOURS[0], ms=13, mew=2.2)
    best = {"accuracy": comparison.judge_accuracy, "floors": 1.0, "variance_ratio": 1.0}[measure]
    axes.axvline(best, color="#444444", lw=1, linestyle=(0, (4, 3)))
    if measure == "floors":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if measure == "accuracy":
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{MEASURES[measure]} (dashed: real images)")
    axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
