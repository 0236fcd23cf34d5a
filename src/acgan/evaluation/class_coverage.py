"""The chapter on classes for samples that were asked for none: which of them are drawn at all?"""

from __future__ import annotations

import numpy as np

from acgan.evaluation.evaluation_data import EvaluationData
from acgan.metrics.arrays import Int64Array
from acgan.metrics.class_coverage import class_counts, total_variation_at
from acgan.report.section import Finding, Metric, Section, Table

FEWEST = 100
"""Images on a side below which no figure is given."""
RARE = 0.1
"""A class is hardly drawn below this part of its real share."""
UNEVEN = 0.1
"""Distance above the floor from which the shares differ noticeably."""

_NAMED = 10

_EXPLANATION = (
    "Nobody asked this model for a class, but its data have classes, and the judge, a classifier "
    "that learned from the real training images alone, reads them in samples and in real test "
    "images alike. A model that has learned its data draws every class about as often as it "
    "occurs; one that has settled on a few kinds of image leaves classes out (mode collapse).",
    "The distance between the two lists of shares (total variation) is the share of samples that "
    "would have to be of another class for the shares to agree: 0 is equal, 1 is nothing in "
    "common. Chance alone makes it larger for few images, so samples and, for the floor, "
    "validation images are held against the test images at equal counts. It says nothing of how "
    "good the images are: the judge reads nonsense as some class, too.",
)
_LEFT_OUT = (
    "No class was asked for, so that the share of samples read as the class asked for, the "
    "confusion matrix, discriminability by another classifier and the resolution experiment are "
    "left out."
)
_NO_JUDGE = "The data have no classes, so which kinds of image are drawn cannot be counted either."
_TITLE = "Classes: is everything drawn that there is?"


def coverage_section(data: EvaluationData) -> Section:
    """Shares of the classes as the judge reads them, in samples and in real images."""
    reference_classifier = data.reference_classifier
    if reference_classifier is None:
        return Section("labels", _TITLE, (), notes=(_LEFT_OUT, _NO_JUDGE))
    samples, test, validation = (
        class_counts(predictions.logits)
        for predictions in (
            data.sample_predictions(reference_classifier),
            data.split_predictions(reference_classifier, "test"),
            data.split_predictions(reference_classifier, "validation"),
        )
    )
    names = tuple(each.name for each in data.splits.classes)
    count = int(min(samples.sum(), validation.sum()))
    enough = min(count, test.sum()) >= FEWEST
    shares, real = samples / samples.sum(), test / test.sum()
    missing = [name for name, k in zip(names, _missing(samples, test), strict=True) if k]
    distance, baseline = (
        total_variation_at(count, each, test, seed=data.seed) for each in (samples, validation)
    )
    note = "" if enough else f"it takes {FEWEST} samples, validation and test images"
    metrics = (
        Metric(
            "class_total_variation",
            "Total variation distance between the class shares of samples and real images",
            distance if enough else None,
            "low",
            "coverage",
            baseline=baseline if enough else None,
            note=note,
            extractor=reference_classifier.name,
        ),
        Metric(
            "missing_classes",
            f"Classes generated less than {RARE:g} times as often as they occur",
            float(len(missing)) if enough else None,
            "low",
            "coverage",
            baseline=float(_missing(validation, test).sum()) if enough else None,
            note=note,
            extractor=reference_classifier.name,
        ),
    )
    return Section(
        key="labels",
        title=_TITLE,
        explanation=_EXPLANATION,
        metrics=metrics,
        blocks=(
            Table(
                title="How often each class is drawn (judge)",
                header=("class", "samples", "share of samples", "share of test images", "ratio"),
                rows=tuple(
                    (name, int(n), float(p), float(q), float(p / q) if q > 0 else None)
                    for name, n, p, q in zip(names, samples, shares, real, strict=True)
                ),
                caption="Samples and real test images by the class that the judge reads in them; a "
                "ratio of 1 is as often as in reality.",
            ),
        ),
        findings=_findings(names, missing, samples, test, distance - baseline) if enough else (),
        protocols={
            "coverage": data.protocol(
                reference_classifier,
                images_per_side=count,
                subset_seed=data.seed,
                baseline="validation against test, read by the judge as the samples are",
                missing_below=RARE,
            )
        },
        notes=(_LEFT_OUT,),
    )


def _missing(drawn: Int64Array, real: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    shares, wanted = drawn / drawn.sum(), real / real.sum()
    missing: np.ndarray[tuple[int], np.dtype[np.bool_]] = shares < RARE * wanted
    return missing


def _findings(
    names: tuple[str, ...], missing: list[str], samples: Int64Array, test: Int64Array, excess: float
) -> tuple[Finding, ...]:
    if missing:
        named = ", ".join(missing[:_NAMED]) + " …" * (len(missing) > _NAMED)
        sentence = (
            f"Mode collapse: {len(missing)} of {len(names)} classes are hardly drawn, or not at "
            f"all ({named})."
        )
        return (Finding("classes-missing", "fault", sentence),)
    if excess > UNEVEN:
        ratios = (samples / samples.sum()) / np.maximum(test / test.sum(), 1e-12)
        rare, common = int(ratios.argmin()), int(ratios.argmax())
        sentence = (
            f"Every class is drawn, but not as often as it occurs: shares are {excess:.0%} of the "
            f"samples further from the real ones than real images' are ({names[rare]} "
            f"{ratios[rare]:.2f} times as often as in reality, {names[common]} "
            f"{ratios[common]:.2f} times)."
        )
        return (Finding("classes-uneven", "warning", sentence),)
    sentence = (
        f"Every class is drawn about as often as it occurs: shares are {max(excess, 0):.1%} of the "
        "samples further from the real ones than real images' are."
    )
    return (Finding("classes-covered", "good", sentence),)
