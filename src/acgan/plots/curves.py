"""The curves of a run as one image: losses, accuracies and events over images seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from acgan.plots.charts import COLORS, paper, style_axes

_TOTAL_COLOR = "#000000"
_EVENT_STYLES = {
    "alarm": ("#D55E00", (0, (4, 2))),
    "skipped": ("#7F7F7F", (0, (1, 2))),
    "restored": ("#000000", (0, (6, 2, 1, 2))),
}
_OTHER_EVENT_STYLE = ("#7F7F7F", (0, (2, 4)))
_PANELS = (
    ("discriminator", "Loss terms of the discriminator", False),
    ("generator", "Loss terms of the generator", False),
    ("class_accuracy", "Class accuracy", True),
    ("source_accuracy", "Source accuracy (0.5: D cannot separate them)", True),
)
_LEGEND_COLUMNS = 5
_SMOOTH_FROM = 60  # rows; fewer are readable without smoothing


def curves(rows: Sequence[Mapping[str, Any]], *, title: str | None = None) -> bytes:
    """Return the curves of a run as a PNG of 1400×900 pixels; equal rows give equal bytes.

    Four panels over images seen: the loss terms of both networks, the class accuracy on
    real-train, real-held-out and fake images, the source accuracy on real and fake images. Long
    runs show the logged values as a thin line and their centered running mean as a thick one.
    Events (alarms, skipped updates, restored states) are vertical lines.

    Args:
        rows: the rows of ``metrics.jsonl`` in order: values in the groups ``discriminator``,
            ``generator``, ``class_accuracy``, ``source_accuracy``, or an ``event``; all with
            ``images``. A value that is missing, None or not finite leaves a gap.
        title: a line above the panels.
    """
    values = [row for row in rows if "event" not in row]
    events = [row for row in rows if "event" in row]
    last_image = max((int(row["images"]) for row in rows), default=0)
    layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1)  # inches
    with paper((14, 9), dpi=100, font_size=10.5, layout=layout) as (figure, buffer):
        figure.suptitle(title or "", x=0.012, ha="left", fontsize=14)
        panels = figure.subplots(2, 2).flatten()
        for axes, (group, heading, is_share) in zip(panels, _PANELS, strict=True):
            _draw_group(axes, values, group)
            _dress(axes, heading, last_image=last_image, is_share=is_share)
            marks = _draw_events(axes, events)
        if events:
            figure.legend(handles=marks, loc="outside upper right", ncols=len(marks))
    return buffer.getvalue()


def _draw_group(axes: Axes, rows: Sequence[Mapping[str, Any]], group: str) -> None:
    names = dict.fromkeys(name for row in rows for name in row.get(group) or {})
    for index, name in enumerate(names):
        points = [
            (row["images"], _number(row[group][name]))
            for row in rows
            if name in (row.get(group) or {})
        ]
        images, values = np.asarray(points, dtype=float).T
        color = _TOTAL_COLOR if name == "total" else COLORS[index % len(COLORS)]
        label = name.replace("_", " ").replace("held out", "held-out")
        if len(points) == 1:  # a line through one point is invisible
            axes.plot(images, values, "o", color=color, label=label, clip_on=False)
        elif len(points) < _SMOOTH_FROM:
            axes.plot(images, values, color=color, linewidth=1.8, label=label)
        else:
            smooth = _running_mean(values, max(5, len(points) // 40))
            axes.plot(images, values, color=color, linewidth=0.7, alpha=0.3)
            axes.plot(images, smooth, color=color, linewidth=1.8, label=label)
    if not names:
        axes.text(0.5, 0.5, "nothing logged yet", transform=axes.transAxes, ha="center")


def _draw_events(axes: Axes, events: Sequence[Mapping[str, Any]]) -> list[Line2D]:
    """Draw a vertical line per event; return one labeled line of each kind for the legend."""
    marks = []
    for kind in dict.fromkeys(row["event"] for row in events):
        places = [row["images"] for row in events if row["event"] == kind]
        color, style = _EVENT_STYLES.get(kind, _OTHER_EVENT_STYLE)
        lines = [
            axes.axvline(images, color=color, linestyle=style, linewidth=1.3)
            for images in dict.fromkeys(places)
        ]
        lines[0].set_label(f"{kind} (×{len(places)})" if len(places) > 1 else kind)
        marks.append(lines[0])
    return marks


def _dress(axes: Axes, heading: str, *, last_image: int, is_share: bool) -> None:
    """Set scales, grid, heading, and the legend between heading and panel, off the curves."""
    labels = axes.get_legend_handles_labels()[1]
    if labels:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1), ncols=_LEGEND_COLUMNS)
    lines = -(-len(labels) // _LEGEND_COLUMNS)
    axes.set_title(heading, loc="left", pad=8 + 17 * lines, fontsize=12.5, fontweight="bold")
    axes.set_xlabel("images seen")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(0, last_image or 1)
    if is_share:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    style_axes(axes, grid="both")


def _number(value: Any) -> float:
    return math.nan if value is None or not math.isfinite(value) else float(value)


def _running_mean(values: np.ndarray[Any, np.dtype[np.float64]], window: int) -> Any:
    """Return the centered mean over ``window`` values, fewer at the ends; gaps stay gaps."""
    known = np.isfinite(values)
    ones = np.ones(window)
    sums = np.convolve(np.where(known, values, 0.0), ones, mode="same")
    counts = np.convolve(known.astype(float), ones, mode="same")
    return np.where(known, sums / np.maximum(counts, 1), math.nan)
