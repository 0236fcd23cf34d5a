"""Inception score with the logits of any classifier.

It uses no real images: a model with one clear image per class scores as high as the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import log_softmax

from acgan.metrics.arrays import Array, Float64Array, IntegerArray, check_logits

SMALLEST_SCORE_COUNT = 100
"""Minimum number of images: with few, the mean prediction is close to each single one, which lowers
the score."""


@final
@dataclass(frozen=True, eq=False)
class ClassifierScore:
    """The score, overall and per class.

    Attributes:
        overall: exp(mean KL(p(y|x) ‖ p(y))), from 1 to the number of classes the classifier knows.
        per_class: float64 (K,), the same mean over the samples of one target label, with p(y) of
            all samples; NaN for a class without samples. ``overall`` is their geometric mean,
            weighted by the number of samples.
    """

    overall: float
    per_class: Float64Array


def classifier_score(logits: Array, target_labels: IntegerArray, classes: int) -> ClassifierScore:
    """Return exp of the mean KL divergence of predictions from their mean (Salimans et al. 2016).

    All images form one split, in float64; the literature often uses ten splits of 5,000 images.
    The score increases with the number of images, more so with many classes; compare at equal
    counts.

    Args:
        logits: (N, L), unnormalized, over the L classes that the classifier knows.
        target_labels: (N,), each in [0, K).
        classes: K.

    Raises:
        ValueError: there are no images, or a logit is not finite.

    Example:
        >>> sure = np.array([[99.0, 0.0], [0.0, 99.0]])
        >>> round(classifier_score(sure, np.array([0, 1]), 2).overall, 6)
        2.0
    """
    check_logits(logits, target_labels)
    logs = log_softmax(logits.astype(np.float64), axis=1)
    shares = np.exp(logs)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * (logs - np.log(shares.mean(axis=0))), 0)
    divergences = terms.sum(axis=1)
    per_class = np.full(classes, np.nan)
    for index in np.unique(target_labels):
        per_class[index] = np.exp(divergences[target_labels == index].mean())
    return ClassifierScore(float(np.exp(divergences.mean())), per_class)
