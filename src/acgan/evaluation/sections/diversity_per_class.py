"""A measure of each class on its own, as a figure of the chapter on variety."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images, Labels
from acgan.evaluation.section import Aim, Figure, defined

Float64s = npt.NDArray[np.float64]
Classes = tuple[Images, ...]
"""Images class by class; none of a class that has too few."""

FEWEST = 10
"""Images of a class on a side below which it has no figure."""


def by_class(images: Images, labels: Labels, count: int) -> Classes:
    """Images uint8 (N, C, H, W) sorted by labels (N,) in [0, ``count``)."""
    members = [np.flatnonzero(labels == index) for index in range(count)]
    return tuple(images[each if len(each) >= FEWEST else each[:0]] for each in members)


def class_by_class(measure: Callable[..., float], *sides: Classes) -> Float64s:
    """The measure of each class, (K,); NaN where it cannot be given."""
    return np.array([measure(*images) for images in zip(*sides, strict=True)])


def figure(key: str, name: str, aim: Aim, per_class: Float64s, floor: Float64s) -> Figure:
    """A figure from values a class, (K,), NaN where there is none; overall: their mean."""
    value = mean_of_known(per_class)
    note = f"It takes {FEWEST} samples and {FEWEST} test images of a class."
    return Figure(
        key=key,
        name=name,
        value=value,
        aim=aim,
        protocol=key,
        floor=mean_of_known(floor),
        per_class=optional(per_class),
        per_class_floor=optional(floor),
        note="The mean over the classes." if value is not None else note,
    )


def mean_of_known(values: Float64s) -> float | None:
    """The mean of what is not NaN; None of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def optional(values: Float64s) -> tuple[float | None, ...]:
    """None in the place of NaN."""
    return tuple(map(defined, values.tolist()))
