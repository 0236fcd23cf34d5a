"""A classifier that is fitted in seconds: a linear probe on histograms of oriented gradients.

Dalal & Triggs 2005. It has seen neither samples nor the discriminator, and its accuracy on held-out
images says how far its opinion of samples can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.classifiers.linear_probe import LinearProbe, fit_probe
from acgan.data.images import Images, LabeledImages, Labels
from acgan.data.split import sample_per_class
from acgan.data.statistics import cell_means
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Float64Array, blocks

MOST_IMAGES = 3_000
_ORIENTATIONS, _CELLS, _COLOR_CELLS, _BLOCK = 8, 7, 4, 256


@final
@dataclass(frozen=True, eq=False)
class QuickClassifier:
    """A fitted classifier; `fit_quick_classifier` makes one."""

    probe: LinearProbe

    def accuracy(self, images: Images, labels: Labels) -> float:
        """Return the balanced accuracy, the mean of per-class recalls, on (N, C, H, W), (N,)."""
        agreement = class_agreement(self.probe.logits(_features(images)), labels)
        return float(np.nanmean(agreement.per_class))


def fit_quick_classifier(train: LabeledImages) -> QuickClassifier:
    """Fit a classifier to at most 3,000 images, of each class as equally many as there are.

    Raises:
        DataError: the images are of fewer than two classes.
    """
    each = max(1, MOST_IMAGES // len(train.classes))
    counts = np.minimum(train.class_counts, each).astype(np.int64)
    chosen = train.subset(sample_per_class(train.labels, train.classes, counts, seed=0))
    features = _features(chosen.images)
    return QuickClassifier(fit_probe(features, chosen.labels, len(train.classes)))


def _features(images: Images) -> Float64Array:
    """Oriented gradients in 7×7 cells, normalized, and channel means in 4×4 cells, (N, F)."""
    return np.concatenate([_of_block(images[part]) for part in blocks(len(images), _BLOCK)])


def _of_block(images: Images) -> Float64Array:
    values = images.astype(np.float64) / 255
    gray = np.pad(values.mean(axis=1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    down = gray[:, 2:, 1:-1] - gray[:, :-2, 1:-1]
    across = gray[:, 1:-1, 2:] - gray[:, 1:-1, :-2]
    strength = np.hypot(down, across)
    turn = np.arctan2(down, across) % np.pi / np.pi * _ORIENTATIONS  # opposite directions agree
    nearest = np.floor(turn).astype(np.int64) % _ORIENTATIONS
    rest = turn - np.floor(turn)
    bins = np.stack(
        [
            strength * ((nearest == k) * (1 - rest) + ((nearest + 1) % _ORIENTATIONS == k) * rest)
            for k in range(_ORIENTATIONS)
        ],
        axis=1,
    )
    cells, colors = (
        cell_means(each, count).reshape(len(images), each.shape[1] * count**2)
        for each, count in ((bins, _CELLS), (values, _COLOR_CELLS))
    )
    cells /= np.linalg.norm(cells, axis=1, keepdims=True) + 0.01
    return np.concatenate([np.sqrt(cells), colors], axis=1)
