"""Findings of the latent chapter: thresholds and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace

from acgan.evaluation.findings import Rule, first_finding
from acgan.metrics.style import StyleConsistency
from acgan.report.section import Finding

CONSISTENT = 0.3
"""Mean correlation from which a seed has one style in all classes."""
INCONSISTENT = 0.1
"""Mean correlation up to which a seed has no common style across classes."""
PAST_BEST = 0.05
"""Accuracy lost since an earlier checkpoint that is worth a warning."""


_CORRELATION = "is {f.style:.2f} ({f.properties}; 0 is chance, 1 the same style)"
_PAST_RULE = Rule(
    "past-its-best",
    "warning",
    lambda f: f.past_its_best,
    "An earlier checkpoint of this model had a higher GAN-test accuracy: {f.best:.1%} of "
    "{f.samples} samples after {f.best_images:,} images, now {f.now:.1%}.",
)
_STYLE_RULES = (
    Rule(
        "style-consistent",
        "good",
        lambda f: f.style >= CONSISTENT,
        f"A seed has the same style in all classes: the mean correlation between classes "
        f"{_CORRELATION}.",
    ),
    Rule(
        "style-inconsistent",
        "warning",
        lambda f: f.style <= INCONSISTENT,
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
    images_seen, best = max(past, key=lambda each: each[1], default=(0, math.nan))
    now = past[-1][1] if past else math.nan
    two_errors = 2 * math.sqrt((best * (1 - best) + now * (1 - now)) / samples)
    correlations = zip(style.names, style.correlations, strict=True)
    facts = SimpleNamespace(
        best=best,
        best_images=images_seen,
        now=now,
        samples=samples,
        past_its_best=best - now > max(PAST_BEST, two_errors),
        style=style.mean,
        properties=", ".join(f"{name} {r:.2f}" for name, r in correlations if math.isfinite(r)),
    )
    return (*first_finding([_PAST_RULE], facts), *first_finding(_STYLE_RULES, facts))
