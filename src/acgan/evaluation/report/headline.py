"""The few figures at the top of a report; one that was not measured is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from acgan.evaluation.report.numbers import in_floors, interval, number
from acgan.evaluation.report.worst import worst_class
from acgan.evaluation.section import Figure


@final
@dataclass(frozen=True)
class Card:
    """One figure of the panel: what it is, itself, and what one needs to know beside it."""

    label: str
    value: str
    detail: str


_ACCURACY = "labels.accuracy.judge"
_DISTANCE = "fidelity.frechet.judge"
_CLASS_HEAD = "labels.real.class_head"
_HEADLINE = {
    _ACCURACY: "Read as the class asked for",
    _DISTANCE: "Distance from real images",
    "labels.shares.judge": "Classes' shares off",
    "diversity.variance.judge": "Variety within a class",
    "diversity.variance_of_all.judge": "Variety",
    "memorisation.near_copies.judge": "Near copies of training images",
    _CLASS_HEAD: "Real test images read right",
}
"""The figures by key, and what a person would call them."""


def headline(figures: Iterable[Figure], classes: Sequence[str]) -> tuple[Card, ...]:
    """The cards of the panel, for the figures that have a value."""
    by_key = {figure.key: figure for figure in figures if figure.value is not None}
    return tuple(
        _card(label, by_key[key], classes) for key, label in _HEADLINE.items() if key in by_key
    )


def _card(label: str, figure: Figure, classes: Sequence[str]) -> Card:
    times = in_floors(figure.value, figure.floor) if figure.key == _DISTANCE else ""
    name = figure.name.removeprefix(label)
    details = [name if name == figure.name else name.strip(" ()")]
    if times:
        details.append(f"{number(figure.value)}, floor {number(figure.floor)}")
    elif figure.floor is not None:
        details.append(f"real images {number(figure.floor)}")
    elif figure.key == _CLASS_HEAD:
        details.append(figure.note)  # the judge's share and how many labels it took
    elif figure.interval:
        details.append(interval(figure.interval))
    worst = worst_class(figure)
    if worst is not None:
        details.append(f"worst class {classes[worst]}: {number(figure.per_class[worst])}")
    elif figure.key == _ACCURACY:
        known = [(v, i) for i, v in enumerate(figure.per_class) if v is not None]
        details += [f"lowest class {classes[i]}: {number(v)}" for v, i in sorted(known)[:1]]
    return Card(label, times or number(figure.value), "; ".join(details))
