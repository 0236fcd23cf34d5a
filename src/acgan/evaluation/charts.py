"""Images and plots of single chapters, and the sample grid at the top of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter
from PIL import Image

from acgan.data.images import Images
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.metrics.arrays import Float64Array
from acgan.plots.charts import paper
from acgan.plots.grid import class_grid, grid_layout, png_bytes, side_by_side, strip
from acgan.plots.text import line_height, shorten, write
from acgan.report.section import ImageBlock

_GAP = 14  # pixels between one sample with its neighbors and the next
_HEADING = 11
_SAMPLES, _REAL, _MARK = "#D55E00", "#0072B2", "#7F7F7F"
_MOST_NAMED = 60  # classes whose names fit beside a plot


def neighbor_grid(
    names: Sequence[str],
    samples: Sequence[Images],
    neighbors: Sequence[tuple[str, Sequence[Images]]],
) -> bytes:
    """Lay out samples beside their nearest training images, one row per class.

    Args:
        names: of the rows.
        samples: one array (n, C, H, W) per row; n may be smaller in some rows.
        neighbors: heading and the neighbors of these samples, row by row.

    Returns:
        A PNG in which every image keeps its pixels, enlarged by an integer factor.
    """
    panels = []
    headings = ["sample", *(heading for heading, _ in neighbors)]
    for column in range(max(map(len, samples))):
        shown = [
            np.concatenate([side[column : column + 1] for side in sides])
            for sides in zip(samples, *(found for _, found in neighbors), strict=True)
        ]
        panels.append(_panel(shown, [""] * len(names) if column else names, headings))
    width = sum(panel.width + _GAP for panel in panels) - _GAP
    grid = Image.new(panels[0].mode, (width, panels[0].height), "white")
    left = 0
    for panel in panels:
        grid.paste(panel, (left, 0))
        left += panel.width + _GAP
    return png_bytes(grid)


def _panel(rows: Sequence[Images], names: Sequence[str], headings: Sequence[str]) -> Image.Image:
    """Return one sample with its neighbors per row, and a heading above each column."""
    grid = class_grid(rows, names)
    layout = grid_layout(rows[0].shape[2:], len(headings), names)
    top = line_height(_HEADING)
    result = Image.new(grid.mode, (grid.width, grid.height + top), "white")
    result.paste(grid, (0, top))
    for column, heading in enumerate(headings):
        left, _, right, _ = layout.box(0, column)
        text = shorten(heading, _HEADING, right - left + 2)
        write(result, ((left + right) / 2, top + 4), text, _HEADING, "mb")
    return result


def distance_chart(panels: Sequence[tuple[str, Float64Array, Float64Array]]) -> ImageBlock:
    """Plot how close samples and held-out images come to the training images, cumulatively.

    Args:
        panels: heading, and the relative distances of samples and of held-out images.
    """
    with paper((4.2 * len(panels), 3.7), dpi=100, font_size=10.5) as (drawing, buffer):
        for axes, (heading, samples, held_out) in zip(
            drawing.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            sides = ((held_out, _REAL, "held-out real images"), (samples, _SAMPLES, "samples"))
            for values, color, name in sides:
                steps = np.sort(values)
                shares = np.arange(1, len(steps) + 1) / len(steps)
                axes.step(steps, shares, where="post", color=color, linewidth=1.8, label=name)
            axes.axvline(1, color=_MARK, linewidth=1, linestyle=(0, (4, 2)))
            axes.set(xlim=(0, 2), ylim=(0, 1))
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.set_title(heading, loc="left", fontsize=11)
            axes.set_xlabel("relative distance")
            axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(loc="upper left" if np.median(samples) > 0.6 else "lower right")
    return ImageBlock(
        "Distance to the nearest training image",
        buffer.getvalue(),
        "Cumulative share of images (vertical) by relative distance (horizontal): the distance to "
        "the nearest training image, divided by the distance from that training image to its own "
        "nearest other training image. Copies appear at the left edge, where there are almost no "
        "held-out real images. A sample curve beside or to the right of the held-out curve shows "
        "no copies.",
    )


def similarity_chart(
    measure: str, labels: Sequence[str], samples: Float64Array, real: Float64Array
) -> ImageBlock:
    """Plot one line per class from the MS-SSIM of its real images to that of its samples.

    Args:
        measure: name of the measure with its scales.
        labels: of the K classes.
        samples: (K,), NaN for a class without a value.
        real: (K,), likewise; at least one class has both values.
    """
    known = np.flatnonzero(np.isfinite(samples) & np.isfinite(real))
    rows = np.arange(len(known))
    height = 1.5 + 0.28 * min(len(known), _MOST_NAMED)
    named = [labels[int(index)] for index in known] if len(known) <= _MOST_NAMED else []
    with paper((7, height), dpi=100, font_size=10.5, texts=named) as (drawing, buffer):
        axes = drawing.subplots()
        axes.hlines(rows, real[known], samples[known], color="#C8C8C8", linewidth=2)
        axes.plot(real[known], rows, "o", color=_REAL, label="real test images")
        axes.plot(samples[known], rows, "o", color=_SAMPLES, label="samples")
        highest = real[known].max()
        axes.axvline(highest, color=_MARK, linewidth=1, linestyle=(0, (4, 2)), label="real maximum")
        # A "$" in a name is no formula.
        axes.set_yticks(rows[: len(named)], named, parse_math=False)
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlim(0, 1.05 * max(highest, samples[known].max(), 0.1))
        axes.set_xlabel(measure)
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        drawing.legend(loc="outside upper left", ncols=3)
    return ImageBlock(
        "Similarity of two images of a class",
        buffer.getvalue(),
        "Each line is a class. A class whose samples lie at its real images is as diverse as they "
        "are; samples far to the right are all alike. The paper counts the classes left of the "
        "dashed line, which marks the highest real class.",
    )


_COLUMNS = 8  # of the overview
_MOST_CLASSES = 20


def overview(data: EvaluationData) -> ImageBlock:
    """Show the first samples beside real test images, class by class."""
    title, headings = "Samples and real images", ("samples", "real test images")
    test = data.splits.test
    if not data.sample_set.conditional:
        chosen = np.random.default_rng(data.seed).permutation(len(test))[: _COLUMNS**2]
        images = data.sample_set.samples[: _COLUMNS**2], test.images[chosen]
        grids = [strip(each, columns=_COLUMNS) for each in images]
        caption = "Left: the first samples, not selected. Right: randomly chosen test images."
        return ImageBlock(title, png_bytes(side_by_side(grids, headings)), caption)
    shown = range(min(len(data.group_names), _MOST_CLASSES))
    names = data.group_labels[:_MOST_CLASSES]
    samples = class_grid([data.sample_set.of_class(index)[:_COLUMNS] for index in shown], names)
    real = class_grid(
        [test.images[test.labels == index][:_COLUMNS] for index in shown], [""] * len(names)
    )
    caption = "Left: the first samples of each class, not selected. Right: the first test images."
    if len(names) < len(data.group_names):
        caption += f" The first {len(names)} of {len(data.group_names)} classes are shown."
    return ImageBlock(title, png_bytes(side_by_side([samples, real], headings)), caption)
