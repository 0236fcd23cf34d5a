"""What the figures on latent structure say in words; the thresholds are here, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from acgan.metrics.style import StyleConsistency
from acgan.report.section import Finding

KEPT = 0.3
"""Mean correlation from which a seed has a style of its own in all classes."""
LOST = 0.1
"""Mean correlation up to which a seed means nothing across classes."""
PAST_BEST = 0.05
"""By how much an earlier checkpoint's accuracy must exceed the model's to be worth a warning."""


def latent_findings(
    style: StyleConsistency, past: Sequence[tuple[int, float]], samples: int
) -> tuple[Finding, ...]:
    """The findings, most serious first.

    Args:
        style: how far one seed keeps its style across classes.
        past: images seen and the judge's accuracy at each kept checkpoint, the model itself last.
        samples: read by the judge at each of them.
    """
    return (*_past(past, samples), *_style(style))


def _past(past: Sequence[tuple[int, float]], samples: int) -> list[Finding]:
    if len(past) < 2:
        return []
    images_seen, best = max(past, key=lambda each: each[1])
    now = past[-1][1]
    spread = 2 * math.sqrt((best * (1 - best) + now * (1 - now)) / samples)
    if best - now <= max(PAST_BEST, spread):
        return []
    return [
        Finding(
            "past-its-best",
            "warning",
            f"An earlier state of this model obeyed the label better: after {images_seen:,} images "
            f"the judge read {best:.1%} of {samples} samples as the class asked for, now "
            f"{now:.1%}.",
        )
    ]


def _style(style: StyleConsistency) -> list[Finding]:
    value = style.mean
    if math.isnan(value):
        return []
    if value >= KEPT:
        return [
            Finding(
                "style-kept",
                "good",
                "One seed keeps its style in all classes, by a correlation between classes of "
                f"{value:.2f} on average ({_listed(style)}; 0 is chance, 1 the same style).",
            )
        ]
    if value <= LOST:
        return [
            Finding(
                "style-lost",
                "warning",
                "One seed does not keep its style across classes: the correlation between classes "
                f"is {value:.2f} on average ({_listed(style)}; 0 is chance, 1 the same style). The "
                "latent means something else in every class, as where the label is multiplied "
                "into it.",
            )
        ]
    return []


def _listed(style: StyleConsistency) -> str:
    pairs = zip(style.names, style.correlations, strict=True)
    return ", ".join(f"{name} {value:.2f}" for name, value in pairs if math.isfinite(value))
