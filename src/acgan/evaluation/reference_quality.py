"""The figures by which models are told apart here, each from samples, a judge and real parts.

Accuracy, Fréchet distance beside its floor, and variance ratio, all in the features of one judge.
The names say so: a bare "FID" is only ever Inception's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.data.images import Images, Labels
from acgan.errors import DataError
from acgan.evaluation.evaluation_data import Reference
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Float32Array
from acgan.metrics.frechet import SMALLEST_COUNT, frechet_distance
from acgan.metrics.variance_ratio import variance_ratio


@final
@dataclass(frozen=True)
class JudgedQuality:
    """How good samples are, in the eyes of one judge.

    Attributes:
        classes: names of the K classes.
        accuracy: share of samples that the judge reads as the class asked for.
        class_accuracy: the same per class, K values.
        frechet: Fréchet distance between the judge's features of the samples and of the real
            part; NaN with fewer than 256 images on a side.
        baseline: the same between two real parts; NaN likewise.
        class_frechet: Fréchet distance per class, K values; NaN where a side has fewer than 256.
        class_variance_ratio: per class, the summed feature variance of samples over that of real
            images, K values; NaN where a class has fewer than two images.
        confusion: samples by asked class (row) and seen class (column).
        protocol: extractor, counts, reference part, seeds and hashes behind every figure.
        notes: sentences that a reader of the figures needs.
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
        """The Fréchet distance in units of its floor."""
        return self.frechet / self.baseline if self.baseline > 0 else math.nan

    @property
    def mean_class_frechet(self) -> float:
        """Mean of the classes' Fréchet distances, "intra-class" in the literature."""
        return _over_defined(np.mean, self.class_frechet)

    @property
    def variance_ratio(self) -> float:
        """Mean of the classes' ratios."""
        return _over_defined(np.mean, self.class_variance_ratio)

    @property
    def lowest_variance_ratio(self) -> float:
        """The least varied class's ratio."""
        return _over_defined(np.min, self.class_variance_ratio)

    @property
    def highest_variance_ratio(self) -> float:
        """The most varied class's ratio."""
        return _over_defined(np.max, self.class_variance_ratio)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not defined is None."""
        names = self.classes
        return {
            "accuracy": self.accuracy,
            "worst_class_accuracy": self.worst_class_accuracy,
            "frechet": _plain(self.frechet),
            "baseline": _plain(self.baseline),
            "frechet_ratio": _plain(self.frechet_ratio),
            "mean_class_frechet": _plain(self.mean_class_frechet),
            "variance_ratio": _plain(self.variance_ratio),
            "lowest_variance_ratio": _plain(self.lowest_variance_ratio),
            "highest_variance_ratio": _plain(self.highest_variance_ratio),
            "class_accuracy": dict(zip(names, map(_plain, self.class_accuracy), strict=True)),
            "class_frechet": dict(zip(names, map(_plain, self.class_frechet), strict=True)),
            "class_variance_ratio": dict(
                zip(names, map(_plain, self.class_variance_ratio), strict=True)
            ),
            "confusion": [list(row) for row in self.confusion],
            "protocol": self.protocol,
            "notes": list(self.notes),
        }


def judge_samples(samples: Images, target_labels: Labels, against: Reference) -> JudgedQuality:
    """Measure samples against real images.

    Args:
        samples: uint8 (N, C, H, W); figures that others quote take 1 000 of each class.
        target_labels: int64 (N,), the class asked for, in [0, K), in the data's label order.
        against: the real side.

    Raises:
        DataError: the samples are of another size than the real images, or there are none.
    """
    if target_labels.shape != samples.shape[:1]:
        raise ValueError(
            f"{len(samples)} samples, {target_labels.shape} classes; they must be as many"
        )
    if not len(samples):
        raise DataError("there are no samples to judge; draw at least one")
    real, names = against.real, tuple(each.name for each in against.real.classes)
    predictions = against.reference_classifier.predict(samples)
    agreement = class_agreement(predictions.logits, target_labels)
    ratios = variance_ratio(
        predictions.features, target_labels, against.features, real.labels, len(names)
    )
    return JudgedQuality(
        classes=names,
        accuracy=agreement.overall,
        class_accuracy=tuple(agreement.per_class.tolist()),
        frechet=_frechet(predictions.features, against.features),
        baseline=against.baseline,
        class_frechet=tuple(
            _frechet(
                predictions.features[target_labels == label], against.features[real.labels == label]
            )
            for label in range(len(names))
        ),
        class_variance_ratio=tuple(ratios.tolist()),
        confusion=tuple(tuple(row) for row in agreement.confusion.tolist()),
        protocol=_protocol(np.bincount(target_labels, minlength=len(names)).tolist(), against),
        notes=tuple(_notes(len(samples), ratios.tolist(), against)),
    )


def _frechet(samples: Float32Array, real: Float32Array) -> float:
    enough = min(len(samples), len(real)) >= SMALLEST_COUNT
    return frechet_distance(samples, real) if enough else math.nan


def _protocol(target_labels: list[int], against: Reference) -> dict[str, Any]:
    reference_classifier = against.reference_classifier
    return {
        "extractor": f"judge, {reference_classifier.network.head.in_features} pooled "
        "penultimate features",
        "samples": sum(target_labels),
        "samples_per_class": target_labels,
        "reference": against.part,
        "reference_images": len(against.real),
        "reference_hash": against.real.content_hash,
        "resize": "none: samples and real images are compared at the judge's own size",
        "baseline": "validation against test, mean over subsets of the larger",
        "baseline_images_per_side": against.baseline_count,
        "baseline_subsets": against.baseline_subsets,
        "baseline_seed": against.baseline_seed,
        "reference_classifier_accuracy": dict(against.accuracy),
        "reference_classifier_train_hash": reference_classifier.record.train_hash,
        "reference_classifier_train_images": reference_classifier.record.train_images,
        "reference_classifier_seed": reference_classifier.record.seed,
        "reference_classifier_weights_hash": reference_classifier.weights_hash(),
    }


def _notes(samples: int, ratios: list[float], against: Reference) -> list[str]:
    notes = []
    least = min(samples, len(against.real))
    if least < SMALLEST_COUNT:
        notes.append(
            f"no Fréchet distance: {least} images on a side, it takes at least {SMALLEST_COUNT}"
        )
    if against.baseline_count < SMALLEST_COUNT:
        notes.append(
            f"no floor: {against.baseline_count} images on a side, it takes at least "
            f"{SMALLEST_COUNT}"
        )
    undefined = [
        each.name
        for each, ratio in zip(against.real.classes, ratios, strict=True)
        if math.isnan(ratio)
    ]
    if undefined:
        notes.append(f"no variance ratio: fewer than two images of {', '.join(undefined)}")
    return notes


def _over_defined(summary: Any, values: tuple[float, ...]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(summary(defined)) if defined else math.nan


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
