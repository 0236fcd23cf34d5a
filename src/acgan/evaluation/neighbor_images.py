"""Samples beside the training images that they resemble most, and how near those are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter
from PIL import Image, ImageDraw

from acgan.data.images import Images
from acgan.metrics.arrays import Float64Array
from acgan.plots.charts import paper
from acgan.plots.grid import class_grid, grid_layout, png_bytes
from acgan.plots.text import font, line_height, shorten
from acgan.report.section import ImageBlock

_GAP = 14  # pixels between one sample with its neighbors and the next
_HEADING = 11
_INK = 40
_SAMPLES, _HELD_OUT = "#D55E00", "#0072B2"


def neighbor_grid(
    names: Sequence[str],
    samples: Sequence[Images],
    neighbors: Sequence[tuple[str, Sequence[Images]]],
) -> bytes:
    """A row for each class: a sample, its neighbors beside it, and so the next samples.

    Args:
        names: of the rows.
        samples: one array (n, C, H, W) a row; n may be smaller in some.
        neighbors: by heading, the images found for these samples, row for row.

    Returns:
        A PNG in which every image has its own pixels, enlarged by a whole factor.
    """
    columns = max(map(len, samples))
    panels = []
    for column in range(columns):
        shown = [
            np.concatenate([side[row][column : column + 1] for side in (samples, *sides)])
            for row, sides in [
                (row, [found for _, found in neighbors]) for row in range(len(names))
            ]
        ]
        headings = ["sample", *(heading for heading, _ in neighbors)]
        panels.append(_panel(shown, list(names) if not column else [""] * len(names), headings))
    width = sum(panel.width for panel in panels) + _GAP * (columns - 1)
    mode = panels[0].mode
    grid = Image.new(mode, (width, panels[0].height), 255 if mode == "L" else (255, 255, 255))
    left = 0
    for panel in panels:
        grid.paste(panel, (left, 0))
        left += panel.width + _GAP
    return png_bytes(grid)


def _panel(rows: Sequence[Images], names: Sequence[str], headings: Sequence[str]) -> Image.Image:
    """One sample a row with its neighbors, and a heading above each column."""
    picture = class_grid(rows, names)
    layout = grid_layout(rows[0].shape[2:], len(headings), names)
    top = line_height(_HEADING)
    paper: int | tuple[int, int, int] = 255 if picture.mode == "L" else (255, 255, 255)
    ink: int | tuple[int, int, int] = _INK if picture.mode == "L" else (_INK, _INK, _INK)
    result = Image.new(picture.mode, (picture.width, picture.height + top), paper)
    result.paste(picture, (0, top))
    pen = ImageDraw.Draw(result)
    for column, heading in enumerate(headings):
        left, _, right, _ = layout.box(0, column)
        text = shorten(heading, _HEADING, right - left + 2)
        pen.text(((left + right) / 2, top + 4), text, fill=ink, font=font(_HEADING), anchor="mb")
    return result


def distance_chart(panels: Sequence[tuple[str, Float64Array, Float64Array]]) -> ImageBlock:
    """Shares of samples and of held-out images by how near they come to a training image.

    Args:
        panels: heading, and the closeness of samples and of held-out images.
    """
    with paper((4.2 * len(panels), 3.7), dpi=100, font_size=10.5) as (drawing, buffer):
        for axes, (heading, samples, held_out) in zip(
            drawing.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            for values, color, name in (
                (held_out, _HELD_OUT, "held-out real images"),
                (samples, _SAMPLES, "samples"),
            ):
                steps = np.sort(values)
                shares = np.arange(1, len(steps) + 1) / len(steps)
                axes.step(steps, shares, where="post", color=color, linewidth=1.8, label=name)
            axes.axvline(1, color="#7F7F7F", linewidth=1, linestyle=(0, (4, 2)))
            axes.set(xlim=(0, 2), ylim=(0, 1))
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.set_title(heading, loc="left", fontsize=11)
            axes.set_xlabel("distance to it ÷ its distance to the next")
            axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(loc="upper left" if np.median(samples) > 0.6 else "lower right")
    return ImageBlock(
        "How near to the training images",
        buffer.getvalue(),
        "Share of images (up) whose nearest training image is at most so far away (across), in "
        "units of the distance from that training image to the next one. Copies rise at the left "
        "edge, where real held-out images hardly are; a curve of samples that runs beside or to "
        "the right of theirs shows none.",
    )
