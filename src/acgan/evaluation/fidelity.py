"""The fidelity chapter: how close are the samples to real images that were not trained on?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.evaluation_data import EvaluationData, FeatureSets
from acgan.evaluation.fidelity_findings import fidelity_findings, reconciled
from acgan.evaluation.origin import trained_on_features_of
from acgan.metrics.frechet import Baseline, baseline_subsets, frechet_distance, smallest_count
from acgan.metrics.inception_score import SMALLEST_SCORE_COUNT, classifier_score
from acgan.metrics.kid import SMALLEST_KERNEL_COUNT, kernel_distance
from acgan.metrics.prdc import NEIGHBORS, SMALLEST_MANIFOLD_COUNT, Manifold, ball_radii, manifold
from acgan.plots.charts import class_bars
from acgan.plots.text import class_labels
from acgan.report.section import LEVELS, Aim, Finding, ImageBlock, Metric, Section, Table, defined

REPLICATES = 300
"""Bootstrap replicates behind the kernel distance's interval."""
_SHARES_DIFFER = 0.05  # of the images: class shares that change overall metrics noticeably
_MOST_BARS = 40
_PHOTOGRAPH_SIDE = 64  # pixels; networks for photographs see smaller images enlarged

_EXPLANATION = (
    "Each network below maps images to feature vectors, and the metrics compare the samples with "
    "the real test images there. The reference classifier was trained on the real training images "
    "of this data set; other networks were trained on photographs and respond to other properties. "
    "Values of different networks or of different data are not comparable. The baseline is the "
    "same metric with real validation images in place of the samples: the value of a perfect "
    "model, at the same number of images wherever the number matters.",
    "The Fréchet distance (Heusel et al. 2017) models both sets of features as Gaussians and "
    "measures the distance between them. It is 0 for equal sets and decreases with the number of "
    "images, so the baseline is above 0. It is called FID only with Inception's features. It "
    "ignores everything beyond mean and covariance, and a model that reproduces the training "
    "images has an excellent one.",
    "The kernel inception distance (KID; Bińkowski et al. 2018) tests whether images of one set "
    "are more similar to each other than to those of the other set. It assumes no Gaussian and is "
    "unbiased for any number of images: equal sets give 0 on average and may give less. Sets with "
    "exactly balanced classes are more even than random ones, hence baselines slightly below 0. "
    "The 95 % interval states the uncertainty from the choice of images; if it includes the "
    "baseline, this metric cannot tell the samples from real images.",
    "The inception score (Salimans et al. 2016) is high if the network assigns each sample to one "
    "class with confidence and if all classes occur; its maximum is the number of classes that the "
    "network knows. It never uses real images: one clear image per class has a perfect score. Give "
    "it the least weight.",
    "Precision and recall (Kynkäänniemi et al. 2019) surround each image with a ball that reaches "
    f"its {NEIGHBORS}-th nearest neighbor in its own set. Precision is the share of samples inside "
    "a ball of a real image: are they realistic? Recall is the share of real images inside a ball "
    "of a sample: are they diverse? A few outliers with huge balls may raise both. Density (Naeem "
    "et al. 2020) therefore counts the real balls around a sample; it is 1 for real images and "
    "above 1 for samples that crowd around typical images. Coverage is the share of real images "
    "with a sample in their own ball.",
    "Values per class compare the samples with this target label with the real images of the "
    "class (for the score: how much these samples add). A model that is close to real images "
    "overall and far from them per class generates good images under wrong labels.",
)

Pair = tuple[float, float]
"""A metric of the samples, and of real images in their place; NaN if undefined."""
_UNDEFINED: Pair = (math.nan, math.nan)

_MEASURES: dict[str, tuple[str, Aim]] = {
    "frechet_distance": ("Fréchet distance", "low"),
    # An unbiased estimate: its baseline lies on either side of 0.
    "kernel_inception_distance": ("Kernel inception distance, KID", "baseline"),
    "inception_score": ("Inception score", "high"),
    "precision": ("Precision", "high"),
    "recall": ("Recall", "high"),
    "density": ("Density", "baseline"),
    "coverage": ("Coverage", "high"),
}
"""Title and aim by measure."""
_PRDC = ("precision", "recall", "density", "coverage")
"""The measures that share a protocol."""


