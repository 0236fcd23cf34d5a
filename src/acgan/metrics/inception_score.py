"""Inception-style score: are samples clearly one class each, and all classes together?

It sees no real image, so a model that draws one clear image a class scores as high as the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import log_softmax

from acgan.metrics.arrays import Array, Float64Array, IntegerArray

SMALLEST_SCORE_COUNT = 100
"""Images below which no score is given: the mean prediction would be of too few, and too close to
each of them, which lowers the score."""


@final
@dataclass(frozen=True, eq=False)
class ClassifierScore:
    """The score, and what each class has of it.

    Attributes:
        overall: exp(mean KL(p(y|x) ‖ p(y))), from 1 to the number of classes the classifier knows.
        per_class: float64 (K,), the same mean within the samples of one asked class, p(y) still of
            all samples; NaN where there is none. ``overall`` is their geometric mean, each class
            weighted by its samples.
    """

    overall: float
    per_class: Float64Array


def classifier_score(logits: Array, target_labels: IntegerArray, classes: int) -> ClassifierScore:
    """Exp of the mean divergence between a sample's prediction and that of all (Salimans 2016).

    The mean is torch-fidelity's, over all images in one split and in float64: the literature's ten
    splits of 50 000 images have 5 000 each. A score rises with the number of images, the more so
    the more classes the classifier knows; compare at equal counts.

    Args:
        logits: (N, L), unnormalized, over the L classes that the classifier knows.
        target_labels: (N,), each in [0, K).
        classes: K.

    Raises:
        ValueError: there is no image, or a logit is not finite.

    Example:
        >>> sure = np.array([[99.0, 0.0], [0.0, 99.0]])
        >>> round(classifier_score(sure, np.array([0, 1]), 2).overall, 6)
        2.0
    """
    if logits.ndim != 2 or target_labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits {logits.shape} and classes {target_labels.shape} must be (N, L), (N,)"
        )
    if not len(logits):
        raise ValueError("there are no images to score; draw at least one")
    if not np.isfinite(logits).all():
        raise ValueError("the classifier's logits are not all finite; its weights are damaged")
    logs = log_softmax(logits.astype(np.float64), axis=1)
    shares = np.exp(logs)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * (logs - np.log(shares.mean(axis=0))), 0)
    divergences = terms.sum(axis=1)
    per_class = np.full(classes, np.nan)
    for index in np.unique(target_labels):
        per_class[index] = np.exp(divergences[target_labels == index].mean())
    return ClassifierScore(float(np.exp(divergences.mean())), per_class)
