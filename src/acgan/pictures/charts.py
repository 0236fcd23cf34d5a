"""Charts of measures as PNG: bars per class beside their floor, shares as curves, heat maps.

Drawn on white paper, legible in a report 720 pixels wide; equal values give equal bytes.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from acgan.pictures.text import shorten

# Okabe and Ito's palette, told apart with every kind of colour vision; its yellow is too pale here.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
_FLOOR_COLOUR = "#222222"
_WIDTH = 7.2  # inches
_DPI = 150  # 1080 pixels, for screens with small pixels
_NAME_SIZE, _NAME_WIDTH = 15, 200  # a longer class name is cut
_WRITTEN_CELLS = 15  # rows up to which a heat map has its numbers written in
_DARK_CELL = 0.55  # share of the scale above which numbers are written in white

Values = Sequence[float | None]


def class_bars(
    classes: Sequence[str],
    series: Mapping[str, Values],
    *,
    axis: str,
    floor: Values = (),
    floor_name: str = "real against real",
    mark: float | None = None,
    log: bool = False,
) -> bytes:
    """Horizontal bars (dots on a logarithmic axis), one group a class; None leaves a gap.

    Args:
        classes: names of the classes, from the top down.
        series: by name, one value a class.
        axis: what the bars measure, with its unit.
        floor: one value a class, drawn as a black tick across the class's bars.
        floor_name: its name in the legend.
        mark: a value worth a thin vertical line (1 for a ratio), or None.
        log: a logarithmic axis; values of 0 and below are left out there.
    """
    places = np.arange(len(classes), dtype=float)
    thickness = 0.76 / max(len(series), 1)
    height = 0.9 + len(classes) * max(0.27, 0.15 * len(series))
    with _paper(height) as (axes, buffer):
        for index, (name, values) in enumerate(series.items()):
            offset = (index - (len(series) - 1) / 2) * thickness
            colour = COLOURS[index % len(COLOURS)]
            lengths = _numbers(values, positive=log)
            if log:  # the length of a bar means nothing where the axis has no zero
                axes.plot(lengths, places + offset, "o", color=colour, markersize=7, label=name)
            else:
                axes.barh(places + offset, lengths, thickness * 0.92, color=colour, label=name)
        if len(floor):
            # Shorter than the pitch, so that the ticks of neighbours stay apart.
            ends = places - 0.42, places + 0.42
            axes.vlines(_numbers(floor, positive=log), *ends, _FLOOR_COLOUR, lw=2, label=floor_name)
        if mark is not None:
            axes.axvline(mark, color="#7F7F7F", linewidth=1, linestyle=(0, (4, 3)))
        if log:
            axes.set_xscale("log")
        axes.set_yticks(places, [_short(name) for name in classes])
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(axis)
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        _legend(axes, len(series) + bool(len(floor)))
    return buffer.getvalue()


def cumulative_curves(
    series: Mapping[str, npt.NDArray[Any]], *, axis: str, log: bool = False
) -> bytes:
    """For each series the share of its values that lie at or below each point of the axis.

    Args:
        series: by name, (N,) values; those that are not finite are left out.
        axis: what is measured, with its unit.
        log: a logarithmic axis.
    """
    with _paper(3.4) as (axes, buffer):
        for index, (name, values) in enumerate(series.items()):
            known = np.sort(values[np.isfinite(values)].astype(np.float64))
            shares = np.arange(1, len(known) + 1) / max(len(known), 1)
            label = f"{name} ({len(known):,})"
            axes.step(known, shares, where="post", color=COLOURS[index % len(COLOURS)], label=label)
        if log:
            axes.set_xscale("log")
        axes.set_ylim(0, 1.01)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(axis)
        axes.set_ylabel("share at or below")
        axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
        _legend(axes, len(series))
    return buffer.getvalue()


def line_chart(
    series: Mapping[str, Values],
    places: Sequence[float],
    *,
    x_axis: str,
    y_axis: str,
    spread: Mapping[str, Values] | None = None,
    share: bool = False,
) -> bytes:
    """Lines with a dot at every value, over common places; a missing value leaves a gap.

    Args:
        series: by name, one value a place.
        places: their places on the horizontal axis.
        x_axis: what lies along.
        y_axis: what is measured, with its unit.
        spread: by the same names, half the length of a bar through each dot (a standard deviation).
        share: the values are shares of 1, written as percents.
    """
    with _paper(3.4) as (axes, buffer):
        for index, (name, values) in enumerate(series.items()):
            errors = _numbers((spread or {}).get(name, [None] * len(values)))
            style: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "capsize": 3}
            bars = None if np.isnan(errors).all() else np.nan_to_num(errors)
            axes.errorbar(
                places, _numbers(values), bars, fmt="o-", lw=1.8, ms=5, label=name, **style
            )
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(x_axis)
        axes.set_ylabel(y_axis)
        axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
        _legend(axes, len(series))
    return buffer.getvalue()


def heat_map(
    values: npt.NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_axis: str,
    column_axis: str,
    axis: str,
    limits: tuple[float, float] | None = None,
) -> bytes:
    """A matrix as a picture, light for low and dark for high, numbers written in up to 15 rows.

    Args:
        values: (R, C); NaN stays white.
        rows: names of the rows.
        columns: names of the columns.
        row_axis: what the rows are.
        column_axis: what the columns are.
        axis: what the shade measures.
        limits: values of the lightest and the darkest shade; by default the smallest and largest.
    """
    low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
    span = (high - low) or 1.0
    with _paper(1.5 + 0.36 * max(len(rows), 5)) as (axes, buffer):
        shades = axes.imshow(values, cmap="Blues", vmin=low, vmax=low + span, aspect="auto")
        axes.set_xticks(
            range(len(columns)),
            [_short(name) for name in columns],
            rotation=35,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_yticks(range(len(rows)), [_short(name) for name in rows])
        axes.tick_params(length=0)
        axes.set_xlabel(column_axis)
        axes.set_ylabel(row_axis)
        if len(rows) <= _WRITTEN_CELLS:
            for (row, column), value in np.ndenumerate(values):
                if math.isfinite(value):
                    ink = "white" if (value - low) / span > _DARK_CELL else "#222222"
                    text = f"{value:.2f}".removeprefix("0") if abs(value) < 10 else f"{value:,.0f}"
                    axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8.5)
        axes.figure.colorbar(shades, ax=axes, label=axis, fraction=0.04)
    return buffer.getvalue()


@contextmanager
def _paper(height: float) -> Iterator[tuple[Axes, io.BytesIO]]:
    """Axes to draw on; the PNG is in the buffer once the block has ended."""
    # What a person's matplotlibrc or notebook sets must not change the picture.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"font.size": 10, "legend.frameon": False, "legend.fontsize": 9.5})
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        yield axes, buffer
        with warnings.catch_warnings():
            # A class name may hold letters that DejaVu lacks: a box is drawn, nothing is wrong.
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            canvas.print_figure(buffer, format="png", metadata={"Software": None})


def _legend(axes: Axes, entries: int) -> None:
    """Above the axes, where it hides nothing; not for a single entry, which the axis names."""
    if entries > 1:
        anchor = (-0.01, 1.0)
        axes.legend(loc="lower left", bbox_to_anchor=anchor, ncols=min(entries, 3), borderpad=0.2)


def _short(name: str) -> str:
    """A class name of bearable length, whose ``$`` begins no formula."""
    return shorten(name, _NAME_SIZE, _NAME_WIDTH).replace("$", r"\$")


def _numbers(values: Values, *, positive: bool = False) -> npt.NDArray[np.float64]:
    numbers = np.array([math.nan if each is None else each for each in values], dtype=np.float64)
    return np.where(numbers > 0, numbers, math.nan) if positive else numbers
