"""Fidelity metrics in the features of one extractor, overall and per class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.classifiers.extractor import Extractor, Predictions
from acgan.evaluation.evaluation_data import EvaluationData, FeatureSets
from acgan.metrics.frechet import (
    baseline_subsets,
    frechet_baseline,
    frechet_distance,
    smallest_count,
)
from acgan.metrics.inception_score import SMALLEST_SCORE_COUNT, classifier_score
from acgan.metrics.kid import SMALLEST_KERNEL_COUNT, kernel_distance
from acgan.metrics.prdc import SMALLEST_MANIFOLD_COUNT, Manifold, ball_radii, manifold
from acgan.report.section import defined

REPLICATES = 300
"""Of the bootstrap behind the kernel distance's interval."""


Pair = tuple[float | None, float | None]
"""A measure of the samples, and of real images in their place; None where it cannot be given."""


@final
@dataclass(frozen=True)
class Beside:
    """A measure beside its floor, overall and per class.

    Attributes:
        value: over all samples.
        baseline: of real images in place of the samples.
        per_class: one value a class.
        per_class_baseline: likewise.
    """

    value: float | None
    baseline: float | None
    per_class: tuple[float | None, ...]
    per_class_baseline: tuple[float | None, ...]


@final
@dataclass(frozen=True)
class Measured:
    """All measures in the features of one extractor; None is what too few images forbid.

    Attributes:
        extractor: its name.
        features: how many it has.
        known_classes: how many its logits tell apart.
        spread: total variance of the real test images' features, the measure of all distances.
        frechet: Fréchet distance.
        kernel: kernel distance.
        kernel_interval: 95 % interval of its overall value.
        score: Inception-style score; the floor is that of the test images.
        precision: share of samples that lie among real images.
        recall: share of real images that lie among samples.
        density: real balls around a sample, over k.
        coverage: share of real images that have a sample near.
        baseline_count: images a side of the overall Fréchet floor.
        baseline_subsets: subsets over which that is averaged.
        score_count: images that are scored.
        class_counts: images a side of a class's Fréchet distance, 0 where there is none.
        manifold_count: images a side of precision, recall, density, coverage and KID's floor.
        manifold_counts: the same per class.
    """

    extractor: str
    features: int
    known_classes: int
    spread: float
    frechet: Beside
    kernel: Beside
    kernel_interval: tuple[float, float] | None
    score: Beside
    precision: Beside
    recall: Beside
    density: Beside
    coverage: Beside
    baseline_count: int
    baseline_subsets: int
    score_count: int
    class_counts: tuple[int, ...]
    manifold_count: int
    manifold_counts: tuple[int, ...]


def measured(data: EvaluationData, extractor: Extractor) -> Measured:
    """Measure everything.

    The overall Fréchet distance holds all samples against all test images, its floor all of the
    smaller real part against subsets of the larger: the same figures as
    `acgan.evaluation.evaluation_data`'s. All else that depends on counts is taken at equal ones.
    """
    predicted, test, validation = (
        data.sample_predictions(extractor),
        data.split_predictions(extractor, "test"),
        data.split_predictions(extractor, "validation"),
    )
    whole = FeatureSets(predicted.features, test.features, validation.features)
    splits, seed = data.splits, data.seed
    classes = [
        FeatureSets(
            predicted.features[data.sample_set.target_labels == index],
            test.features[splits.test.labels == index],
            validation.features[splits.validation.labels == index],
        )
        for index in range(_class_count(data))
    ]
    width = whole.test.shape[1]
    baseline = frechet_baseline(whole.validation, whole.test, seed=seed)
    of_class = [_equal_frechet(each, (seed, index)) for index, each in enumerate(classes)]
    overall: Pair = (None, defined(baseline.distance))
    if whole.enough(smallest_count(width)):
        overall = frechet_distance(whole.samples, whole.test), overall[1]
    near = [
        each.equal(SMALLEST_MANIFOLD_COUNT, seed=(seed, index))
        for index, each in enumerate([whole, *classes])
    ]
    manifolds = [(None, None) if each is None else _manifolds(each) for each in near]
    counts = tuple(0 if each is None else len(each.test) for each in near)
    kernel, interval = _kernel(data, [whole, *classes], near)
    score, score_count = _score(data, predicted, test)
    return Measured(
        extractor=extractor.name,
        features=width,
        known_classes=predicted.logits.shape[1],
        spread=float(whole.test.astype(np.float64).var(axis=0).sum()),
        frechet=_beside([overall, *(pair for pair, _ in of_class)]),
        kernel=kernel,
        kernel_interval=interval,
        score=score,
        precision=_of_manifolds(manifolds, lambda each: each.precision),
        recall=_of_manifolds(manifolds, lambda each: each.recall),
        density=_of_manifolds(manifolds, lambda each: each.density),
        coverage=_of_manifolds(manifolds, lambda each: each.coverage),
        baseline_count=baseline.count,
        baseline_subsets=baseline.draws,
        score_count=score_count,
        class_counts=tuple(count for _, count in of_class),
        manifold_count=counts[0],
        manifold_counts=counts[1:],
    )


