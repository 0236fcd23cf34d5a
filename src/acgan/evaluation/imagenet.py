"""Discriminability: whether a classifier of ImageNet, which never saw our data, knows the samples.

Odena, Olah & Shlens 2017, §4.1, who train on ImageNet and so ask for one of its own 1000 classes.
Everyday classes are found in it by a published map (``imagenet_map.toml``).
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
from acgan.metrics.arrays import Float64Array

IMAGENET_CLASSES = 1000
MAP_SOURCE = "CINIC-10 (Darlow et al. 2018), without minivan, without deer"
_NOWHERE = float(np.finfo(np.float64).min)


@final
@dataclass(frozen=True)
class Counterparts:
    """The classes of a data set that ImageNet knows.

    Attributes:
        classes: K, how many classes the data have.
        indices: by label, the ImageNet classes that show it.
    """

    classes: int
    indices: dict[int, tuple[int, ...]]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which of the K classes have counterparts, (K,)."""
        return np.isin(np.arange(self.classes), list(self.indices))


def imagenet_counterparts(classes: Sequence[ClassName]) -> Counterparts | None:
    """The counterparts of these classes, found by name or alias, whatever the case of the letters.

    Two classes that find the same counterpart ("car" and "automobile") get none: they mean
    something else than the map does.

    Returns:
        None where fewer than two classes have a counterpart: there is nothing to tell apart.
    """
    found: dict[str, list[int]] = {}
    for label, each in enumerate(classes):
        for entry in {_entry(name) for name in (each.name, *each.aliases)} - {None}:
            found.setdefault(str(entry), []).append(label)
    claims = [label for labels in found.values() for label in labels]
    indices = {
        labels[0]: _imagenet_map()[entry]
        for entry, labels in found.items()
        if len(labels) == 1 and claims.count(labels[0]) == 1
    }
    return Counterparts(len(classes), dict(sorted(indices.items()))) if len(indices) > 1 else None


def class_scores(logits: npt.NDArray[Any], counterparts: Counterparts) -> Float64Array:
    """For each class, the logarithm of the mean probability of its ImageNet counterparts.

    The mean, as Geirhos et al. 2019 (arXiv 1811.12231) take it, and not the sum: the classifier
    learned from as many images of each of its 1000 classes, so by the sum a class with 59
    counterparts (bird) would be 59 times as likely beforehand as one with a single one (horse).
    The mean is what Bayes' rule gives where our classes are equally likely.

    Args:
        logits: (N, 1000).
        counterparts: of the data's classes.

    Returns:
        float64 (N, K); the lowest finite number for a class without counterparts, so that the
        highest is always one of the others.
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
    return {name: tuple(entry["indices"]) for name, entry in _read_map().items()}


@cache
def _read_map() -> dict[str, dict[str, Any]]:
    source = files("acgan.evaluation") / "imagenet_map.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


@cache
def _names() -> dict[str, str]:
    return {
        spelling: name
        for name, entry in _read_map().items()
        for spelling in (name, *entry["aliases"])
    }


def _entry(name: str) -> str | None:
    return _names().get(name.strip().casefold())
