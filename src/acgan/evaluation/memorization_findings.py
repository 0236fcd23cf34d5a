"""Findings of the memorization chapter: thresholds and sentences.

Blurred copies differ from the samples of a merely blurry model in blurred pixels: there blur
changes little, so the samples of a blurry model are as far from the training images as new images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import final

from acgan.evaluation.findings import Rule, first_finding, known
from acgan.report.section import Finding

MANY, SOME = 0.05, 0.01
"""Excess of near copies over held-out images: the model copies, it copies now and then."""
_DEVIATIONS = 3  # standard errors by which an excess must exceed chance
BLURRED = 0.7
"""Sharpness relative to the copied training images below which copies are blurred."""
NEARER = 0.8
"""Median distance relative to that of held-out images."""

_COMPARE = "No number alone proves memorization: compare the images below."


@final
@dataclass(frozen=True)
class NearCopies:
    """Shares of near copies in one space.

    Attributes:
        where: the space: ``in pixels``, ``in the features of the reference classifier``.
        share: of the samples.
        baseline: of the held-out real images.
    """

    where: str
    share: float
    baseline: float

    @property
    def excess(self) -> float:
        """Share above that of held-out images."""
        return self.share - self.baseline


_COPIES = (
    "{f.worst.share:.1%} of the samples are near copies of training images ({f.worst.where}; "
    "held-out real images: {f.worst.baseline:.1%})"
)
_BLURRED = (
    f"Blurred training images: {_COPIES}, with {{f.sharpness:.2f}} times their sharpness. "
    f"{_COMPARE}"
)
_COPIED = f"Copied training images: {_COPIES}. {_COMPARE}"
_RULES = (
    Rule(
        "blurred-training-images",
        "fault",
        lambda f: f.copied and f.sharpness < BLURRED and f.worst.excess > MANY,
        _BLURRED,
    ),
    Rule(
        "blurred-training-images", "warning", lambda f: f.copied and f.sharpness < BLURRED, _BLURRED
    ),
    Rule("copies-training-images", "fault", lambda f: f.copied and f.worst.excess > MANY, _COPIED),
    Rule("copies-training-images", "warning", lambda f: f.copied, _COPIED),
    Rule(
        "nearer-than-held-out",
        "warning",
        lambda f: f.nearest_ratio < NEARER,
        "The samples are closer to the training images than held-out images are (median pixel "
        "distance {f.nearest_ratio:.2f} times theirs), but not more of them are near copies than "
        "chance explains ({f.shares}; held-out real images: {f.baselines}). Smooth or overly "
        f"typical samples are closer too. {_COMPARE}",
    ),
    Rule(
        "good",
        "good",
        lambda _f: True,
        "No sign of copied training images beyond chance. Share of near copies: {f.shares}; of "
        f"held-out real images: {{f.baselines}}. {_COMPARE}",
    ),
)


def memorization_findings(
    copies: Sequence[NearCopies],
    *,
    samples: int,
    held_out: int,
    copy_sharpness: float | None,
    nearest_ratio: float | None,
) -> tuple[Finding, ...]:
    """Return one finding: copies, blurred copies, suspiciously close samples, or none of these.

    Args:
        copies: by space; empty if there are too few images.
        samples: number of samples.
        held_out: number of held-out images.
        copy_sharpness: median detail of the near copies, relative to their nearest training
            images; None without near copies.
        nearest_ratio: median pixel distance to the nearest training image, samples over held-out.
    """
    if not copies:
        return ()
    worst = max(copies, key=lambda each: each.excess)
    chance = math.sqrt(worst.baseline * (1 - worst.baseline) * (1 / samples + 1 / held_out))
    facts = SimpleNamespace(
        worst=worst,
        copied=worst.excess > max(SOME, _DEVIATIONS * chance),
        sharpness=known(copy_sharpness),
        nearest_ratio=known(nearest_ratio),
        shares=", ".join(f"{each.share:.1%} {each.where}" for each in copies),
        baselines=", ".join(f"{each.baseline:.1%}" for each in copies),
    )
    return first_finding(_RULES, facts)
