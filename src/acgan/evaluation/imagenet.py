"""Scores of a data set's classes from the logits of an ImageNet classifier.

Discriminability (Odena, Olah & Shlens 2017, §4.1) is defined for models of ImageNet's 1000 classes.
Other data sets use it through a published map of everyday classes (``imagenet_map.toml``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from acgan.data.images import ClassName
from acgan.errors import folded
from acgan.metrics.arrays import Float64Array

IMAGENET_CLASSES = 1000
MAP_SOURCE = "CINIC-10 (Darlow et al. 2018), without minivan, without deer"
_NOWHERE = float(np.finfo(np.float64).min)


@final
@dataclass(frozen=True)
class Counterparts:
    """The classes of a data set that ImageNet contains.

    Attributes:
        classes: K, the number of classes of the data set.
        indices: by label, the ImageNet classes that belong to it.
    """

    classes: int
    indices: dict[int, tuple[int, ...]]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which of the K classes have counterparts, (K,)."""
        return np.isin(np.arange(self.classes), list(self.indices))


def imagenet_counterparts(classes: Sequence[ClassName]) -> Counterparts | None:
    """Find the counterparts of classes by name or alias, ignoring case.

    Two classes with the same counterpart ("car" and "automobile") get none: their meaning differs
    from that of the map.

    Returns:
        None if fewer than two classes have counterparts, since there is nothing to distinguish.
    """
    labels_of: dict[tuple[int, ...], list[int]] = {}
    for label, each in enumerate(classes):
        spellings = {folded(name) for name in (each.name, *each.aliases)}
        for found in {_imagenet_map()[name] for name in spellings & _imagenet_map().keys()}:
            labels_of.setdefault(found, []).append(label)
    claims = [label for labels in labels_of.values() for label in labels]
    indices = {
        labels[0]: found
        for found, labels in labels_of.items()
        if len(labels) == 1 and claims.count(labels[0]) == 1
    }
    return Counterparts(len(classes), dict(sorted(indices.items()))) if len(indices) > 1 else None


def class_scores(logits: npt.NDArray[Any], counterparts: Counterparts) -> Float64Array:
    """Return the logarithm of the mean probability of each class's ImageNet counterparts.

    The mean follows Geirhos et al. 2019 (arXiv 1811.12231). The classifier was trained on equally
    many images of each of its 1000 classes, so the sum would make a class with 59 counterparts
    (bird) 59 times as likely a priori as a class with one (horse). The mean results from Bayes'
    rule with equally likely classes.

    Args:
        logits: (N, 1000).
        counterparts: of the data's classes.

    Returns:
        float64 (N, K); the lowest finite number for a class without counterparts, which is
        therefore never the highest.
    """
    if logits.ndim != 2 or logits.shape[1] != IMAGENET_CLASSES:
        raise ValueError(f"logits must be (N, {IMAGENET_CLASSES}), not {logits.shape}")
    log_probabilities = logits.astype(np.float64)
    log_probabilities -= logsumexp(log_probabilities, axis=1, keepdims=True)
    scores = np.full((len(logits), counterparts.classes), _NOWHERE)
    for label, indices in counterparts.indices.items():
        mass = logsumexp(log_probabilities[:, indices], axis=1)
        scores[:, label] = mass - np.log(len(indices))
    return scores


@cache
def _imagenet_map() -> dict[str, tuple[int, ...]]:
    """Return the ImageNet classes of each everyday class, by its name and its aliases."""
    source = files("acgan.evaluation") / "imagenet_map.toml"
    return {
        spelling: tuple(entry["indices"])
        for name, entry in tomllib.loads(source.read_text(encoding="utf-8")).items()
        for spelling in (name, *entry["aliases"])
    }
