"""The charts of a usefulness study: an arm a row, a dot a seed.

Drawn on white paper, legible in a report 720 pixels wide; equal results give equal bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from acgan.pictures.paper import COLOURS, paper
from acgan.studies.arms import REAL, REAL_AUGMENTED
from acgan.studies.usefulness_result import ArmResult, Usefulness

_WIDTH, _DPI = 7.2, 150  # inches, pixels an inch
_REAL_COLOUR, _MIXED_COLOUR, _ALONE_COLOUR = "#444444", COLOURS[0], COLOURS[1]
_LABEL_LETTERS = 34


def accuracy_chart(study: Usefulness) -> bytes:
    """Test accuracy of every arm: dots for seeds, a bar of ± one standard deviation, the mean.

    Dashed lines stand at the means of the two baselines, ``real`` and ``real, augmented``.
    """
    return _chart(study, [each.accuracy for each in study.results], "accuracy on real test images")


def rare_recall_chart(study: Usefulness) -> bytes:
    """The same for the mean recall of the rare classes, which a skewed study has.

    Raises:
        ValueError: there are no rare classes.
    """
    if not study.rare:
        raise ValueError("the classes are equally large; none is rare")
    names = ", ".join(study.classes[index] for index in study.rare)
    values = [each.mean_recall(study.rare) for each in study.results]
    return _chart(study, values, f"mean recall of {names}")


def _chart(study: Usefulness, values: Sequence[Sequence[float]], axis: str) -> bytes:
    height = 1.0 + 0.36 * len(values)
    with paper((_WIDTH, height), dpi=_DPI, font_size=9.5) as (figure, buffer):
        axes = figure.subplots()
        rows = zip(study.results, values, strict=True)
        for place, (result, some) in enumerate(rows):
            _row(axes, place, result, some)
        _baselines(axes, study, values)
        labels = [textwrap.fill(each.arm.title, _LABEL_LETTERS) for each in study.results]
        axes.set_yticks(range(len(labels)), [label.replace("$", r"\$") for label in labels])
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlabel(axis.replace("$", r"\$"))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return buffer.getvalue()


def _row(axes: Axes, place: int, result: ArmResult, values: Sequence[float]) -> None:
    arm = result.arm
    colour = _REAL_COLOUR
    if arm.has_samples:
        colour = _MIXED_COLOUR if any(arm.real) else _ALONE_COLOUR
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    below = np.full(len(values), place + 0.22)  # beside the bar, which would hide them
    axes.plot(values, below, "o", color=colour, ms=4.5, alpha=0.6, mew=0)
    axes.errorbar(mean, place, xerr=spread, color=colour, capsize=4, lw=1.6)
    axes.plot([mean], [place], "|", color=colour, ms=11, mew=2.2)


def _baselines(axes: Axes, study: Usefulness, values: Sequence[Sequence[float]]) -> None:
    for result, some in zip(study.results, values, strict=True):
        if result.arm.key in {REAL, REAL_AUGMENTED}:
            dashes = (0, (4, 3)) if result.arm.key == REAL else (0, (1, 2))
            axes.axvline(float(np.mean(some)), color=_REAL_COLOUR, lw=1, linestyle=dashes)
