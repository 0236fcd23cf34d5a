"""The figures of the chapter on memorisation, each beside that of held-out real images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from acgan.evaluation.copying import Flags, copying_test
from acgan.evaluation.section import Aim, Figure, defined
from acgan.evaluation.sections.memorisation_spaces import (
    Queries,
    Space,
    SpaceName,
)

FEWEST = 20
"""Samples and test images, in all or of a class, below which there is no figure."""

Pair = tuple[float, float]
"""A figure and its floor."""

_TOO_FEW = f"It takes {FEWEST} samples, {FEWEST} test images and two training images."


def memorisation_figures(queries: Queries, spaces: Sequence[Space]) -> tuple[Figure, ...]:
    """Near copies, authenticity, the data-copying test, and the ratio of distances.

    Args:
        queries: the images that were looked at.
        spaces: what came of it, as `compare` gives it; none where the images are too few.
    """
    by_name = {space.name: space for space in spaces}
    figures = []
    pixels, _, features = queries.ways
    for name in queries.ways:
        figures.append(
            _figure("near_copies", "Share of near copies", "floor", name, by_name, queries, _copies)
        )
    for name in (pixels, features):
        figures.append(
            _figure("authenticity", "Authentic share", "floor", name, by_name, queries, _authentic)
        )
    for name in (pixels, features):
        figures.append(_copying_test(name, by_name.get(name), queries))
    for name in (pixels, features):
        figures.append(
            _figure(
                "nearest",
                "Median distance to the nearest training image, samples over held-out",
                "one",
                name,
                by_name,
                queries,
                _nearest,
            )
        )
    return tuple(figures)


def _copies(space: Space, samples: Flags, held_out: Flags, _half: Flags) -> Pair:
    return _means(space.samples.near_copy[samples], space.held_out.near_copy[held_out])


def _authentic(space: Space, samples: Flags, held_out: Flags, _half: Flags) -> Pair:
    return _means(space.samples.authentic[samples], space.held_out.authentic[held_out])


def _nearest(space: Space, samples: Flags, held_out: Flags, half: Flags) -> Pair:
    real = space.held_out.distance

    def ratio(above: float, below: float) -> float:
        return above / below if below > 0 else np.nan

    return (
        ratio(np.median(space.samples.distance[samples]), np.median(real[held_out])),
        ratio(np.median(real[held_out & half]), np.median(real[held_out & ~half])),
    )


def _means(samples: Flags, held_out: Flags) -> Pair:
    return float(samples.mean()), float(held_out.mean())


def _figure(
    key: str,
    title: str,
    aim: Aim,
    name: SpaceName,
    spaces: dict[SpaceName, Space],
    queries: Queries,
    measure: Callable[[Space, Flags, Flags, Flags], Pair],
) -> Figure:
    """A measure of all images and of each class's."""
    space = spaces.get(name)
    if space is None:
        return _none(key, title, aim, name)
    everything = np.ones(len(queries.asked), bool), np.ones(len(queries.labels), bool)
    value, floor = measure(space, *everything, queries.half)
    per_class: list[Pair] = []
    for index in range(len(queries.names)):
        members = queries.asked == index, queries.labels == index
        enough = min(each.sum() for each in members) >= FEWEST
        per_class.append(measure(space, *members, queries.half) if enough else (np.nan, np.nan))
    return Figure(
        key=f"memorisation.{key}.{name.key}",
        name=f"{title} ({name.name})",
        value=defined(value),
        aim=aim,
        protocol=f"memorisation.{name.key}",
        floor=defined(floor),
        per_class=tuple(defined(each) for each, _ in per_class),
        per_class_floor=tuple(defined(each) for _, each in per_class),
    )


def _copying_test(name: SpaceName, space: Space | None, queries: Queries) -> Figure:
    key, title = "copying_test", "Data-copying test C_T, in standard deviations"
    if space is None:
        return _none(key, title, "floor", name)
    real, half, classes = space.held_out.distance, queries.half, len(queries.names)
    test = copying_test(
        space.samples.distance, queries.asked, real, queries.labels, classes, fewest=FEWEST
    )
    floor = copying_test(
        real[half],
        queries.labels[half],
        real[~half],
        queries.labels[~half],
        classes,
        fewest=FEWEST // 2,
    )
    value = defined(test.pooled)
    return Figure(
        key=f"memorisation.{key}.{name.key}",
        name=f"{title} ({name.name})",
        value=value,
        aim="floor",
        protocol=f"memorisation.{name.key}",
        floor=defined(floor.pooled),
        per_class=tuple(map(defined, test.per_class.tolist())),
        per_class_floor=tuple(map(defined, floor.per_class.tolist())),
        note=f"No class has {FEWEST} samples and {FEWEST} test images." if value is None else "",
    )


def _none(key: str, title: str, aim: Aim, name: SpaceName) -> Figure:
    return Figure(
        key=f"memorisation.{key}.{name.key}",
        name=f"{title} ({name.name})",
        value=None,
        aim=aim,
        protocol=f"memorisation.{name.key}",
        note=_TOO_FEW,
    )