def _class_count(data: EvaluationData) -> int:
    """Classes that figures are given of: none where none was asked for."""
    return len(data.group_names) if data.sample_set.conditional else 0


def _equal_frechet(sides: FeatureSets, seed: tuple[int, ...]) -> tuple[Pair, int]:
    """Mean over equal subsets, of samples and of validation against the same test images."""
    width, (samples, test, validation) = sides.test.shape[1], sides.counts
    least = smallest_count(width)
    if not sides.enough(least):
        return (None, None), 0
    draws = 1 if samples == test == validation else baseline_subsets(width)
    pairs, count = [], 0
    for draw in range(draws):
        equal = sides.equal(least, seed=(*seed, draw))
        assert equal is not None  # there are enough
        count = len(equal.test)
        baseline = (
            frechet_distance(equal.validation, equal.test) if len(equal.validation) else np.nan
        )
        pairs.append((frechet_distance(equal.samples, equal.test), baseline))
    value, mean_baseline = np.mean(pairs, axis=0)
    return (float(value), defined(mean_baseline)), count


def _kernel(
    data: EvaluationData, groups: Sequence[FeatureSets], near: Sequence[FeatureSets | None]
) -> tuple[Beside, tuple[float, float] | None]:
    """Of all images, since it does not depend on their number; the floor at equal counts."""
    pairs: list[Pair] = []
    interval = None
    for sides, equal in zip(groups, near, strict=True):
        value = baseline = None
        if sides.enough(SMALLEST_KERNEL_COUNT):
            estimate = kernel_distance(
                sides.samples,
                sides.test,
                replicates=REPLICATES if sides is groups[0] else 0,
                seed=data.seed,
            )
            value = estimate.value
            interval = estimate.interval or interval
        if equal is not None and len(equal.validation):
            baseline = kernel_distance(equal.validation, equal.test).value
        pairs.append((value, baseline))
    return _beside(pairs), interval


def _manifolds(equal: FeatureSets) -> tuple[Manifold, Manifold | None]:
    radii = ball_radii(equal.test)
    samples = manifold(equal.samples, equal.test, real_radii=radii)
    if not len(equal.validation):
        return samples, None
    return samples, manifold(equal.validation, equal.test, real_radii=radii)


def _of_manifolds(
    manifolds: Sequence[tuple[Manifold | None, Manifold | None]],
    measure: Callable[[Manifold], float],
) -> Beside:
    def of(each: Manifold | None) -> float | None:
        return None if each is None else measure(each)

    return _beside([(of(samples), of(real)) for samples, real in manifolds])


def _score(data: EvaluationData, predicted: Predictions, test: Predictions) -> tuple[Beside, int]:
    """Of samples and of test images, at equal counts."""
    count, classes = min(len(predicted.logits), len(test.logits)), _class_count(data)
    if count < SMALLEST_SCORE_COUNT:
        return _beside([(None, None)] * (classes + 1)), 0
    scores = []
    for predictions, labels in (
        (predicted, data.sample_set.target_labels),
        (test, data.split_groups("test")),
    ):
        chosen = np.random.default_rng(data.seed).permutation(len(labels))[:count]
        scores.append(classifier_score(predictions.logits[chosen], labels[chosen], max(classes, 1)))
    samples, real = scores
    per_class = zip(samples.per_class[:classes], real.per_class[:classes], strict=True)
    pairs = [(samples.overall, real.overall), *per_class]
    return _beside([(defined(value), defined(baseline)) for value, baseline in pairs]), count


def _beside(pairs: Sequence[Pair]) -> Beside:
    """Overall first, then the classes."""
    values, frechet_ratio = zip(*pairs, strict=True)
    return Beside(values[0], frechet_ratio[0], tuple(values[1:]), tuple(frechet_ratio[1:]))
