"""What the figures on fidelity say in words; the thresholds are here, and nowhere else.

Distances are judged by what lies above the floor, as a share of the real images' own spread (the
total variance of their features): it hardly depends on the number of images, as a distance in
floors does, and is about 1 for samples that are all one average picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from acgan.evaluation.fidelity_measured import Measured
from acgan.report.section import Finding

NEAR = 0.02
"""Share of the real spread up to which a Fréchet distance counts as near."""
FAR = 0.25
"""The share from which samples are not usable in place of real images."""
CLASS_FAR = 0.5
"""The same for one class; its distance holds the noise of fewer images."""
AT_FLOOR = 2.0
"""Floors up to which samples lie about as near as real images lie to each other."""
TYPICAL = 0.95
"""Share of the floor's precision from which samples are as realistic as real images …"""
NOT_VARIED = 0.8
"""… and of its recall below which they are less varied."""
UNLIKE = 0.8
"""Share of the floor's precision below which too many samples lie where no real image does."""
_NAMED = 5  # classes that a sentence names


def fidelity_findings(
    classes: Sequence[str], seen: Measured, *, decisive: bool = True
) -> tuple[Finding, ...]:
    """The findings in the features of one extractor, most serious first.

    Args:
        classes: names of the K classes.
        seen: the measures.
        decisive: whether distances may be called faults: the thresholds are for the judge, which
            knows what matters in this data. A network of photographs sees every blur and edge, and
            what is far to it is a warning.
    """
    overall = _overall(classes, seen, decisive=decisive)
    is_far = any(each.key == "far-from-real" for each in overall)
    of_classes = _classes(classes, seen) if decisive and not is_far else ()
    if any(each.level == "fault" for each in of_classes):
        overall = tuple(each for each in overall if each.level != "good")
    return (*of_classes, *overall, *_realism(seen))


def _overall(classes: Sequence[str], seen: Measured, *, decisive: bool) -> tuple[Finding, ...]:
    distance, floor = seen.frechet.value, seen.frechet.floor
    if distance is None or floor is None or not floor > 0 or not seen.spread > 0:
        return ()
    share, floors = max(0.0, distance - floor) / seen.spread, distance / floor
    measure = (
        f"The Fréchet distance to real test images is {distance:.3g} ({seen.extractor}), "
        f"{floors:.1f} times the floor; what lies above the floor is {share:.1%} of the real "
        "images' own spread"
    )
    if floors <= AT_FLOOR:
        words = "about as near as real images lie to each other"
        return (Finding("near-real", "good", f"{measure}: {words}."),)
    if share <= NEAR:
        words = "near, though not as near as real images to each other"
        return (Finding("near-real", "good", f"{measure}: {words}."),)
    worst = _worst(classes, seen)
    if share >= FAR:
        words = "the samples are far from real images"
        if not decisive:
            return (Finding("far-from-real", "warning", f"{measure}: {words} to this network."),)
        words += "; do not use them in their place"
        return (Finding("far-from-real", "fault", f"{measure}: {words}.{worst}"),)
    words = "the samples are not near real images"
    return (Finding("some-way-from-real", "warning", f"{measure}: {words}.{worst}"),)


def _shares(classes: Sequence[str], seen: Measured) -> list[tuple[float, str]]:
    """Share of the real spread and class, farthest first, of the classes not at their floor."""
    pairs = zip(classes, seen.frechet.per_class, seen.frechet.per_class_floor, strict=True)
    return sorted(
        (
            ((value - floor) / seen.spread, name)
            for name, value, floor in pairs
            if value is not None and floor is not None and value > AT_FLOOR * floor
        ),
        reverse=True,
    )


def _worst(classes: Sequence[str], seen: Measured) -> str:
    shares = _shares(classes, seen)
    return f" The class farthest off is {shares[0][1]} ({shares[0][0]:.0%})." if shares else ""


def _classes(classes: Sequence[str], seen: Measured) -> tuple[Finding, ...]:
    """Classes far off although the samples together are not: pictures under wrong names."""
    if not seen.spread > 0:
        return ()
    far = [(share, name) for share, name in _shares(classes, seen) if share >= CLASS_FAR]
    if not far:
        return ()
    named = ", ".join(f"{name} ({share:.0%} of the spread)" for share, name in far[:_NAMED])
    more = f" and {len(far) - _NAMED} more" if len(far) > _NAMED else ""
    sentence = (
        f"Held against real images of their own class, samples of {len(far)} of {len(classes)} "
        f"classes are far off ({seen.extractor}): {named}{more}. All samples together are nearer "
        "than that: these classes are drawn badly, or under another class's name; the chapter on "
        "labels tells which."
    )
    return (Finding("classes-far-from-real", "fault", sentence),)


def _realism(seen: Measured) -> tuple[Finding, ...]:
    precision, recall = seen.precision, seen.recall
    if None in (precision.value, precision.floor, recall.value, recall.floor):
        return ()
    assert precision.value is not None  # for the type checker, as the next
    assert precision.floor is not None
    assert recall.value is not None
    assert recall.floor is not None
    if precision.value < UNLIKE * precision.floor:
        sentence = (
            f"Only {precision.value:.0%} of the samples lie among real images, of real ones "
            f"{precision.floor:.0%} do (precision, {seen.extractor}): many samples look like "
            "nothing in the data."
        )
        return (Finding("samples-unlike-real", "warning", sentence),)
    if precision.value >= TYPICAL * precision.floor and recall.value < NOT_VARIED * recall.floor:
        sentence = (
            f"The samples are typical but not varied: {precision.value:.0%} of them lie among real "
            f"images (real ones: {precision.floor:.0%}), but only {recall.value:.0%} of the real "
            f"images lie among samples (real ones: {recall.floor:.0%}; precision and recall, "
            f"{seen.extractor})."
        )
        return (Finding("typical-not-varied", "warning", sentence),)
    return ()
