"""Which class a figure is worst for, as far from where it should be as its floor and aim tell."""

from __future__ import annotations

import math

from acgan.evaluation.section import Aim, Figure


def badness(value: float | None, floor: float | None, aim: Aim) -> float | None:
    """How far a value lies on the wrong side of its floor (or of 1, or of 0); None if undefined.

    Distances are taken in floors, because a class whose real images vary much has a high floor.
    """
    if value is None or not math.isfinite(value):
        return None
    has_floor = floor is not None and math.isfinite(floor)
    base = floor if has_floor and floor is not None else 0.0
    match aim:
        case "low":
            return value / base if base > 0 else value
        case "high":
            return base - value
        case "one":
            return abs(math.log(value)) if value > 0 else math.inf
        case "floor":
            return abs(value - base)


def worst_class(figure: Figure) -> int | None:
    """Index of the worst class; None where there are no values or all are equally good."""
    floors = figure.per_class_floor or (None,) * len(figure.per_class)
    scores = [
        (score, index)
        for index, (value, floor) in enumerate(zip(figure.per_class, floors, strict=True))
        if (score := badness(value, floor, figure.aim)) is not None
    ]
    if len({score for score, _ in scores}) < 2:
        return None
    return max(scores, key=lambda pair: (pair[0], -pair[1]))[1]
