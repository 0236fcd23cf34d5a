"""What the figures of memorization say, in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal, final

from acgan.report.section import Finding

MANY = 0.05  # of the samples, above the share of held-out images: the model copies
SOME = 0.01  # likewise: it copies now and then
_DEVIATIONS = 3  # by which an excess must stand out from chance
BLURRED = 0.7  # of the sharpness of the training images copied
NEARER = 0.8  # of the held-out images' median distance

_LOOK = "No number alone tells: look at the pictures."


@final
@dataclass(frozen=True)
class NearCopies:
    """Near copies in one kind of comparison.

    Attributes:
        where: ``in pixels``, ``with all detail blurred away``, ``in the judge's features``.
        share: of the samples.
        baseline: of the held-out real images.
    """

    where: str
    share: float
    baseline: float

    @property
    def excess(self) -> float:
        """Share above the floor."""
        return self.share - self.baseline


def memorization_findings(
    copies: tuple[NearCopies, ...],
    *,
    samples: int,
    held_out: int,
    copy_sharpness: float | None,
    nearest_ratio: float | None,
) -> tuple[Finding, ...]:
    """One finding: copies, blurred copies, suspiciously near, or no sign of either.

    A merely blurry model is told from blurred copies by the comparison without detail, in which
    blur changes little: its samples are as far from the training images there as new images are.

    Args:
        copies: by kind of comparison; none where there are too few images to say anything.
        samples: how many were looked at.
        held_out: how many real images.
        copy_sharpness: median detail of the near copies over that of the training images they
            resemble; None without any.
        nearest_ratio: median pixel distance to the nearest training image, samples over held-out.
    """
    if not copies:
        return ()
    worst = max(copies, key=lambda each: each.excess)
    chance = sqrt(worst.baseline * (1 - worst.baseline) * (1 / samples + 1 / held_out))
    if worst.excess > max(SOME, _DEVIATIONS * chance):
        return (_copying(worst, copy_sharpness),)
    if nearest_ratio is not None and nearest_ratio < NEARER:
        return (
            Finding(
                "nearer-than-held-out",
                "warning",
                f"The samples lie nearer to the training images than held-out images do "
                f"({nearest_ratio:.2f} of their median pixel distance) but hardly any is a near "
                f"copy. Smooth or overly typical samples do so too. {_LOOK}",
            ),
        )
    shares = ", ".join(f"{each.share:.1%} {each.where}" for each in copies)
    frechet_ratio = ", ".join(f"{each.baseline:.1%}" for each in copies)
    return (
        Finding(
            "good",
            "good",
            f"No sign of copied training images: near copies are {shares}; of held-out real images "
            f"{frechet_ratio}. {_LOOK}",
        ),
    )


def _copying(worst: NearCopies, sharpness: float | None) -> Finding:
    level: Literal["fault", "warning"] = "fault" if worst.excess > MANY else "warning"
    beside = f"{worst.where}; of held-out real images {worst.baseline:.1%}"
    if sharpness is not None and sharpness < BLURRED:
        return Finding(
            "blurred-training-images",
            level,
            f"Blurred training images: {worst.share:.1%} of the samples are near copies of "
            f"training images ({beside}), with {sharpness:.2f} of their sharpness. {_LOOK}",
        )
    return Finding(
        "copies-training-images",
        level,
        f"Copied training images: {worst.share:.1%} of the samples are near copies of training "
        f"images ({beside}). {_LOOK}",
    )
