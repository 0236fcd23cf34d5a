"""Quality of samples in the features of the reference classifier, as one record per model.

Accuracy, Fréchet distance beside its real-vs-real baseline, and variance ratio: the measures by
which studies and benchmarks compare models. A bare "FID" is always computed with Inception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.data.images import LabeledImages
from acgan.evaluation.evaluation_data import EvaluationData, HeldOutSplit
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Float32Array
from acgan.metrics.frechet import SMALLEST_COUNT, Baseline, frechet_distance
from acgan.metrics.variance_ratio import variance_ratio
from acgan.report.section import defined

_OVERALL = (
    "accuracy",
    "worst_class_accuracy",
    "frechet",
    "baseline",
    "frechet_ratio",
    "mean_class_frechet",
    "variance_ratio",
    "lowest_variance_ratio",
    "highest_variance_ratio",
)
_PER_CLASS = ("class_accuracy", "class_frechet", "class_variance_ratio")


@final
@dataclass(frozen=True)
class SampleQuality:
    """Quality of samples according to one reference classifier.

    Attributes:
        classes: names of the K classes.
        accuracy: GAN-test accuracy, the share of samples classified as their target label.
        class_accuracy: the same per class, K values.
        frechet: Fréchet distance between the features of samples and real images; NaN with fewer
            than 256 images per side.
        baseline: the same between validation and test images; NaN likewise.
        class_frechet: Fréchet distance per class, K values; NaN with fewer than 256 per side.
        class_variance_ratio: per class, the summed feature variance of samples over that of real
            images, K values; NaN for a class with fewer than two images.
        confusion: number of samples by target label (row) and predicted label (column).
        protocol: extractor, counts, reference split, seeds and hashes of all values.
        notes: sentences that a reader of the values needs.
    """

    classes: tuple[str, ...]
    accuracy: float
    class_accuracy: tuple[float, ...]
    frechet: float
    baseline: float
    class_frechet: tuple[float, ...]
    class_variance_ratio: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    protocol: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def worst_class_accuracy(self) -> float:
        """The lowest accuracy of a class."""
        return float(np.nanmin(self.class_accuracy))

    @property
    def frechet_ratio(self) -> float:
        """Fréchet distance over its real-vs-real baseline."""
        return self.frechet / self.baseline if self.baseline > 0 else math.nan

    @property
    def mean_class_frechet(self) -> float:
        """Mean of the Fréchet distances per class ("intra-class" in the literature)."""
        return _over_defined(np.mean, self.class_frechet)

    @property
    def variance_ratio(self) -> float:
        """Mean of the variance ratios per class."""
        return _over_defined(np.mean, self.class_variance_ratio)

    @property
    def lowest_variance_ratio(self) -> float:
        """Variance ratio of the least diverse class."""
        return _over_defined(np.min, self.class_variance_ratio)

    @property
    def highest_variance_ratio(self) -> float:
        """Variance ratio of the most diverse class."""
        return _over_defined(np.max, self.class_variance_ratio)

    def to_json(self) -> dict[str, Any]:
        """Return values that JSON can hold; undefined ones are None."""
        return {
            **{name: defined(getattr(self, name)) for name in _OVERALL},
            **{
                name: dict(zip(self.classes, map(defined, getattr(self, name)), strict=True))
                for name in _PER_CLASS
            },
            "confusion": [list(row) for row in self.confusion],
            "protocol": self.protocol,
            "notes": list(self.notes),
        }


def measure_quality(data: EvaluationData, reference: HeldOutSplit = "test") -> SampleQuality:
    """Measure samples against real images.

    Args:
        data: samples, real splits and the reference classifier; quoted values use 1,000 samples
            per class.
        reference: split to compare with: ``test``, or ``validation`` while choosing a recipe.

    Raises:
        DataError: the samples have another size than the real images.
    """
    classifier, target_labels = data.required_reference_classifier, data.sample_set.target_labels
    real: LabeledImages = getattr(data.splits, reference)
    names = tuple(each.name for each in real.classes)
    predictions = data.sample_predictions(classifier)
    features = predictions.features
    real_features = data.split_predictions(classifier, reference).features
    baseline = data.frechet_baseline(classifier)
    agreement = class_agreement(predictions.logits, target_labels)
    ratios = variance_ratio(features, target_labels, real_features, real.labels, len(names))
    return SampleQuality(
        classes=names,
        accuracy=agreement.overall,
        class_accuracy=tuple(agreement.per_class.tolist()),
        frechet=_frechet(features, real_features),
        baseline=baseline.distance,
        class_frechet=tuple(
            _frechet(features[target_labels == label], real_features[real.labels == label])
            for label in range(len(names))
        ),
        class_variance_ratio=tuple(ratios.tolist()),
        confusion=tuple(tuple(row) for row in agreement.confusion.tolist()),
        protocol=_protocol(data, reference, baseline),
        notes=tuple(_notes(len(features), ratios.tolist(), real, baseline)),
    )


def _frechet(samples: Float32Array, real: Float32Array) -> float:
    enough = min(len(samples), len(real)) >= SMALLEST_COUNT
    return frechet_distance(samples, real) if enough else math.nan


def _protocol(data: EvaluationData, reference: HeldOutSplit, baseline: Baseline) -> dict[str, Any]:
    classifier = data.required_reference_classifier
    real: LabeledImages = getattr(data.splits, reference)
    counts = np.bincount(data.sample_set.target_labels, minlength=len(real.classes)).tolist()
    return {
        "extractor": f"reference classifier, {classifier.network.head.in_features} pooled "
        "penultimate features",
        "samples": sum(counts),
        "samples_per_class": counts,
        "reference": reference,
        "reference_images": len(real),
        "reference_hash": real.content_hash,
        "resize": "none: samples and real images have the reference classifier's input size",
        "baseline": "validation against test images, mean over subsets of the larger split",
        "baseline_images_per_side": baseline.count,
        "baseline_subsets": baseline.subsets,
        "baseline_seed": baseline.seed,
        "reference_classifier_accuracy": {
            "validation": data.reference_accuracy("validation"),
            "test": data.reference_accuracy("test"),
        },
        "reference_classifier_train_hash": classifier.record.train_hash,
        "reference_classifier_train_images": classifier.record.train_images,
        "reference_classifier_seed": classifier.record.seed,
        "reference_classifier_weights_hash": classifier.weights_hash(),
    }


def _notes(
    samples: int, ratios: list[float], real: LabeledImages, baseline: Baseline
) -> Iterator[str]:
    least = min(samples, len(real))
    needs = f"at least {SMALLEST_COUNT} are needed"
    if least < SMALLEST_COUNT:
        yield f"no Fréchet distance: {least} images per side, {needs}"
    if baseline.count < SMALLEST_COUNT:
        yield f"no baseline: {baseline.count} images per side, {needs}"
    named = zip(real.classes, ratios, strict=True)
    if undefined := [each.name for each, ratio in named if math.isnan(ratio)]:
        yield f"no variance ratio: fewer than two images of {', '.join(undefined)}"


def _over_defined(summary: Callable[[Any], Any], values: tuple[float, ...]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(summary(known)) if known else math.nan
