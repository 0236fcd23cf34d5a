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
AT_BASELINE = 2.0
"""Floors up to which samples lie about as near as real images lie to each other."""
TYPICAL = 0.95
"""Share of the floor's precision from which samples are as realistic as real images …"""
NOT_VARIED = 0.8
"""… and of its recall below which they are less varied."""
UNLIKE = 0.8
"""Share of the floor's precision below which too many samples lie where no real image does."""
_NAMED = 5  # classes that a sentence names


def fidelity_findings(
    classes: Sequence[str], predicted: Measured, *, decisive: bool = True
) -> tuple[Finding, ...]:
    """The findings in the features of one extractor, most serious first.

    Args:
        classes: names of the K classes.
        predicted: the measures.
        decisive: whether distances may be called faults: the thresholds are for the judge, which
            knows what matters in this data. A network of photographs sees every blur and edge, and
            what is far to it is a warning.
    """
    overall = _overall(classes, predicted, decisive=decisive)
    is_far = any(each.key == "far-from-real" for each in overall)
    of_classes = _classes(classes, predicted) if decisive and not is_far else ()
    if any(each.level == "fault" for each in of_classes):
        overall = tuple(each for each in overall if each.level != "good")
    return (*of_classes, *overall, *_realism(predicted))


def _overall(classes: Sequence[str], predicted: Measured, *, decisive: bool) -> tuple[Finding, ...]:
    distance, baseline = predicted.frechet.value, predicted.frechet.baseline
    if distance is None or baseline is None or not baseline > 0 or not predicted.spread > 0:
        return ()
    share, frechet_ratio = max(0.0, distance - baseline) / predicted.spread, distance / baseline
    measure = (
        f"The Fréchet distance to real test images is {distance:.3g} ({predicted.extractor}), "
        f"{frechet_ratio:.1f} times the floor; what lies above the floor is {share:.1%} of the "
        f"real "
        "images' own spread"
    )
    if frechet_ratio <= AT_BASELINE:
        words = "about as near as real images lie to each other"
        return (Finding("near-real", "good", f"{measure}: {words}."),)
    if share <= NEAR:
        words = "near, though not as near as real images to each other"
        return (Finding("near-real", "good", f"{measure}: {words}."),)
    worst = _worst(classes, predicted)
    if share >= FAR:
        words = "the samples are far from real images"
        if not decisive:
            return (Finding("far-from-real", "warning", f"{measure}: {words} to this network."),)
        words += "; do not use them in their place"
        return (Finding("far-from-real", "fault", f"{measure}: {words}.{worst}"),)
    words = "the samples are not near real images"
    return (Finding("some-way-from-real", "warning", f"{measure}: {words}.{worst}"),)


def _shares(classes: Sequence[str], predicted: Measured) -> list[tuple[float, str]]:
    """Share of the real spread and class, farthest first, of the classes not at their floor."""
    pairs = zip(
        classes, predicted.frechet.per_class, predicted.frechet.per_class_baseline, strict=True
    )
    return sorted(
        (
            ((value - baseline) / predicted.spread, name)
            for name, value, baseline in pairs
            if value is not None and baseline is not None and value > AT_BASELINE * baseline
        ),
        reverse=True,
    )


def _worst(classes: Sequence[str], predicted: Measured) -> str:
    shares = _shares(classes, predicted)
    return f" The class farthest off is {shares[0][1]} ({shares[0][0]:.0%})." if shares else ""


def _classes(classes: Sequence[str], predicted: Measured) -> tuple[Finding, ...]:
    """Classes far off although the samples together are not: pictures under wrong names."""
    if not predicted.spread > 0:
        return ()
    far = [(share, name) for share, name in _shares(classes, predicted) if share >= CLASS_FAR]
    if not far:
        return ()
    named = ", ".join(f"{name} ({share:.0%} of the spread)" for share, name in far[:_NAMED])
    more = f" and {len(far) - _NAMED} more" if len(far) > _NAMED else ""
    sentence = (
        f"Held against real images of their own class, samples of {len(far)} of {len(classes)} "
        f"classes are far off ({predicted.extractor}): {named}{more}. All samples together are "
        f"nearer "
        "than that: these classes are drawn badly, or under another class's name; the chapter on "
        "labels tells which."
    )
    return (Finding("classes-far-from-real", "fault", sentence),)


def _realism(predicted: Measured) -> tuple[Finding, ...]:
    precision, recall = predicted.precision, predicted.recall
    if None in (precision.value, precision.baseline, recall.value, recall.baseline):
        return ()
    assert precision.value is not None  # for the type checker, as the next
    assert precision.baseline is not None
    assert recall.value is not None
    assert recall.baseline is not None
    if precision.value < UNLIKE * precision.baseline:
        sentence = (
            f"Only {precision.value:.0%} of the samples lie among real images, of real ones "
            f"{precision.baseline:.0%} do (precision, {predicted.extractor}): many samples look "
            f"like "
            "nothing in the data."
        )
        return (Finding("samples-unlike-real", "warning", sentence),)
    if (
        precision.value >= TYPICAL * precision.baseline
        and recall.value < NOT_VARIED * recall.baseline
    ):
        sentence = (
            f"The samples are typical but not varied: {precision.value:.0%} of them lie among real "
            f"images (real ones: {precision.baseline:.0%}), but only {recall.value:.0%} of the "
            f"real "
            f"images lie among samples (real ones: {recall.baseline:.0%}; precision and recall, "
            f"{predicted.extractor})."
        )
        return (Finding("typical-not-varied", "warning", sentence),)
    return ()
