"""The chart of quality against training time: one line a run, both measures, logarithmic time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import FuncFormatter, PercentFormatter
from quality_points import Point

from acgan.plots.charts import COLORS, paper

_TARGET = "#7F7F7F"
_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200)


def chart(
    sides: Mapping[str, Sequence[Sequence[Point]]],
    *,
    title: str,
    baseline: float,
    target: tuple[float, float],
) -> bytes:
    """PNG of two panels: the judge's accuracy, and the Fréchet distance in its features.

    Args:
        sides: by name, the curves of its runs; runs of a side have one color.
        title: above both.
        baseline: Fréchet distance between real parts.
        target: accuracy and Fréchet distance that times are taken to.
    """
    with paper((7.2, 6.4), dpi=150, font_size=10) as (metric, buffer):
        metric.suptitle(title, x=0.02, ha="left")
        above, below = metric.subplots(2, 1, sharex=True)
        for index, (name, curves) in enumerate(sides.items()):
            style = {"marker": "o", "markersize": 4, "linewidth": 1.6, "color": COLORS[index]}
            for number, points in enumerate(curves):
                seconds = [point.seconds for point in points]
                label = name if number == 0 else None
                accuracies = [point.quality.accuracy for point in points]
                above.plot(seconds, accuracies, label=label, **style)
                distances = [point.quality.frechet for point in points]
                below.plot(seconds, distances, label=label, **style)
        for axes, value in zip((above, below), target, strict=True):
            axes.axhline(value, color=_TARGET, linewidth=1, linestyle=(0, (4, 3)))
            axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        below.axhline(baseline, color="#222222", linewidth=1, linestyle=(0, (1, 2)))
        below.annotate(
            "floor: real against real",
            (0.01, baseline),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8.5,
        )
        below.set_xscale("log")
        below.set_yscale("log")
        below.set_xticks(_TICKS, minor=False)
        below.xaxis.set_major_formatter(FuncFormatter(_time))
        below.minorticks_off()
        ends = [p.seconds for curves in sides.values() for points in curves for p in points]
        below.set_xlim(min(ends) / 1.2, max(ends) * 1.2)
        above.set_ylim(0, 1.02)
        above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.set_ylabel("judge reads the class asked for")
        below.set_ylabel("Fréchet distance")
        below.set_xlabel("training time; dashed: what the tutorial reached")
        above.legend(loc="lower right")
    return buffer.getvalue()


def _time(seconds: float, _place: object) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min"
