from __future__ import annotations

import tomllib
from importlib.resources import files

import numpy as np
import pytest
from scipy.special import softmax
from torchvision.models._meta import _IMAGENET_CATEGORIES

from acgan.data.images import make_classes
from acgan.evaluation.imagenet import Counterparts, class_scores, imagenet_counterparts

CIFAR10 = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]


def test_the_map_names_what_it_says() -> None:
    table = tomllib.loads((files("acgan.evaluation") / "imagenet_map.toml").read_text("utf-8"))
    words = {
        "airplane": {"airliner"},
        "automobile": {"sports car", "cab", "convertible"},
        "bird": {"robin", "goldfinch", "ostrich", "albatross"},
        "cat": {"tabby", "Siamese cat", "lion"},
        "dog": {"Chihuahua", "Great Dane", "pug"},
        "frog": {"bullfrog", "tree frog", "tailed frog"},
        "horse": {"sorrel"},
        "ship": {"fireboat", "gondola", "speedboat"},
        "truck": {"pickup", "garbage truck", "tow truck", "trailer truck"},
    }
    assert set(table) == set(words)
    for name, expected in words.items():
        assert expected <= {_IMAGENET_CATEGORIES[index] for index in table[name]["indices"]}, name
    everything = [index for entry in table.values() for index in entry["indices"]]
    assert len(everything) == len(set(everything))
    assert "minivan" not in {_IMAGENET_CATEGORIES[index] for index in everything}


def test_cifar10_has_counterparts_for_all_but_deer() -> None:
    found = imagenet_counterparts(make_classes(CIFAR10))
    assert found is not None
    assert [CIFAR10[k] for k in range(10) if not found.known[k]] == ["deer"]
    assert found.indices[CIFAR10.index("horse")] == (339,)


def test_names_are_found_by_alias_and_in_any_case() -> None:
    found = imagenet_counterparts(make_classes(["Car", "katze", "DOGS"], [[], ["Cat"], []]))
    assert found is not None
    assert found.known.all()


def test_classes_that_claim_the_same_counterpart_get_none() -> None:
    found = imagenet_counterparts(make_classes(["car", "automobile", "cat", "dog"]))
    assert found is not None
    assert sorted(found.indices) == [2, 3]


@pytest.mark.parametrize("names", [["zero", "one"], ["cat", "one"]])
def test_fewer_than_two_counterparts_are_none(names: list[str]) -> None:
    assert imagenet_counterparts(make_classes(names)) is None


def test_scores_are_the_logarithms_of_mean_probabilities() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (7, 1000)).astype(np.float32)
    counterparts = Counterparts(3, {0: (5, 17, 400), 2: (999,)})
    scores = class_scores(logits, counterparts)
    probabilities = softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(
        scores[:, 0], np.log(probabilities[:, [5, 17, 400]].mean(axis=1)), rtol=1e-12
    )
    np.testing.assert_allclose(scores[:, 2], np.log(probabilities[:, 999]), rtol=1e-12)
    assert (scores.argmax(axis=1) != 1).all()
    assert np.isfinite(scores).all()


def test_many_counterparts_are_no_advantage() -> None:
    """By the sum, a class with 59 counterparts would win where the classifier knows nothing."""
    logits = np.zeros((1, 1000), np.float32)
    logits[0, 339] = 1.0  # a little more for horse than for any one bird
    counterparts = Counterparts(2, {0: tuple(range(59)), 1: (339,)})
    assert class_scores(logits, counterparts).argmax() == 1


def test_other_classifiers_are_refused() -> None:
    with pytest.raises(ValueError, match="1000"):
        class_scores(np.zeros((2, 10), np.float32), Counterparts(2, {0: (1,), 1: (2,)}))
