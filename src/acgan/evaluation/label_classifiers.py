"""Classifiers that predict the class of an image, and their accuracy on samples and real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from acgan.classifiers.extractor import Extractor, Predictions
from acgan.classifiers.linear_probe import INVERSE_PENALTY, fit_probe, probe_images
from acgan.data.images import Labels
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.imagenet import (
    IMAGENET_CLASSES,
    MAP_SOURCE,
    class_scores,
    imagenet_counterparts,
)
from acgan.metrics.accuracy import ClassAgreement, class_agreement
from acgan.metrics.arrays import BoolArray, Int64Array

SMALLEST_COUNT = 10
"""Minimum number of images of an accuracy: with fewer, one image changes it by over 0.1."""


@final
@dataclass(frozen=True, eq=False)
class LabelClassifier:
    """A classifier of the data's classes.

    Attributes:
        measure: identifier of its metric, ``gan_test_accuracy``.
        title: display name of its metric.
        extractor: the network that processes the images.
        scores: maps its predictions to scores of the data's classes, (N, K).
        known: bool (K,), the classes it can predict; images of other classes are left out.
        protocol: everything else needed to reproduce the classifier.
    """

    measure: str
    title: str
    extractor: Extractor
    scores: Callable[[Predictions], npt.NDArray[Any]]
    known: BoolArray
    protocol: dict[str, Any]

    def agreement(self, predictions: Predictions, target_labels: Labels) -> ClassAgreement | None:
        """Compare predictions and labels among the known classes; None if there is no image."""
        among = self.known[target_labels]
        if not among.any():
            return None
        return class_agreement(self.scores(predictions)[among], target_labels[among])


@final
@dataclass(frozen=True)
class Accuracy:
    """Accuracy of a classifier on samples, beside its accuracy on real images.

    Attributes:
        value: over all images; None for fewer than ten.
        interval: its 95 % interval (Wilson 1927).
        baseline: accuracy on real images, the classes weighted as among the samples.
        per_class: per class; None for fewer than ten images.
        per_class_baseline: likewise for real images.
    """

    value: float | None
    interval: tuple[float, float] | None
    baseline: float | None
    per_class: tuple[float | None, ...]
    per_class_baseline: tuple[float | None, ...]


_BASELINE = "real test images, the classes weighted as among the samples"


def accuracy_with_baseline(samples: ClassAgreement | None, real: ClassAgreement | None) -> Accuracy:
    """Return the accuracy on samples and on real images; None where there are too few images."""
    value = interval = baseline = None
    if samples is not None and (count := int(samples.confusion.sum())) >= SMALLEST_COUNT:
        value = samples.overall
        wilson = binomtest(int(samples.confusion.trace()), count).proportion_ci(method="wilson")
        interval = (float(wilson.low), float(wilson.high))
        baseline = None if real is None else _weighted(real, samples.confusion.sum(axis=1))
    return Accuracy(value, interval, baseline, _by_class(samples), _by_class(real))


def _by_class(agreement: ClassAgreement | None) -> tuple[float | None, ...]:
    if agreement is None:
        return ()
    both = zip(agreement.per_class.tolist(), agreement.confusion.sum(axis=1), strict=True)
    return tuple(share if count >= SMALLEST_COUNT else None for share, count in both)


def _weighted(real: ClassAgreement, weights: Int64Array) -> float | None:
    """Return the accuracy on real images, each class weighted by ``weights``, (K,)."""
    both = (weights > 0) & (real.confusion.sum(axis=1) > 0)
    if not both.any() or real.confusion.sum() < SMALLEST_COUNT:
        return None
    return float(np.average(real.per_class[both], weights=weights[both]))


def reference_label_classifier(data: EvaluationData) -> LabelClassifier:
    """Return the reference classifier with its own logits."""
    return LabelClassifier(
        measure="gan_test_accuracy",
        title="GAN-test accuracy",
        extractor=data.required_reference_classifier,
        scores=lambda predictions: predictions.logits,
        known=np.ones(len(data.group_names), np.bool_),
        protocol={
            "reference_classifier_train_hash": data.required_reference_classifier.record.train_hash,
            "baseline": _BASELINE,
        },
    )


def imagenet_label_classifier(data: EvaluationData, extractor: Extractor) -> LabelClassifier:
    """Return an ImageNet classifier with its logits of the data's classes.

    If fewer than two classes have counterparts in ImageNet: a linear probe on its features, fitted
    to real training images.

    Args:
        data: classes and training split.
        extractor: with the 1000 classes of ImageNet.
    """
    counterparts = imagenet_counterparts(data.splits.classes)
    if counterparts is None:
        return _probe(data, extractor)
    return LabelClassifier(
        measure="discriminability",
        title="Discriminability",
        extractor=extractor,
        scores=lambda predictions: class_scores(predictions.logits, counterparts),
        known=counterparts.known,
        protocol={
            "map": MAP_SOURCE,
            "imagenet_indices": {
                data.group_names[label]: list(indices)
                for label, indices in counterparts.indices.items()
            },
            "decision": "highest mean probability over the ImageNet counterparts of a class, among "
            f"the {len(counterparts.indices)} classes with counterparts in the {IMAGENET_CLASSES}",
            "baseline": _BASELINE,
        },
    )


def _probe(data: EvaluationData, extractor: Extractor) -> LabelClassifier:
    real = probe_images(data.splits.train, seed=data.seed)
    stage = f"{extractor.name}: images for the linear probe"
    predictions = data.real_predictions(extractor, real, stage)
    probe = fit_probe(predictions.features, real.labels, len(data.group_names))
    return LabelClassifier(
        measure="linear_probe_accuracy",
        title="Accuracy of a linear probe",
        extractor=extractor,
        scores=lambda predictions: probe.logits(predictions.features),
        known=real.class_counts > 0,
        protocol={
            "probe": "multinomial logistic regression on standardized features, L2 penalty, "
            f"C = {INVERSE_PENALTY}",
            "probe_images_per_class": real.class_counts.tolist(),
            "probe_images_hash": real.content_hash,
            "baseline": _BASELINE,
        },
    )
