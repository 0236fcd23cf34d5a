"""The paper's comparison of variety, drawn: MS-SSIM of samples and of real images by class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from acgan.evaluation.section import Picture
from acgan.pictures.paper import paper

Float64s = npt.NDArray[np.float64]

_MOST_NAMED = 60
_REAL, _SAMPLES, _MAXIMUM = "#0072B2", "#D55E00", "#7F7F7F"


def similarity_chart(
    measure: str, names: tuple[str, ...], samples: Float64s, real: Float64s
) -> Picture:
    """A line for each class: MS-SSIM of its real images and of its samples.

    Args:
        measure: name of the measure with its scales.
        names: of the K classes.
        samples: (K,), NaN for a class without.
        real: (K,), likewise; defined with ``samples`` for at least one class.
    """
    known = np.flatnonzero(np.isfinite(samples) & np.isfinite(real))
    rows = np.arange(len(known))
    height = 1.5 + 0.28 * min(len(known), _MOST_NAMED)
    with paper((7, height), dpi=100, font_size=10.5) as (drawing, buffer):
        axes = drawing.subplots()
        axes.hlines(rows, real[known], samples[known], color="#C8C8C8", linewidth=2)
        axes.plot(real[known], rows, "o", color=_REAL, label="real test images")
        axes.plot(samples[known], rows, "o", color=_SAMPLES, label="samples")
        highest = real[known].max()
        axes.axvline(
            highest, color=_MAXIMUM, linewidth=1, linestyle=(0, (4, 2)), label="real maximum"
        )
        named = len(known) <= _MOST_NAMED
        axes.set_yticks(
            rows if named else [],
            [names[index] for index in known] if named else [],
            parse_math=False,  # a "$" in a name is no formula
        )
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlim(0, 1.05 * max(highest, samples[known].max(), 0.1))
        axes.set_xlabel(measure)
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        drawing.legend(loc="outside upper left", ncols=3)
    return Picture(
        "How alike two images of a class are",
        buffer.getvalue(),
        "A line is a class. Samples at the place of the real images are as varied as they are; far "
        "to the right of them they are all alike. Left of the dashed line, the highest real class, "
        "lie the classes that the paper counts.",
    )
