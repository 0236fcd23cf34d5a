"""Readers: whoever says which class an image shows, and what share of images they read right.

Who reads the samples: the judge, and a classifier that knows nothing of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt

from acgan.classifiers.cache import cached_predictions
from acgan.classifiers.extractor import Extractor, Predictions
from acgan.classifiers.linear_probe import INVERSE_PENALTY, fit_probe, probe_images
from acgan.data.images import LabeledImages, Labels
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.imagenet import (
    IMAGENET_CLASSES,
    MAP_SOURCE,
    class_scores,
    imagenet_counterparts,
)
from acgan.execution.progress import Progress
from acgan.metrics.accuracy import ClassAgreement, class_agreement

SMALLEST_COUNT = 10
"""Images below which no share of them is given: one image more or less would be a tenth."""


@final
@dataclass(frozen=True, eq=False)
class LabelClassifier:
    """A classifier of the data's classes.

    Attributes:
        measure: identifier of its metric, ``gan_test_accuracy``.
        title: display name of its metric.
        extractor: what looks at the images.
        scores: from its answers to (N, K) scores of the data's classes, the highest being what the
            reader sees.
        known: bool (K,), the classes it knows; it never names another, and is asked for no other.
        protocol: what else it takes to have the same reader again.
    """

    measure: str
    title: str
    extractor: Extractor
    scores: Callable[[Predictions], npt.NDArray[Any]]
    known: npt.NDArray[np.bool_]
    protocol: dict[str, Any]

    def agreement(self, predictions: Predictions, target_labels: Labels) -> ClassAgreement | None:
        """What it sees beside what was asked for, among the classes it knows; None of no image."""
        among = self.known[target_labels]
        if not among.any():
            return None
        return class_agreement(self.scores(predictions)[among], target_labels[among])


@final
@dataclass(frozen=True)
class Share:
    """How many of some images are read as the class asked for, beside real images.

    Attributes:
        value: over all images; None of fewer than ten.
        interval: Wilson's 95 % interval of it.
        baseline: the share of real images, each class weighing as much as among the images.
        per_class: by class; None of fewer than ten images.
        per_class_baseline: likewise of real images.
    """

    value: float | None
    interval: tuple[float, float] | None
    baseline: float | None
    per_class: tuple[float | None, ...]
    per_class_baseline: tuple[float | None, ...]


def share_beside_real(samples: ClassAgreement | None, real: ClassAgreement | None) -> Share:
    """The shares of both sides, and what is too few images left out."""
    per_class, frechet_ratio = _by_class(samples), _by_class(real)
    if samples is None or samples.confusion.sum() < SMALLEST_COUNT:
        return Share(None, None, None, per_class, frechet_ratio)
    target_labels = samples.confusion.sum(axis=1)
    return Share(
        value=samples.overall,
        interval=wilson_interval(
            round(samples.overall * int(target_labels.sum())), int(target_labels.sum())
        ),
        baseline=None if real is None else _weighted(real, target_labels),
        per_class=per_class,
        per_class_baseline=frechet_ratio,
    )


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), sound for small counts and for 0 and 1.

    Args:
        right: of how many of the images the statement is true.
        count: of images, at least 1.
    """
    z = 1.959963984540054
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    spread = share * (1 - share) / count + z * z / (4 * count * count)
    half = z / (1 + z * z / count) * math.sqrt(spread)
    # at the ends the formula gives the share itself, but for rounding
    return (middle - half if right else 0.0), (middle + half if right < count else 1.0)


def _by_class(agreement: ClassAgreement | None) -> tuple[float | None, ...]:
    if agreement is None:
        return ()
    counts = agreement.confusion.sum(axis=1)
    return tuple(
        float(share) if count >= SMALLEST_COUNT else None
        for share, count in zip(agreement.per_class, counts, strict=True)
    )


def _weighted(real: ClassAgreement, weights: npt.NDArray[np.int64]) -> float | None:
    """The share of real images, were the classes as frequent among them as ``weights`` says."""
    both = (weights > 0) & (real.confusion.sum(axis=1) > 0)
    if not both.any() or real.confusion.sum() < SMALLEST_COUNT:
        return None
    return float(np.average(real.per_class[both], weights=weights[both]))


def judge_reader(data: EvaluationData) -> LabelClassifier:
    """The judge, by its own logits."""
    return LabelClassifier(
        measure="gan_test_accuracy",
        title="GAN-test accuracy",
        extractor=data.required_reference_classifier,
        scores=lambda predictions: predictions.logits,
        known=np.ones(len(data.group_names), np.bool_),
        protocol={
            "reference_classifier_train_hash": data.required_reference_classifier.record.train_hash,
            "baseline": "real test images, the classes weighted as among the samples",
        },
    )


def outside_reader(data: EvaluationData, extractor: Extractor) -> LabelClassifier:
    """An ImageNet classifier by its logits where at least two classes have counterparts there.

    Else a linear probe on its features, fitted to real training images.

    Args:
        data: for the classes and the training part.
        extractor: with ImageNet's 1000 classes.
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
            "decision": "highest mean probability over a class's ImageNet counterparts, among the "
            f"{len(counterparts.indices)} classes that have any of the {IMAGENET_CLASSES}",
            "baseline": "real test images, the classes weighted as among the samples",
        },
    )


def _probe(data: EvaluationData, extractor: Extractor) -> LabelClassifier:
    shown = probe_images(data.splits.train, seed=data.seed)
    told = partial(data.progress, f"{extractor.name}: images for the probe")
    predictions = real_answers(data, extractor, shown, told)
    probe = fit_probe(predictions.features, shown.labels, len(data.group_names))
    return LabelClassifier(
        measure="linear_probe_accuracy",
        title="Accuracy of a linear probe",
        extractor=extractor,
        scores=lambda predictions: probe.logits(predictions.features),
        known=shown.class_counts > 0,
        protocol={
            "probe": "multinomial logistic regression on standardized features, L2 penalty, "
            f"C = {INVERSE_PENALTY}",
            "probe_images_per_class": shown.class_counts.tolist(),
            "probe_images_hash": shown.content_hash,
            "baseline": "real test images, the classes weighted as among the samples",
        },
    )


def real_answers(
    data: EvaluationData, extractor: Extractor, real: LabeledImages, progress: Progress
) -> Predictions:
    """To real images other than a whole part; kept where the parts' are."""
    if data.folder is None:
        return extractor.predict(real.images, progress=progress)
    return cached_predictions(extractor, real, data.folder, progress=progress)
