"""White paper for a chart: nothing but the drawing itself decides how its PNG looks."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's palette, told apart with every kind of colour vision; its yellow is too pale here.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")


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
