"""Rules that turn the metrics of a chapter into findings: condition, level and sentence in a row.

The facts that conditions and sentences read are numbers and phrases by name. An undefined number is
NaN: every comparison with NaN is false, so a rule never applies to what was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal, final

from acgan.report.section import Finding


@final
@dataclass(frozen=True)
class Rule:
    """A finding and the condition under which a report states it.

    Attributes:
        key: of the finding.
        level: of the finding.
        applies: the condition on the facts.
        sentence: a template for `str.format`, in which ``f`` stands for the facts.
    """

    key: str
    level: Literal["fault", "warning", "good"]
    applies: Callable[[SimpleNamespace], bool]
    sentence: str

    def finding(self, facts: SimpleNamespace) -> Finding:
        """Return the finding with the numbers filled in."""
        return Finding(self.key, self.level, self.sentence.format(f=facts))


def first_finding(rules: Iterable[Rule], facts: SimpleNamespace) -> tuple[Finding, ...]:
    """Return the finding of the first rule that applies, as a tuple of one or none."""
    return next(((rule.finding(facts),) for rule in rules if rule.applies(facts)), ())


def known(value: float | None) -> float:
    """Return the value, NaN in place of None."""
    return math.nan if value is None else value


def listed(names: Sequence[str], most: int) -> str:
    """Return the first names separated by commas, and the number of the others.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
