"""Charts as PNG on white paper, legible in a report 720 pixels wide; equal values, equal bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from acgan.plots.text import font_families, shorten

# Okabe and Ito's palette for all kinds of color vision, without its yellow, too pale on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")


@contextmanager
def paper(
    size: tuple[float, float],
    *,
    dpi: int,
    font_size: float,
    texts: Iterable[str] = (),
    layout: ConstrainedLayoutEngine | None = None,
) -> Iterator[tuple[Figure, io.BytesIO]]:
    """Open a figure; after the block, the buffer contains its PNG, without time and software name.

    Args:
        size: width and height in inches.
        dpi: pixels per inch.
        font_size: in points.
        texts: what the figure shows of users' words, `legible`; their fonts are made available.
        layout: for other distances than the defaults.
    """
    with mpl.rc_context():  # independent of the user's matplotlibrc
        mpl.rcdefaults()
        families = font_families(texts)
        mpl.rcParams.update(
            {"font.size": font_size, "font.family": families, "legend.frameon": False}
        )
        figure = Figure(figsize=size, dpi=dpi, layout=layout or ConstrainedLayoutEngine())
        canvas = FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        yield figure, buffer
        canvas.print_figure(buffer, format="png", metadata={"Software": None})


def style_axes(axes: Axes, *, grid: Literal["x", "both"]) -> None:
    """Draw a pale grid behind the data, and no frame at the top and right."""
    axes.grid(visible=True, axis=grid, color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def style_rows(axes: Axes, names: Sequence[str], x_label: str) -> None:
    """Style axes with one named row per entry, from the top down; a ``$`` begins no formula."""
    axes.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(x_label.replace("$", r"\$"))
    style_axes(axes, grid="x")


_BASELINE_COLOR = "#222222"
_WIDTH = 7.2  # inches
_DPI = 150  # 1080 pixels, for high-resolution screens
_NAME_SIZE, _NAME_WIDTH = 15, 200  # longer class names are shortened

Values = Sequence[float | None]


def class_bars(
    classes: Sequence[str],
    series: Mapping[str, Values],
    *,
    axis: str,
    baseline: Values = (),
    baseline_name: str = "real against real",
    mark: float | None = None,
    log: bool = False,
) -> bytes:
    """Return a chart of horizontal bars (dots on a logarithmic axis), one group per class.

    Args:
        classes: labels of the classes, from the top down.
        series: by name, one value per class; None leaves a gap.
        axis: label of the values, with their unit.
        baseline: one value per class, a black tick across the class's bars.
        baseline_name: its name in the legend.
        mark: position of a thin vertical line (1 for a ratio), or None.
        log: whether the axis is logarithmic, without the values of 0 and below.
    """
    rows = np.arange(len(classes), dtype=float)
    thickness = 0.76 / max(len(series), 1)
    height = 0.9 + len(classes) * max(0.27, 0.15 * len(series))
    classes = [shorten(label, _NAME_SIZE, _NAME_WIDTH) for label in classes]
    with paper((_WIDTH, height), dpi=_DPI, font_size=10, texts=classes) as (figure, buffer):
        axes = figure.subplots()
        for index, (name, values) in enumerate(series.items()):
            at = rows + (index - (len(series) - 1) / 2) * thickness
            color = COLORS[index % len(COLORS)]
            lengths = _numbers(values, positive=log)
            if log:  # a bar's length has no meaning on an axis without zero
                axes.plot(lengths, at, "o", color=color, markersize=7, label=name)
            else:
                axes.barh(at, lengths, thickness * 0.92, color=color, label=name)
        if len(baseline):
            middle = _numbers(baseline, positive=log)
            # Shorter than the pitch, to separate the ticks of neighbors.
            axes.vlines(
                middle, rows - 0.42, rows + 0.42, _BASELINE_COLOR, lw=2, label=baseline_name
            )
        if mark is not None:
            axes.axvline(mark, color="#7F7F7F", linewidth=1, linestyle=(0, (4, 3)))
        if log:
            axes.set_xscale("log")
        style_rows(axes, classes, axis)
        entries = len(series) + bool(len(baseline))
        if entries > 1:  # above the axes, where it hides nothing
            axes.legend(
                loc="lower left",
                bbox_to_anchor=(-0.01, 1.0),
                ncols=min(entries, 3),
                borderpad=0.2,
                fontsize=9.5,
            )
    return buffer.getvalue()


def _numbers(values: Values, *, positive: bool) -> npt.NDArray[np.float64]:
    numbers = np.array([math.nan if each is None else each for each in values], dtype=np.float64)
    return np.where(numbers > 0, numbers, math.nan) if positive else numbers
