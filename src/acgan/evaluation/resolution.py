"""The resolution experiment: does the accuracy fall if samples lose their fine detail?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from acgan.classifiers.extractor import Predictions
from acgan.data.images import Images, ImageShape, LabeledImages, Labels
from acgan.data.split import sample_per_class
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.findings import known
from acgan.evaluation.label_classifiers import (
    SMALLEST_COUNT,
    Accuracy,
    LabelClassifier,
    accuracy_with_baseline,
)
from acgan.report.section import Metric, Table

RULE = (
    "bilinear with antialiasing to the reduced side (rounded, at least 1 pixel), rounded to 256 "
    "levels, bilinear back, rounded"
)
MOST_IMAGES = 2_000
"""Samples and real images that are classified at each side."""
_CHUNK = 500
_NEAR_CHANCE = 2.0  # times chance: accuracy on real images below which nothing can be concluded
_STEPS = (
    ("full", "full side", 1),
    ("half", "half the side", 2),
    ("quarter", "a quarter of the side", 4),
)


def reduced(images: Images, factor: int) -> Images:
    """Return images without the detail that a ``factor`` times smaller side cannot represent.

    As Odena, Olah & Shlens 2017 (§4.1): bilinear to the smaller side and bilinear back. The
    reduction is antialiased, since plain bilinear interpolation skips pixels and adds false
    patterns.

    Args:
        images: uint8 (N, C, H, W).
        factor: at least 1; the smaller sides are round(side / factor), at least 1 pixel.

    Returns:
        uint8 (N, C, H, W).
    """
    if factor < 1:
        raise ValueError(f"the factor must be at least 1, not {factor}")
    height, width = images.shape[2:]
    small = (max(1, round(height / factor)), max(1, round(width / factor)))
    result = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        pixels = torch.from_numpy(images[start : start + _CHUNK].astype(np.float32))
        for size in (small, (height, width)):
            pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
            pixels = pixels.round_().clamp_(0, 255)
        result[start : start + _CHUNK] = pixels.numpy().astype(np.uint8)
    return result


@final
@dataclass(frozen=True)
class ResolutionResult:
    """The accuracy of one classifier at each side.

    Attributes:
        label_classifier: the classifier.
        shares: at the full side, at half and at a quarter of it.
        protocol: of its metrics.
    """

    label_classifier: LabelClassifier
    shares: tuple[Accuracy, Accuracy, Accuracy]
    protocol: dict[str, Any]

    @property
    def protocol_key(self) -> str:
        """Key of the protocol in the section."""
        return f"resolution[{self.label_classifier.extractor.name}]"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics at half and at a quarter of the side."""
        return tuple(
            Metric(
                measure=f"gan_test_accuracy_{step}_side",
                title=f"GAN-test accuracy at {words}",
                extractor=self.label_classifier.extractor.name,
                value=share.value,
                aim="baseline",
                protocol=self.protocol_key,
                baseline=share.baseline,
                interval=share.interval,
                note=self._note(share),
            )
            for (step, words, _), share in zip(_STEPS[1:], self.shares[1:], strict=True)
        )

    def _note(self, share: Accuracy) -> str:
        if share.value is None:
            return f"Requires at least {SMALLEST_COUNT} samples"
        if known(share.baseline) < _NEAR_CHANCE / int(self.label_classifier.known.sum()):
            return (
                "The accuracy on real images is close to chance too (the classifier was trained on "
                "sharp images), so this value decides nothing"
            )
        return ""

    @property
    def at_half(self) -> tuple[float, float, float, float]:
        """Samples at the full and at half the side, then real images; NaN if undefined."""
        full, half, _ = self.shares
        return known(full.value), known(half.value), known(full.baseline), known(half.baseline)


def resolution(data: EvaluationData, label_classifier: LabelClassifier) -> ResolutionResult:
    """Classify up to 2,000 samples and 2,000 real test images, balanced by class, at each side.

    Args:
        data: samples and real splits.
        label_classifier: only the classes that it knows are used.
    """
    sample_set, test = data.sample_set, data.splits.test
    extractor = label_classifier.extractor
    sample_rows = _balanced_rows(data, label_classifier, sample_set.target_labels)
    real_rows = _balanced_rows(data, label_classifier, test.labels)
    real = test.subset(real_rows)
    shares = []
    for _, words, factor in _STEPS:
        if factor == 1:
            predicted = _subset(data.sample_predictions(extractor), sample_rows)
            real_predicted = _subset(data.split_predictions(extractor, "test"), real_rows)
        else:
            stage = f"{extractor.name}: images at {words}"
            images = reduced(sample_set.samples[sample_rows], factor)
            predicted = extractor.predict(images, progress=partial(data.progress, stage))
            reduced_real = LabeledImages(reduced(real.images, factor), real.labels, real.classes)
            real_predicted = data.real_predictions(extractor, reduced_real, stage)
        samples = label_classifier.agreement(predicted, sample_set.target_labels[sample_rows])
        baseline = label_classifier.agreement(real_predicted, real.labels)
        shares.append(accuracy_with_baseline(samples, baseline))
    protocol = data.protocol(
        extractor,
        **label_classifier.protocol,
        reduction=RULE,
        samples_used=len(sample_rows),
        reference_images_used=len(real_rows),
    )
    return ResolutionResult(label_classifier, (shares[0], shares[1], shares[2]), protocol)


def resolution_table(results: Sequence[ResolutionResult], shape: ImageShape) -> Table:
    """Return the accuracies of every classifier at every side, on samples and real images."""
    names = [each.label_classifier.extractor.name for each in results]
    rows: list[tuple[str | float | None, ...]] = []
    for index, (_, _, factor) in enumerate(_STEPS):
        side = f"{max(1, round(shape.height / factor))}×{max(1, round(shape.width / factor))}"
        shares = [each.shares[index] for each in results]
        rows.append((side, *(x for share in shares for x in (share.value, share.baseline))))
    return Table(
        title="Does the resolution carry information?",
        header=(
            "side",
            *(f"{images} ({name})" for name in names for images in ("samples", "real test images")),
        ),
        rows=tuple(rows),
        caption="Accuracy on images that were reduced to this side and enlarged again. If it falls "
        "for real images but not for samples, the fine detail of the samples carries no "
        "information about their class.",
    )


def _balanced_rows(
    data: EvaluationData, label_classifier: LabelClassifier, labels: Labels
) -> npt.NDArray[np.int64]:
    """Return ascending indices of equally many images of each known class, as far as they go."""
    counts = np.bincount(labels, minlength=len(data.group_names))
    each = -(-MOST_IMAGES // int(label_classifier.known.sum()))
    wanted = np.where(label_classifier.known, np.minimum(counts, each), 0).astype(np.int64)
    return sample_per_class(labels, data.splits.classes, wanted, seed=data.seed)


def _subset(predictions: Predictions, rows: npt.NDArray[np.int64]) -> Predictions:
    return Predictions(predictions.logits[rows], predictions.features[rows])
