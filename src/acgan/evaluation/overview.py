"""The first picture of a report: samples beside real images, class by class."""

from __future__ import annotations

import numpy as np

from acgan.evaluation.evidence import Evidence
from acgan.evaluation.section import Picture
from acgan.pictures.sheet import class_sheet, png_bytes, side_by_side, strip

_COLUMNS = 8
_MOST_CLASSES = 20


def overview(evidence: Evidence) -> Picture:
    """The first samples of each class, unselected, and beside them the first test images."""
    if not evidence.subject.conditional:
        return _of_all(evidence)
    shown = range(min(len(evidence.names), _MOST_CLASSES))
    names = [evidence.names[index] for index in shown]
    test = evidence.parts.test
    samples = class_sheet([evidence.subject.of_class(index)[:_COLUMNS] for index in shown], names)
    real = class_sheet(
        [test.images[test.labels == index][:_COLUMNS] for index in shown], [""] * len(names)
    )
    more = len(evidence.names) - len(names)
    left_out = f" Of {len(evidence.names)} classes the first {len(names)} are shown." * (more > 0)
    return Picture(
        "Samples and real images",
        png_bytes(side_by_side([samples, real], ["samples", "real test images"])),
        "On the left the first samples of each class as they came, none chosen; on the right the "
        f"first real images of the test part.{left_out}",
    )


def _of_all(evidence: Evidence) -> Picture:
    test, count = evidence.parts.test, _COLUMNS**2
    chosen = np.random.default_rng(evidence.seed).permutation(len(test))[:count]
    sheets = [
        strip(images, columns=_COLUMNS)
        for images in (evidence.subject.samples[:count], test.images[chosen])
    ]
    return Picture(
        "Samples and real images",
        png_bytes(side_by_side(sheets, ["samples", "real test images"])),
        "On the left the first samples as they came, none chosen; on the right real images of the "
        "test part, chosen by chance.",
    )
