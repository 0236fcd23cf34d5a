"""What the figures of variety say, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from acgan.report.section import Finding

Optional = tuple[float | None, ...]

COLLAPSED = 0.05  # of the real variance: nothing to be seen but one image
LOW, VERY_LOW = 0.75, 0.25  # of the real variance, mean over the classes
ABOUT_ONE = 0.9  # likewise
LOW_IN_A_CLASS = 0.5
ALIKE = 0.25  # of the way from the real images' MS-SSIM to equal images
DUPLICATES, REPEATED = 0.05, 0.9  # of the samples
HIGH = 2.0  # times the real variance
HIGH_BY_SEEN_CLASS = 1.5  # likewise, where samples count as the class that the judge sees
GRAIN = 3.0  # times the fine detail of real images
BLURRY = 0.6  # likewise
FEW_COLORS = 0.5  # of the real images' variance of color, mean over the classes
ONE_COLOR = 0.1  # likewise, in a class


@final
@dataclass(frozen=True)
class DiversityMetrics:
    """What `diversity_findings` looks at; None for what could not be measured.

    Attributes:
        classes: names of the K classes.
        variance: ratio of feature variances, per class.
        variance_by_seen_class: the mean ratio where samples are sorted by what the judge sees.
        duplicates: share of near-identical samples, per class.
        similarity: mean MS-SSIM of samples, per class.
        real_similarity: mean MS-SSIM of real images, per class.
        sharpness: mean ratio of sharpness.
        color: ratio of variances of mean colors, per class.
        conditional: whether classes were asked for; else K is 1 and means all samples.
    """

    classes: tuple[str, ...]
    variance: Optional
    variance_by_seen_class: float | None
    duplicates: Optional
    similarity: Optional
    real_similarity: Optional
    sharpness: float | None
    color: Optional
    conditional: bool = True

    @property
    def which(self) -> str:
        """The samples that are compared with one another."""
        return "the samples of a class" if self.conditional else "the samples"


def diversity_findings(diversity: DiversityMetrics) -> tuple[Finding, ...]:
    """Faults first, then warnings; one good finding where there is neither; none without figures.

    The thresholds are ours. Faults lie between what trained models show (variance ratios of .6 to
    1) and what planted faults do; the warning begins where a quarter of the real variety is gone,
    whatever our own models reach.
    """
    found = [
        *_one_image(diversity),
        *_noise(diversity),
        *_low_variety(diversity),
        *_duplicates(diversity),
        *_blur(diversity),
        *_few_colors(diversity),
    ]
    found.sort(key=lambda each: each.level != "fault")  # a stable sort: faults come first
    return tuple(found) or _good(diversity)


def _one_image(diversity: DiversityMetrics) -> list[Finding]:
    flat = [
        (name, ratio)
        for name, ratio in zip(diversity.classes, diversity.variance, strict=True)
        if ratio is not None and ratio < COLLAPSED
    ]
    if not flat:
        return []
    if not diversity.conditional:
        sentence = (
            f"One image: the samples hardly differ from one another (variance {flat[0][1]:.3f} of "
            "real images'). The model has collapsed."
        )
        return [Finding("one-image", "fault", sentence)]
    ratios = _range([ratio for _, ratio in flat])
    named = _names([name for name, _ in flat], diversity)
    return [
        Finding(
            "one-image-a-class",
            "fault",
            f"One image a class: the samples of {named} hardly differ from one another (variance "
            f"{ratios} of real images'). The model has collapsed.",
        )
    ]


def _noise(diversity: DiversityMetrics) -> list[Finding]:
    ratio, by_seen = _mean(diversity.variance), diversity.variance_by_seen_class
    varied = ratio is not None and ratio > HIGH
    if diversity.sharpness is not None and diversity.sharpness > GRAIN:
        return [
            Finding(
                "noise",
                "fault",
                f"Noise: the samples have {diversity.sharpness:.1f} times the fine detail of real "
                "images, which is grain or checkerboards, not sharpness.",
            )
        ]
    if varied and not diversity.conditional:
        sentence = f"Noise: the samples vary {ratio:.1f} times as much as real images."
        return [Finding("noise", "fault", sentence)]
    if varied and by_seen is not None and by_seen > HIGH_BY_SEEN_CLASS:
        return [
            Finding(
                "noise",
                "fault",
                f"Noise: the samples of a class vary {ratio:.1f} times as much as real images, and "
                f"still {by_seen:.1f} times where they are sorted by what the judge sees in them.",
            )
        ]
    if varied:
        return [
            Finding(
                "mixed-classes",
                "warning",
                f"The samples asked for as one class vary {ratio:.1f} times as much as real images "
                "of it because they show several classes: see the chapter on labels.",
            )
        ]
    return []


def _low_variety(diversity: DiversityMetrics) -> list[Finding]:
    known = [
        (name, ratio)
        for name, ratio in zip(diversity.classes, diversity.variance, strict=True)
        if ratio is not None and ratio >= COLLAPSED
    ]
    mean = _mean(tuple(ratio for _, ratio in known))
    alike = _excess_similarity(diversity)
    found = []
    if mean is not None and (mean < LOW or (alike is not None and alike > ALIKE)):
        similar = _mean(diversity.similarity)
        real = _mean(diversity.real_similarity)
        pairs = f"; MS-SSIM {similar:.2f} beside {real:.2f}" if similar and real else ""
        found.append(
            Finding(
                "low-variety",
                "fault" if mean < VERY_LOW else "warning",
                f"Low variety: {diversity.which} are more alike than real images are "
                f"(variance {mean:.2f} of theirs{pairs}).",
            )
        )
    elif low := [each for each in known if each[1] < LOW_IN_A_CLASS]:
        named = ", ".join(f"{name} ({ratio:.2f})" for name, ratio in low[:5])
        found.append(
            Finding(
                "low-variety",
                "warning",
                f"Low variety in some classes: {named} of the real images' variance.",
            )
        )
    return found


def _duplicates(diversity: DiversityMetrics) -> list[Finding]:
    share = _mean(diversity.duplicates)
    if share is None or share < DUPLICATES or _one_image(diversity):
        return []
    return [
        Finding(
            "duplicate-samples",
            "fault" if share > REPEATED else "warning",
            f"Repeated samples: {share:.0%} are near-identical to another sample"
            + (" of their class." if diversity.conditional else "."),
        )
    ]


def _blur(diversity: DiversityMetrics) -> list[Finding]:
    if diversity.sharpness is None or diversity.sharpness >= BLURRY:
        return []
    return [
        Finding(
            "blurry",
            "warning",
            f"Blurry: the samples have {diversity.sharpness:.2f} of the fine detail of real "
            "images.",
        )
    ]


def _few_colors(diversity: DiversityMetrics) -> list[Finding]:
    mean = _mean(diversity.color)
    if mean is None or mean >= FEW_COLORS:
        return []
    one = [
        name
        for name, ratio in zip(diversity.classes, diversity.color, strict=True)
        if ratio is not None and ratio < ONE_COLOR
    ]
    named = f", hardly at all in {_names(one, diversity)}" if one and diversity.conditional else ""
    return [
        Finding(
            "few-colors",
            "warning",
            f"Few colors: the colors of {diversity.which} vary {mean:.2f} as much as those of real "
            f"images{named}.",
        )
    ]


def _good(diversity: DiversityMetrics) -> tuple[Finding, ...]:
    mean = _mean(diversity.variance)
    if mean is None:
        return ()
    lowest = min(ratio for ratio in diversity.variance if ratio is not None)
    words = "about as real images do" if mean >= ABOUT_ONE else "somewhat less than real images"
    least = f", {lowest:.2f} in the least varied class" if diversity.conditional else ""
    which = diversity.which.capitalize()
    sentence = f"{which} vary {words}: {mean:.2f} of their variance{least}."
    return (Finding("good", "good", sentence),)


def _excess_similarity(diversity: DiversityMetrics) -> float | None:
    """How far of the way from real images to equal ones the samples are, by MS-SSIM."""
    fake, real = _mean(diversity.similarity), _mean(diversity.real_similarity)
    return None if fake is None or real is None or real >= 1 else (fake - real) / (1 - real)


def _names(found: list[str], diversity: DiversityMetrics) -> str:
    if len(found) == len(diversity.classes):
        return "every class"
    return ", ".join(found[:5]) + f" and {len(found) - 5} more classes" * (len(found) > 5)


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"


def _mean(values: Optional) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