def fidelity_section(data: EvaluationData, extractors: Sequence[Extractor]) -> Section:
    """Measure fidelity in the features of every extractor, overall and per class.

    Args:
        data: samples and real splits.
        extractors: the most important first; only its distances may be faults.
    """
    names = data.group_names if data.sample_set.conditional else ()
    metrics: list[Metric] = []
    blocks: list[Table | ImageBlock] = []
    findings: dict[str, Sequence[Finding]] = {}
    protocols: dict[str, dict[str, Any]] = {}
    notes = (
        [] if names else ["The samples have no target labels, so there are no values per class."]
    )
    for done, extractor in enumerate(extractors):
        data.progress("fidelity", done, len(extractors))
        found, made = measured(data, extractor)
        frechet = found["frechet_distance"]
        features = data.split_predictions(extractor, "test").features
        findings[extractor.name] = fidelity_findings(
            names,
            found,
            extractor=extractor.name,
            spread=float(features.astype(np.float64).var(axis=0).sum()),
            decisive=done == 0 and data.fallback_extractor is None,
        )
        if frechet.per_class:
            counts = made[frechet.protocol]["images_per_side_per_class"]
            blocks += _class_blocks(names, frechet, counts)
        elif names and frechet.value is not None:
            width = features.shape[1]
            notes.append(
                f"No Fréchet distance per class ({extractor.name}): the covariance of {width:,} "
                f"features requires {smallest_count(width):,} images of a class per side; the "
                "kernel inception distance requires few."
            )
        metrics += found.values()
        protocols |= made
    data.progress("fidelity", len(extractors), len(extractors))
    if names:
        samples = np.bincount(data.sample_set.target_labels, minlength=len(names))
        test = data.splits.test.class_counts
        difference = 0.5 * np.abs(samples / samples.sum() - test / test.sum()).sum()
        if difference > _SHARES_DIFFER:
            notes.append(
                f"The class shares of samples and test images differ (by {difference:.0%} of the "
                "images). This changes the overall values, but not those per class."
            )
    trusted, reason = _trusted(data, [each.name for each in extractors])
    sentences = [each for some in findings.values() for each in some]
    sentences += reconciled(findings, trusted=trusted, reason=reason)
    return Section(
        key="fidelity",
        title="Fidelity: how close are the samples to real images?",
        explanation=_EXPLANATION,
        metrics=tuple(metrics),
        blocks=tuple(blocks),
        findings=tuple(sorted(sentences, key=lambda each: LEVELS.index(each.level))),
        protocols=protocols,
        notes=tuple(notes),
    )


def _trusted(data: EvaluationData, names: Sequence[str]) -> tuple[str, str]:
    """Return the extractor that decides if two disagree, and the reason, a clause."""
    model = data.sample_set.model
    if data.reference_classifier is None:
        return names[0], "neither was trained on this data, so compare the images by eye too"
    own = data.reference_classifier.name
    others = [name for name in names if name != own]
    if model is not None and others and trained_on_features_of(model.config, own):
        return others[0], f"the model was trained to match features like those of {own}"
    shape = data.splits.shape
    if shape.channels == 1 or min(shape.height, shape.width) < _PHOTOGRAPH_SIDE:
        kind = "gray" if shape.channels == 1 else "small"
        return own, (
            f"it was trained on the classes of this data, the others on large color photographs, "
            f"and in {kind} images of {shape} they respond to every edge and blur"
        )
    return own, (
        "it was trained on the classes of this data; the others were trained on photographs and "
        "respond to texture and background too, so look at both in the images"
    )


def measured(
    data: EvaluationData, extractor: Extractor
) -> tuple[dict[str, Metric], dict[str, dict[str, Any]]]:
    """Return the metrics by measure, and their protocols by key.

    The overall Fréchet distance compares all samples with all test images, its baseline all images
    of the smaller real split with subsets of the larger. All other values that depend on the
    number of images compare sets of equal size.
    """
    predictions = (
        data.sample_predictions(extractor),
        data.split_predictions(extractor, "test"),
        data.split_predictions(extractor, "validation"),
    )
    labels = (data.sample_set.target_labels, data.splits.test.labels, data.splits.validation.labels)
    whole = FeatureSets(*(each.features for each in predictions))
    groups = [whole]
    for index in range(len(data.group_names) if data.sample_set.conditional else 0):
        sides = zip(predictions, labels, strict=True)
        groups.append(FeatureSets(*(p.features[each == index] for p, each in sides)))
    equal = [
        each.equal(SMALLEST_MANIFOLD_COUNT, seed=(data.seed, index))
        for index, each in enumerate(groups)
    ]
    results = {
        "frechet_distance": _frechet(groups, data.frechet_baseline(extractor), data.seed),
        "kernel_inception_distance": _kernel(groups, equal, data.seed),
        "inception_score": _score(data, extractor, len(groups) - 1),
        **_prdc(equal),
    }
    base = data.protocol(
        extractor,
        baseline="validation images against test images",
        validation_images=len(data.splits.validation),
        validation_hash=data.splits.validation.content_hash,
        features=whole.test.shape[1],
    )
    metrics = {key: _metric(key, extractor.name, each) for key, each in results.items()}
    protocols = {metrics[key].protocol: base | each.protocol for key, each in results.items()}
    return metrics, protocols


