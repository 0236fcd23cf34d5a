"""The labels chapter for samples without target labels: does the model generate every class?"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.findings import Rule, first_finding, listed
from acgan.metrics.arrays import BoolArray, Int64Array
from acgan.metrics.class_coverage import class_counts, total_variation_at
from acgan.report.section import Metric, Section, Table

FEWEST = 100
"""Images per side below which no metric is given."""
RARE = 0.1
"""Ratio to the real share below which a class counts as missing."""
UNEVEN = 0.1
"""Excess over the baseline from which class shares differ noticeably."""
_CERTAIN = 10
"""Expected samples of a class from which its absence is no chance (p < 0.001)."""
_NAMED = 10

_EXPLANATION = (
    "The samples have no target labels, but the data have classes. The reference classifier, which "
    "was trained on the real training images alone, predicts the classes of samples and of real "
    "test images alike. A model that has learned its data generates each class about as often as "
    "it occurs; a model that generates only a few kinds of images omits classes (mode collapse).",
    "The total variation distance between the class shares is the share of samples that would have "
    "to belong to another class for the shares to agree: 0 means equal, 1 means no class in "
    "common. It increases by chance if there are few images, so samples and, for the baseline, "
    "validation images are compared with the test images at equal numbers. It does not measure "
    "image quality: the classifier assigns any image to a class.",
)
_OMITTED = (
    "The samples have no target labels: GAN-test accuracy, the confusion matrix, discriminability "
    "and the resolution experiment are omitted."
)
_NO_CLASSES = "The data have no classes, so class shares are omitted too."
_METRICS = {
    "class_total_variation": "Total variation distance of the class shares",
    "missing_classes": f"Classes generated less than {RARE:g} times as often as they occur",
}
_TOO_FEW = f"Requires {FEWEST} samples, validation images and test images"
_TITLE = "Classes: does the model generate every class?"


_RULES = (
    Rule(
        "classes-missing",
        "fault",
        lambda f: f.missing > 0,
        "Mode collapse: the model never or almost never generates {f.missing} of {f.classes} "
        "classes ({f.names}).",
    ),
    Rule(
        "classes-uncertain",
        "warning",
        lambda f: bool(f.uncertain),
        "The samples show few or no images of {f.uncertain}, but these classes are so rare that "
        "this may be chance; generate more samples.",
    ),
    Rule(
        "classes-uneven",
        "warning",
        lambda f: f.excess > UNEVEN,
        "The model generates every class, but not as often as it occurs: the class shares differ "
        "by {f.excess:.0%} of the samples more than the baseline. Lowest ratio to the real share: "
        "{f.rarest}; highest: {f.most_common}.",
    ),
    Rule(
        "classes-covered",
        "good",
        lambda _f: True,
        "The model generates every class about as often as it occurs: the class shares differ by "
        "{f.excess:.1%} of the samples more than the baseline.",
    ),
)


def coverage_section(data: EvaluationData) -> Section:
    """Compare the shares of the predicted classes in samples and in real images."""
    classifier = data.reference_classifier
    if classifier is None:
        return Section("labels", _TITLE, (), notes=(_OMITTED, _NO_CLASSES))
    predictions = (
        data.sample_predictions(classifier),
        data.split_predictions(classifier, "test"),
        data.split_predictions(classifier, "validation"),
    )
    samples, test, validation = (class_counts(each.logits) for each in predictions)
    names = tuple(each.name for each in data.splits.classes)
    count = int(min(samples.sum(), validation.sum()))
    enough = min(count, test.sum()) >= FEWEST
    shares, real = samples / samples.sum(), test / test.sum()
    rows = zip(names, samples, shares, real, strict=True)

    def measured(counts: Int64Array) -> tuple[float, float]:
        distance = total_variation_at(count, counts, test, seed=data.seed)
        return distance, float(_missing(counts, test).sum())

    values, baselines = measured(samples), measured(validation)
    return Section(
        key="labels",
        title=_TITLE,
        explanation=_EXPLANATION,
        metrics=tuple(
            Metric(
                measure=measure,
                title=title,
                extractor=classifier.name,
                value=value if enough else None,
                aim="low",
                protocol="coverage",
                baseline=baseline if enough else None,
                note="" if enough else _TOO_FEW,
            )
            for (measure, title), value, baseline in zip(
                _METRICS.items(), values, baselines, strict=True
            )
        ),
        blocks=(
            Table(
                title="Class shares (reference classifier)",
                header=("class", "samples", "share of samples", "share of test images", "ratio"),
                rows=tuple(
                    (name, int(n), float(p), float(q), float(p / q) if q > 0 else None)
                    for name, n, p, q in rows
                ),
                caption="Samples and real test images by predicted class; a ratio of 1 means that "
                "the class is generated as often as it occurs.",
            ),
        ),
        findings=first_finding(_RULES, _facts(names, samples, test, values[0] - baselines[0]))
        if enough
        else (),
        protocols={
            "coverage": data.protocol(
                classifier,
                images_per_side=count,
                subsets_seed=data.seed,
                baseline="validation against test images, by predicted class",
                missing_below=RARE,
            )
        },
        notes=(_OMITTED,),
    )


def _missing(generated: Int64Array, real: Int64Array) -> BoolArray:
    missing: BoolArray = generated / generated.sum() < RARE * (real / real.sum())
    return missing


def _facts(
    names: Sequence[str], samples: Int64Array, real: Int64Array, excess: float
) -> SimpleNamespace:
    few = _missing(samples, real)
    certain = samples.sum() * real / real.sum() >= _CERTAIN
    missing = [name for name, which in zip(names, few & certain, strict=True) if which]
    uncertain = [name for name, which in zip(names, few & ~certain, strict=True) if which]
    ratios = (samples / samples.sum()) / np.maximum(real / real.sum(), 1e-12)
    by_ratio = [f"{names[k]} ({ratios[k]:.2f})" for k in np.argsort(ratios, kind="stable")]
    return SimpleNamespace(
        classes=len(names),
        missing=len(missing),
        names=listed(missing, _NAMED),
        uncertain=listed(uncertain, _NAMED),
        excess=max(excess, 0),  # total variation above the baseline
        rarest=by_ratio[0],
        most_common=by_ratio[-1],
    )
