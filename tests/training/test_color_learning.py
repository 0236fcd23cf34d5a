"""The color recipes begin to learn: D classifies held-out images before G generates good samples.

On tinted digits of 3 classes, with the size, networks and rates of each recipe. Complete runs take
hours; docs/systems.md has their results.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.data.load import load_data
from acgan.recipes.recipe import load_recipe
from acgan.runs.config import RunConfig

CLASSES = 3
KNOWN = 0.6
"""D's accuracy on held-out images; chance is a third."""


def tinted(part: LabeledImages, generator: np.random.Generator, lying: bool) -> LabeledImages:
    """The first three digits, each image in a color of its own; labels shuffled if they lie."""
    few = part.labels < CLASSES
    labels = generator.permutation(part.labels[few]) if lying else part.labels[few]
    tints = generator.uniform(0.3, 1, (len(labels), 3, 1, 1))
    return LabeledImages(
        (part.images[few] * tints).astype(np.uint8), labels, part.classes[:CLASSES]
    )


@pytest.mark.full
@pytest.mark.parametrize(
    ("recipe", "images", "lying"),
    [
        ("acgan-mod-color", 3_200, False),
        ("acgan-mod-color", 3_200, True),
        ("acgan-cifar10", 4_800, False),
        ("acgan-folder-64", 2_400, False),
        ("acgan-paper-cifar10", 6_400, False),
    ],
)
def test_d_learns_classes_before_g_draws_them(
    tmp_path: Path,
    train_tiny: Callable[..., Any],
    logged: Any,
    recipe: str,
    images: int,
    lying: bool,
) -> None:
    values: dict[str, Any] = {"recipe": recipe, **load_recipe(recipe).values}
    values["training"] = {**values["training"], "total_images": images, "total_epochs": None}
    values["reporting"] = {"log_every_images": images}
    values["execution"] = {"device": "cpu", "threads": 1}
    config = RunConfig.model_validate(values)
    digits = load_data(DataConfig(source="digits", image_size=config.data.image_size or (32, 32)))
    stream = np.random.default_rng(0)
    train = tinted(digits.train, stream, lying)
    validation, test = (tinted(part, stream, False) for part in (digits.validation, digits.test))

    train_tiny(tmp_path / "run", config, splits=DatasetSplits("tinted", train, validation, test))
    last = logged(tmp_path / "run").figures[-1]
    assert (last["class_accuracy"]["real_held_out"] >= KNOWN) is not lying
