"""A linear probe: how well a linear classifier on an extractor's features separates the classes.

Alain & Bengio 2016 (arXiv 1610.01644). It replaces an ImageNet classifier if the classes have no
counterparts in ImageNet.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.data.images import LabeledImages
from acgan.data.split import sample_per_class
from acgan.errors import DataError
from acgan.metrics.arrays import Array, Float64Array, Int64Array

MOST_IMAGES = 5_000
MOST_PER_CLASS = 500
INVERSE_PENALTY = 0.01
"""scikit-learn's C, for standardized features."""
_STEPS = 200
_NOWHERE = float(np.finfo(np.float64).min)


@final
@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe; `fit_probe` makes one.

    Attributes:
        weights: float64 (F, K), for features as they are.
        bias: float64 (K,); the lowest finite number for a class without images.
    """

    weights: Float64Array
    bias: Float64Array

    def logits(self, features: Array) -> Float64Array:
        """Return unnormalized scores of the K classes, float64 (N, K), for features (N, F)."""
        return features.astype(np.float64) @ self.weights + self.bias


def probe_images(train: LabeledImages, *, seed: int) -> LabeledImages:
    """Sample the images for a probe without replacement.

    At most 500 of each class and about 5,000 in all, but at least one of each class.
    """
    each = max(1, min(MOST_PER_CLASS, MOST_IMAGES // len(train.classes)))
    counts = np.minimum(train.class_counts, each).astype(np.int64)
    return train.subset(sample_per_class(train.labels, train.classes, counts, seed=seed))


def fit_probe(features: Array, labels: Int64Array, classes: int) -> LinearProbe:
    """Fit a multinomial logistic regression with an L2 penalty on standardized features.

    scikit-learn's L-BFGS runs to convergence or 200 steps; the result is deterministic.

    Args:
        features: (N, F), of real training images.
        labels: (N,), each in [0, K).
        classes: K.

    Raises:
        DataError: the images are of fewer than two classes.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    if len(present) < 2:
        raise DataError("a linear probe needs images of at least two classes")
    values = features.astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1.0
    regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 steps are enough
        regression.fit((values - mean) / scale, labels)
    slopes, offsets = regression.coef_, regression.intercept_
    if len(present) == 2:  # scikit-learn stores only the second class
        slopes, offsets = np.stack([-slopes[0], slopes[0]]), np.array([-offsets[0], offsets[0]])
    weights = np.zeros((values.shape[1], classes))
    bias = np.full(classes, _NOWHERE)
    weights[:, present] = slopes.T / scale[:, None]
    bias[present] = offsets - (slopes / scale) @ mean
    return LinearProbe(weights, bias)
