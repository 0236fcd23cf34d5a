"""Findings of the latent chapter: thresholds and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from acgan.evaluation.findings import Rule, first_finding
from acgan.metrics.style import StyleConsistency
from acgan.report.section import Finding

CONSISTENT = 0.3
"""Mean correlation from which a seed has one style in all classes."""
INCONSISTENT = 0.1
"""Mean correlation up to which a seed has no common style across classes."""
PAST_BEST = 0.05
"""Accuracy lost since an earlier checkpoint that is worth a warning."""


@final
@dataclass(frozen=True)
class _Facts:
    """Style, and the images seen and accuracies over training time, the model itself last."""

    style: StyleConsistency
    past: Sequence[tuple[int, float]]
    samples: int

    @property
    def best(self) -> tuple[int, float]:
        return max(self.past, key=lambda each: each[1])

    @property
    def now(self) -> float:
        return self.past[-1][1]

    @property
    def past_its_best(self) -> bool:
        if len(self.past) < 2:
            return False
        best, now = self.best[1], self.now
        two_errors = 2 * math.sqrt((best * (1 - best) + now * (1 - now)) / self.samples)
        return best - now > max(PAST_BEST, two_errors)

    @property
    def properties(self) -> str:
        pairs = zip(self.style.names, self.style.correlations, strict=True)
        return ", ".join(f"{name} {value:.2f}" for name, value in pairs if math.isfinite(value))


_CORRELATION = "is {f.style.mean:.2f} ({f.properties}; 0 is chance, 1 the same style)"
_PAST_RULE = Rule[_Facts](
    "past-its-best",
    "warning",
    lambda f: f.past_its_best,
    "An earlier checkpoint of this model had a higher GAN-test accuracy: {f.best[1]:.1%} of "
    "{f.samples} samples after {f.best[0]:,} images, now {f.now:.1%}.",
)
_STYLE_RULES: tuple[Rule[_Facts], ...] = (
    Rule(
        "style-consistent",
        "good",
        lambda f: f.style.mean >= CONSISTENT,
        f"A seed has the same style in all classes: the mean correlation between classes "
        f"{_CORRELATION}.",
    ),
    Rule(
        "style-inconsistent",
        "warning",
        lambda f: f.style.mean <= INCONSISTENT,
        f"A seed has no common style across classes: the mean correlation between classes "
        f"{_CORRELATION}. The latent has a different meaning in every class, for example because "
        "the label is multiplied into it.",
    ),
)


def latent_findings(
    style: StyleConsistency, past: Sequence[tuple[int, float]], samples: int
) -> tuple[Finding, ...]:
    """Return the findings, most serious first.

    Args:
        style: how consistent the style of a seed is across classes.
        past: images seen and GAN-test accuracy of each checkpoint, the model itself last.
        samples: number of samples behind each accuracy.
    """
    facts = _Facts(style, past, samples)
    return (*first_finding([_PAST_RULE], facts), *first_finding(_STYLE_RULES, facts))
