"""Means of named figures over a logging interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final


@final
class Meters:
    """Weighted sums of scalars by dotted name (``discriminator.source_real``), in float64.

    The sums are part of the training state: an interval that a kill cuts in two still logs the
    mean that an uninterrupted run logs.
    """

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, total: float, count: int = 1) -> None:
        """Add ``total``, the sum of ``count`` observations."""
        self._sums[name] = self._sums.get(name, 0.0) + total
        self._counts[name] = self._counts.get(name, 0) + count

    def means(self) -> dict[str, Any]:
        """The means so far, nested by the dots in their names."""
        nested: dict[str, Any] = {}
        for name, total in self._sums.items():
            *sections, key = name.split(".")
            node = nested
            for section in sections:
                node = node.setdefault(section, {})
            node[key] = total / self._counts[name]
        return nested

    def clear(self) -> None:
        """Begin a new interval."""
        self._sums.clear()
        self._counts.clear()

    def state(self) -> dict[str, list[float]]:
        """``{name: [sum, count]}``; JSON keeps a float64 exactly."""
        return {name: [total, self._counts[name]] for name, total in self._sums.items()}

    def restore(self, state: Mapping[str, list[float]]) -> None:
        """Take over what `state` gave."""
        self._sums = {name: float(total) for name, (total, _) in state.items()}
        self._counts = {name: int(count) for name, (_, count) in state.items()}
