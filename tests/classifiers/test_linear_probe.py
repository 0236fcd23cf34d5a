from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax

from acgan.classifiers.linear_probe import INVERSE_PENALTY, fit_probe, probe_images
from acgan.data.images import LabeledImages, make_classes
from acgan.errors import DataError


def clouds(
    count: int, classes: int, seed: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Features of classes whose means differ, of very different scales, with one that is dead."""
    means = np.random.default_rng(9).normal(size=(classes, 12))
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count).astype(np.int64)
    features = means[labels] + random.normal(0, 0.3, (count, 12))
    features *= np.logspace(-3, 3, 12)
    features[:, 5] = 4.0
    return features.astype(np.float32), labels


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_it_tells_classes_apart_that_a_plane_separates(classes: int) -> None:
    probe = fit_probe(*clouds(600, classes), classes)
    features, labels = clouds(400, classes, seed=1)
    assert (probe.logits(features).argmax(axis=1) == labels).mean() > 0.97


def test_it_minimises_the_penalized_cross_entropy() -> None:
    features, labels = clouds(300, 4)
    probe = fit_probe(features, labels, 4)
    values = features.astype(np.float64)
    scale = values.std(axis=0)
    scale[5] = 1.0
    weights = probe.weights * scale[:, None]  # of standardized features
    bias = probe.bias + values.mean(axis=0) @ probe.weights

    def loss(weights: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> float:
        logits = (values - values.mean(axis=0)) / scale @ weights + bias
        surprise = -log_softmax(logits, axis=1)[np.arange(300), labels].sum()
        return float(INVERSE_PENALTY * surprise + 0.5 * np.square(weights).sum())

    best, random = loss(weights, bias), np.random.default_rng(2)
    for _ in range(20):
        other = weights + random.normal(0, 0.01, weights.shape)
        assert loss(other, bias + random.normal(0, 0.01, 4)) > best


def test_a_class_without_images_is_never_seen() -> None:
    features, labels = clouds(300, 4)
    few = labels != 2
    probe = fit_probe(features[few], labels[few], 4)
    logits = probe.logits(features)
    assert np.isfinite(logits).all()
    assert 2 not in logits.argmax(axis=1)


def test_it_takes_two_classes() -> None:
    with pytest.raises(DataError, match="at least two"):
        fit_probe(np.ones((5, 3)), np.zeros(5, np.int64), 2)


def test_what_it_learns_from_is_balanced_and_seeded() -> None:
    labels = np.repeat([0, 1, 2], [900, 700, 40]).astype(np.int64)
    images = np.arange(len(labels), dtype=np.uint32).view(np.uint8).reshape(-1, 1, 2, 2)
    train = LabeledImages(images, labels, make_classes(["a", "b", "c"]))
    chosen = probe_images(train, seed=3)
    assert chosen.class_counts.tolist() == [500, 500, 40]
    assert chosen.content_hash == probe_images(train, seed=3).content_hash
    assert chosen.content_hash != probe_images(train, seed=4).content_hash
    assert len(np.unique(chosen.images.reshape(len(chosen), -1), axis=0)) == len(chosen)


def test_many_classes_share_five_thousand_images() -> None:
    labels = np.repeat(np.arange(200), 30).astype(np.int64)
    train = LabeledImages(
        np.zeros((6000, 1, 2, 2), np.uint8), labels, make_classes([f"c{k}" for k in range(200)])
    )
    assert probe_images(train, seed=0).class_counts.tolist() == [25] * 200
