"""Which class a figure is worst for, as far from where it should be as its floor and aim tell."""

from __future__ import annotations

import math

from acgan.evaluation.section import Figure


def class_ranks(figure: Figure) -> dict[int, float]:
    """How bad each class is, by its index; higher is worse. Classes without a value are left out.

    Where low is better, distances are taken in floors, because a class whose real images vary
    much has a high floor; by the difference where a floor is 0 or below (unbiased estimates may
    be). Where high is better, by what is missing to the floor; where 1 is, by the factor from 1.
    Nothing is ranked where the aim is the floor itself: too few near copies are no fault, too many
    are, and the aim alone does not tell which of the sides is the bad one.
    """
    floors = [
        floor if floor is not None and math.isfinite(floor) else None
        for floor in figure.per_class_floor or (None,) * len(figure.per_class)
    ]
    in_floors = all(floor is not None and floor > 0 for floor in floors)
    ranks = {}
    for index, (value, floor) in enumerate(zip(figure.per_class, floors, strict=True)):
        if value is None or not math.isfinite(value):
            continue
        match figure.aim:
            case "low":
                ranks[index] = value / floor if in_floors and floor else value - (floor or 0.0)
            case "high":
                ranks[index] = (floor or 0.0) - value
            case "one":
                ranks[index] = abs(math.log(value)) if value > 0 else math.inf
    return ranks


def worst_class(figure: Figure) -> int | None:
    """Index of the worst class; None where there are no values or all are equally good."""
    ranks = class_ranks(figure)
    if len(set(ranks.values())) < 2:
        return None
    return max(ranks, key=lambda index: (ranks[index], -index))
