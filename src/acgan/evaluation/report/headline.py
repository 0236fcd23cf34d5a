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


@final
@dataclass(frozen=True)
class _Wanted:
    """A figure by the keys that it may have, the first found is taken; how it is shown."""

    label: str
    keys: tuple[str, ...]
    as_floors: bool = False


_HEADLINE = (
    _Wanted("Read as the class asked for", ("labels.accuracy.judge", "labels.accuracy")),
    _Wanted("Distance from real images", ("fidelity.frechet.judge",), as_floors=True),
    _Wanted(
        "Variety within a class",
        ("diversity.variance_ratio.judge", "diversity.variance_ratio"),
    ),
    _Wanted(
        "Own, not copied",
        ("memorisation.authenticity.judge", "memorisation.authenticity"),
    ),
)


def headline(figures: Iterable[Figure], classes: Sequence[str]) -> tuple[Card, ...]:
    """The cards of the panel, for the figures that have a value."""
    by_key = {figure.key: figure for figure in figures}
    cards = []
    for wanted in _HEADLINE:
        figure = next((by_key[key] for key in wanted.keys if key in by_key), None)
        if figure is not None and figure.value is not None:
            cards.append(_card(wanted, figure, classes))
    return tuple(cards)


def _card(wanted: _Wanted, figure: Figure, classes: Sequence[str]) -> Card:
    times = in_floors(figure.value, figure.floor) if wanted.as_floors else ""
    details = [figure.name]
    if times:
        details.append(f"{number(figure.value)}, floor {number(figure.floor)}")
    elif figure.floor is not None:
        details.append(f"real images {number(figure.floor)}")
    elif figure.interval:
        details.append(interval(figure.interval))
    worst = worst_class(figure)
    if worst is not None:
        details.append(f"worst class {classes[worst]}: {number(figure.per_class[worst])}")
    return Card(wanted.label, times or number(figure.value), "; ".join(details))
