"""Whether resolution carries information: images reduced and brought back to their size.

The paper's resolution experiment: are samples read worse without their fine detail?
"""

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
from acgan.evaluation.label_classifiers import (
    SMALLEST_COUNT,
    LabelClassifier,
    Share,
    real_answers,
    share_beside_real,
)
from acgan.report.section import Metric, Table

RULE = (
    "bilinear with antialiasing to the reduced side (rounded, at least 1 pixel), rounded to 256 "
    "levels, bilinear back, rounded"
)
_CHUNK = 500


def reduced(images: Images, factor: int) -> Images:
    """Images without the detail that a ``factor`` times smaller side cannot hold.

    As Odena, Olah & Shlens 2017 (§4.1): bilinear to the smaller side and bilinear back. Antialiased
    on the way down, since plain bilinear interpolation would skip pixels and add false patterns.

    Args:
        images: uint8 (N, C, H, W).
        factor: at least 1; sides become round(side / factor), at least 1 pixel, in between.

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


MOST_IMAGES = 2_000
_HARDLY = 2.0  # times chance: what real images must exceed for a figure to say anything
_STEPS = (
    ("full", "full side", 1),
    ("half", "half the side", 2),
    ("quarter", "a quarter of the side", 4),
)


@final
@dataclass(frozen=True)
class ResolutionResult:
    """What one reader reads right at each side.

    Attributes:
        label_classifier: who.
        shares: in full, at half and at a quarter of the side.
        protocol: of its figures.
    """

    label_classifier: LabelClassifier
    shares: tuple[Share, Share, Share]
    protocol: dict[str, Any]

    @property
    def protocol_key(self) -> str:
        """Under which the section lists the protocol."""
        return f"resolution.{self.label_classifier.extractor.name}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """At half and at a quarter; in full is another figure, of all samples."""
        name = self.label_classifier.extractor.name
        return tuple(
            Metric(
                measure=f"gan_test_accuracy_{step}_side",
                title=f"GAN-test accuracy at {words}",
                extractor=name,
                value=share.value,
                aim="baseline",
                protocol=self.protocol_key,
                baseline=share.baseline,
                interval=share.interval,
                note=self._note(share),
            )
            for (step, words, _), share in zip(_STEPS[1:], self.shares[1:], strict=True)
        )

    def _note(self, share: Share) -> str:
        if share.value is None:
            return f"it takes at least {SMALLEST_COUNT} samples"
        if share.baseline is not None and share.baseline < _HARDLY / int(
            self.label_classifier.known.sum()
        ):
            return (
                "real images are hardly read at this side either, by a reader that learned from "
                "sharp ones: this decides nothing"
            )
        return ""

    @property
    def at_half(self) -> tuple[float, float, float, float] | None:
        """Samples in full and at half, then real images; None where one is missing."""
        full, half, _ = self.shares
        if (
            full.value is None
            or half.value is None
            or full.baseline is None
            or half.baseline is None
        ):
            return None
        return full.value, half.value, full.baseline, half.baseline


def resolution(data: EvaluationData, label_classifier: LabelClassifier) -> ResolutionResult:
    """At most 2 000 samples and 2 000 real test images, of each class as many, by one reader.

    Args:
        data: samples and real parts.
        label_classifier: asked about the classes that it knows.
    """
    sample_set, test, extractor = (
        data.sample_set,
        data.splits.test,
        label_classifier.extractor,
    )
    ours = _chosen(data, label_classifier, sample_set.target_labels)
    theirs = _chosen(data, label_classifier, test.labels)
    real = test.subset(theirs)
    shares = []
    for _, words, factor in _STEPS:
        if factor == 1:
            predicted = _of(data.sample_predictions(extractor), ours)
            real_seen = _of(data.split_predictions(extractor, "test"), theirs)
        else:
            told = partial(data.progress, f"{extractor.name}: images at {words}")
            less = LabeledImages(reduced(real.images, factor), real.labels, real.classes)
            predicted = extractor.predict(reduced(sample_set.samples[ours], factor), progress=told)
            real_seen = real_answers(data, extractor, less, told)
        shares.append(
            share_beside_real(
                label_classifier.agreement(predicted, sample_set.target_labels[ours]),
                label_classifier.agreement(real_seen, real.labels),
            )
        )
    protocol = data.protocol(
        extractor,
        **label_classifier.protocol,
        reduction=RULE,
        samples_used=len(ours),
        reference_images_used=len(theirs),
    )
    return ResolutionResult(label_classifier, (shares[0], shares[1], shares[2]), protocol)


def resolution_table(results: Sequence[ResolutionResult], shape: ImageShape) -> Table:
    """Every reader's shares at every side, samples beside real images."""
    header = ["side"]
    for result in results:
        name = result.label_classifier.extractor.name
        header += [f"samples ({name})", f"real test images ({name})"]
    rows: list[tuple[str | float | None, ...]] = []
    for index, (_, _, factor) in enumerate(_STEPS):
        side = f"{max(1, round(shape.height / factor))}×{max(1, round(shape.width / factor))}"
        cells: list[str | float | None] = [side]
        for result in results:
            cells += [result.shares[index].value, result.shares[index].baseline]
        rows.append(tuple(cells))
    return Table(
        title="Does resolution carry information?",
        header=tuple(header),
        rows=tuple(rows),
        caption="Share read as the class asked for when images are reduced to this side and "
        "brought back. Where real images fall and samples do not, the samples' fine detail is "
        "decoration.",
    )


def _chosen(
    data: EvaluationData, label_classifier: LabelClassifier, labels: Labels
) -> npt.NDArray[np.int64]:
    """Ascending indices of as many images of each known class as there are, up to the limit."""
    counts = np.bincount(labels, minlength=len(data.group_names))
    each = -(-MOST_IMAGES // int(label_classifier.known.sum()))
    wanted = np.where(label_classifier.known, np.minimum(counts, each), 0).astype(np.int64)
    return sample_per_class(labels, data.splits.classes, wanted, seed=data.seed)


def _of(predictions: Predictions, indices: npt.NDArray[np.int64]) -> Predictions:
    return Predictions(predictions.logits[indices], predictions.features[indices])