@final
@dataclass(frozen=True)
class _Result:
    """Values of one measure (all images, then each class) and the images that they require."""

    pairs: Sequence[Pair]
    fewest: int
    protocol: dict[str, Any]
    interval: tuple[float, float] | None = None
    note: str = ""


def _frechet(groups: Sequence[FeatureSets], baseline: Baseline, seed: int) -> _Result:
    whole, *classes = groups
    fewest = smallest_count(whole.test.shape[1])
    value = frechet_distance(whole.samples, whole.test) if whole.enough(fewest) else math.nan
    of_class = [_equal_frechet(each, fewest, (seed, k)) for k, each in enumerate(classes)]
    return _Result(
        [(value, baseline.distance), *(pair for pair, _ in of_class)],
        fewest,
        {
            "covariance": "unbiased (N − 1), float64",
            "overall": "all samples against all test images",
            "baseline_images_per_side": baseline.count,
            "baseline_subsets": baseline.subsets,
            "per_class": "random subsets of equal size of samples, test and validation images",
            "images_per_side_per_class": [count for _, count in of_class],
            "subsets_per_class": baseline_subsets(whole.test.shape[1]),
        },
    )


def _equal_frechet(sides: FeatureSets, fewest: int, seed: tuple[int, ...]) -> tuple[Pair, int]:
    """Return the means over equal subsets of samples and of validation against test images."""
    samples, test, validation = sides.counts
    subsets = 1 if samples == test == validation else baseline_subsets(sides.test.shape[1])
    pairs, count = [], 0
    for subset in range(subsets):
        equal = sides.equal(fewest, seed=(*seed, subset))
        if equal is None:
            return _UNDEFINED, 0
        count, has_baseline = len(equal.test), len(equal.validation) > 0
        baseline = frechet_distance(equal.validation, equal.test) if has_baseline else math.nan
        pairs.append((frechet_distance(equal.samples, equal.test), baseline))
    value, mean_baseline = np.mean(pairs, axis=0)
    return (value, mean_baseline), count


def _kernel(
    groups: Sequence[FeatureSets], equal: Sequence[FeatureSets | None], seed: int
) -> _Result:
    """Compare all images, since the estimate is unbiased; the baseline compares equal subsets."""
    pairs: list[Pair] = []
    interval = None
    for index, (sides, subsets) in enumerate(zip(groups, equal, strict=True)):
        value, baseline = _UNDEFINED
        if sides.enough(SMALLEST_KERNEL_COUNT):
            replicates = 0 if index else REPLICATES
            estimate = kernel_distance(sides.samples, sides.test, replicates=replicates, seed=seed)
            value, interval = estimate.value, estimate.interval or interval
        if subsets is not None and len(subsets.validation):
            baseline = kernel_distance(subsets.validation, subsets.test).value
        pairs.append((value, baseline))
    return _Result(
        pairs,
        SMALLEST_KERNEL_COUNT,
        {
            "kernel": "(x·y / features + 1)³",
            "estimate": "unbiased, over all pairs of all samples and all test images",
            "interval": "95 %, bootstrap over images, pairs of duplicates left out",
            "replicates": REPLICATES,
            "baseline_images_per_side": 0 if equal[0] is None else len(equal[0].test),
        },
        interval,
    )


def _score(data: EvaluationData, extractor: Extractor, classes: int) -> _Result:
    """Score samples and test images, equally many."""
    sides = (
        (data.sample_predictions(extractor).logits, data.sample_set.target_labels),
        (data.split_predictions(extractor, "test").logits, data.split_groups("test")),
    )
    count = min(len(logits) for logits, _ in sides)
    pairs = [_UNDEFINED] * (classes + 1)
    if count < SMALLEST_SCORE_COUNT:
        count = 0
    else:
        scores = []
        for logits, labels in sides:
            chosen = np.random.default_rng(data.seed).permutation(len(labels))[:count]
            score = classifier_score(logits[chosen], labels[chosen], max(classes, 1))
            scores.append([score.overall, *score.per_class[:classes]])
        pairs = list(zip(*scores, strict=True))
    known_classes = sides[0][0].shape[1]
    return _Result(
        pairs,
        SMALLEST_SCORE_COUNT,
        {
            "baseline": "the score of as many real test images",
            "splits": 1,
            "images": count,
            "known_classes": known_classes,
        },
        note=f"At most {known_classes:,}; the baseline is the score of real test images",
    )


