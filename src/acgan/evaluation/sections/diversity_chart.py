"""The paper's picture of variety: each class by its own MS-SSIM, real against samples."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from acgan.evaluation.section import Picture

Float64s = npt.NDArray[np.float64]

_MOST_NAMED = 20


def similarity_chart(
    measure: str, names: tuple[str, ...], samples: Float64s, real: Float64s
) -> Picture:
    """A dot for each class: MS-SSIM of real images across, of samples up.

    Args:
        measure: name of the measure with its scales.
        names: of the K classes.
        samples: (K,), NaN for a class without.
        real: (K,), likewise.
    """
    known = np.isfinite(samples) & np.isfinite(real)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"font.size": 10.5, "legend.frameon": False})
        drawing = Figure(figsize=(6, 5.6), dpi=100, layout=ConstrainedLayoutEngine())
        canvas = FigureCanvasAgg(drawing)
        axes = drawing.subplots()
        axes.plot(real[known], samples[known], "o", color="#0072B2", clip_on=False, zorder=3)
        high = 1.08 * max(real[known].max(), samples[known].max(), 0.1)
        axes.plot([0, high], [0, high], color="#7F7F7F", linewidth=1, label="as varied as real")
        axes.axhline(
            real[known].max(),
            color="#D55E00",
            linewidth=1,
            linestyle=(0, (4, 2)),
            label="real maximum",
        )
        if known.sum() <= _MOST_NAMED:
            for index in np.flatnonzero(known):
                axes.annotate(
                    names[index],
                    (real[index], samples[index]),
                    xytext=(5, 3),
                    textcoords="offset points",
                    fontsize=9,
                    parse_math=False,  # a "$" in a name is no formula
                )
        axes.set(xlim=(0, high), ylim=(0, high), aspect="equal")
        axes.set_xlabel("real test images")
        axes.set_ylabel("samples")
        axes.set_title(measure, loc="left", fontsize=11)
        axes.legend(loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        canvas.print_figure(buffer, format="png", metadata={"Software": None})
    return Picture(
        "How alike two images of a class are",
        buffer.getvalue(),
        "Each dot is a class. On the line its samples are as varied as its real images; above the "
        "line they are more alike, far above is collapse. Below the dashed line lie the classes "
        "that the paper counts.",
    )
