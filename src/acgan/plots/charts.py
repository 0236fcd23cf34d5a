"""White paper for a chart: nothing but the drawing itself decides how its PNG looks.

A chart of a measure as PNG: bars per class beside their floor.

Drawn on white paper, legible in a report 720 pixels wide; equal values give equal bytes.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from acgan.plots.text import shorten

# Okabe and Ito's palette, told apart with every kind of color vision; its yellow is too pale here.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")


@contextmanager
def paper(
    size: tuple[float, float],
    *,
    dpi: int,
    font_size: float,
    layout: ConstrainedLayoutEngine | None = None,
) -> Iterator[tuple[Figure, io.BytesIO]]:
    """A figure to draw on; its PNG is in the buffer once the block has ended.

    Equal drawings give equal bytes (no time, no software name).

    Args:
        size: width and height in inches.
        dpi: pixels an inch.
        font_size: in points.
        layout: where other distances than the usual ones are wanted.
    """
    # What a person's matplotlibrc or notebook sets must not change the picture.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"font.size": font_size, "legend.frameon": False})
        figure = Figure(figsize=size, dpi=dpi, layout=layout or ConstrainedLayoutEngine())
        canvas = FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        yield figure, buffer
        with warnings.catch_warnings():
            # A name may hold letters that the font lacks: a box is drawn, nothing is wrong.
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            canvas.print_figure(buffer, format="png", metadata={"Software": None})


_BASELINE_COLOR = "#222222"
_WIDTH = 7.2  # inches
_LEGEND_POINTS = 9.5
_DPI = 150  # 1080 pixels, for screens with small pixels
_NAME_SIZE, _NAME_WIDTH = 15, 200  # a longer class name is cut

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
    """Horizontal bars (dots on a logarithmic axis), one group a class; None leaves a gap.

    Args:
        classes: names of the classes, from the top down.
        series: by name, one value a class.
        axis: what the bars measure, with its unit.
        baseline: one value a class, drawn as a black tick across the class's bars.
        baseline_name: its name in the legend.
        mark: a value worth a thin vertical line (1 for a ratio), or None.
        log: a logarithmic axis; values of 0 and below are left out there.
    """
    places = np.arange(len(classes), dtype=float)
    thickness = 0.76 / max(len(series), 1)
    height = 0.9 + len(classes) * max(0.27, 0.15 * len(series))
    with paper((_WIDTH, height), dpi=_DPI, font_size=10) as (figure, buffer):
        axes = figure.subplots()
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        for index, (name, values) in enumerate(series.items()):
            offset = (index - (len(series) - 1) / 2) * thickness
            color = COLORS[index % len(COLORS)]
            lengths = _numbers(values, positive=log)
            if log:  # the length of a bar means nothing where the axis has no zero
                axes.plot(lengths, places + offset, "o", color=color, markersize=7, label=name)
            else:
                axes.barh(places + offset, lengths, thickness * 0.92, color=color, label=name)
        if len(baseline):
            # Shorter than the pitch, so that the ticks of neighbors stay apart.
            ends = places - 0.42, places + 0.42
            axes.vlines(
                _numbers(baseline, positive=log), *ends, _BASELINE_COLOR, lw=2, label=baseline_name
            )
        if mark is not None:
            axes.axvline(mark, color="#7F7F7F", linewidth=1, linestyle=(0, (4, 3)))
        if log:
            axes.set_xscale("log")
        axes.set_yticks(places, [_short(name) for name in classes])
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(axis)
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        _legend(axes, len(series) + bool(len(baseline)))
    return buffer.getvalue()


def _legend(axes: Axes, entries: int) -> None:
    """Above the axes, where it hides nothing; not for a single entry, which the axis names."""
    if entries > 1:
        anchor = (-0.01, 1.0)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=anchor,
            ncols=min(entries, 3),
            borderpad=0.2,
            fontsize=_LEGEND_POINTS,
        )


def _short(name: str) -> str:
    """A class name of bearable length, whose ``$`` begins no formula."""
    return shorten(name, _NAME_SIZE, _NAME_WIDTH).replace("$", r"\$")


def _numbers(values: Values, *, positive: bool = False) -> npt.NDArray[np.float64]:
    numbers = np.array([math.nan if each is None else each for each in values], dtype=np.float64)
    return np.where(numbers > 0, numbers, math.nan) if positive else numbers