def _prdc(equal: Sequence[FeatureSets | None]) -> dict[str, _Result]:
    manifolds = [(None, None) if each is None else _manifolds(each) for each in equal]
    counts = [0 if each is None else len(each.test) for each in equal]
    protocol = {
        "k": NEIGHBORS,
        "balls": "closed; the point itself is not among its neighbors",
        "subsets": "random, of equal size of samples, test and validation images",
        "images_per_side": counts[0],
        "images_per_side_per_class": counts[1:],
    }
    return {
        measure: _Result(
            [(getattr(a, measure, math.nan), getattr(b, measure, math.nan)) for a, b in manifolds],
            SMALLEST_MANIFOLD_COUNT,
            protocol,
        )
        for measure in _PRDC
    }


def _manifolds(equal: FeatureSets) -> tuple[Manifold, Manifold | None]:
    radii = ball_radii(equal.test)
    samples = manifold(equal.samples, equal.test, real_radii=radii)
    if not len(equal.validation):
        return samples, None
    return samples, manifold(equal.validation, equal.test, real_radii=radii)


def _metric(measure: str, extractor: str, result: _Result) -> Metric:
    (value, baseline), *classes = [(defined(a), defined(b)) for a, b in result.pairs]
    values, baselines = ([pair[side] for pair in classes] for side in (0, 1))
    images = f"at least {result.fewest:,}"
    missing = []
    if value is None:
        missing.append(f"Requires {images} samples and {images} test images")
    elif baseline is None:
        missing.append(f"The baseline requires {images} validation images")
    if value is not None and None in values:
        missing.append(f"A class requires {images} samples and {images} test images")
    elif baseline is not None and None in baselines:
        missing.append(f"The baseline of a class requires {images} validation images of it")
    known = any(each is not None for each in values)
    known_baseline = known and any(each is not None for each in baselines)
    title, aim = _MEASURES[measure]
    is_fid = measure == "frechet_distance" and extractor.startswith("inception")
    return Metric(
        measure=measure,
        title="FID" if is_fid else title,
        extractor=extractor,
        value=value,
        aim=aim,
        protocol=f"{'prdc' if measure in _PRDC else measure}[{extractor}]",
        baseline=baseline,
        interval=result.interval,
        per_class=tuple(values) if known else (),
        per_class_baseline=tuple(baselines) if known_baseline else (),
        note="; ".join([result.note] * bool(result.note and value is not None) + missing),
    )


def _class_blocks(
    classes: Sequence[str], frechet: Metric, counts: Sequence[int]
) -> list[Table | ImageBlock]:
    """Return a chart and a table of the Fréchet distance per class.

    Args:
        classes: their names.
        frechet: the distance, with values per class.
        counts: images per side of each class.
    """
    baselines = frechet.per_class_baseline or (None,) * len(classes)
    rows = [
        (name, value, baseline, _ratio(value, baseline), images)
        for name, value, baseline, images in zip(
            classes, frechet.per_class, baselines, counts, strict=True
        )
    ]
    overall = (frechet.value, frechet.baseline, _ratio(frechet.value, frechet.baseline))
    shown = sorted(np.argsort([-(row[1] or 0.0) for row in rows], kind="stable")[:_MOST_BARS])
    labels = class_labels(classes)
    chart = class_bars(
        [labels[index] for index in shown],
        {"samples": [frechet.per_class[index] for index in shown]},
        axis=f"Fréchet distance ({frechet.extractor})",
        baseline=[baselines[index] for index in shown],
    )
    most = f" The {_MOST_BARS} farthest classes are shown." if len(classes) > _MOST_BARS else ""
    title = f"Fréchet distance per class ({frechet.extractor})"
    return [
        ImageBlock(
            title=title,
            png=chart,
            caption="Each bar is the distance between the samples of a class and its real test "
            "images; the tick is the real-vs-real baseline of the class. A bar that ends at its "
            "tick is as good as possible. A much longer bar is a class that the model has not "
            f"learned or generates under another label.{most}",
        ),
        Table(
            title=f"{title}, with Fréchet ratios",
            header=("class", "distance", "baseline", "Fréchet ratio", "images per side"),
            rows=(("all", *overall, None), *rows),
            caption="The Fréchet ratio is the distance divided by its baseline. Classes are "
            "compared at equal numbers of images, which are smaller than overall; their baselines "
            "are therefore higher.",
        ),
    ]


def _ratio(value: float | None, baseline: float | None) -> float | None:
    return value / baseline if value is not None and baseline else None
