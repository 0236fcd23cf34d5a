"""Where a study's samples come from: a model, a folder of pictures, or any function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from acgan.data.images import Images, LabelledImages
from acgan.data.order import random_order
from acgan.errors import DataError
from acgan.model import Model
from acgan.sampling import SEEDS

_SEEDS_A_CLASS = 2**32  # each class of each study seed has so many image seeds to itself


@final
@dataclass(frozen=True)
class Samples:
    """A source of samples, class by class.

    Attributes:
        draw: ``draw(class index, count, seed)`` gives uint8 (count, C, H, W); the same three
            give the same images, and a smaller count the first of a larger one's.
        identity: equal where the draws are equal (a hash of weights or of images); kept results
            are recognised by it.
        available: samples of each class where they are finite; None without a limit.
        learned_from: content hash of the images that the maker of the samples learned from; None
            where nobody knows.
        origin: for the protocol: model, data, images seen …
    """

    draw: Callable[[int, int, int], Images]
    identity: str
    available: tuple[int, ...] | None = None
    learned_from: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


def model_samples(model: Model) -> Samples:
    """Fresh samples of a trained model: other ones for every study seed and every class.

    No latent is used twice. (Samples of one image seed share a style across classes, so classes
    with the same image seeds would vary less than they look.)
    """

    def draw(index: int, count: int, seed: int) -> Images:
        # Stream 0 holds the image seeds from 0 on, which sheets and other measures show.
        stream = seed * len(model.classes) + index + 1
        if not 0 <= stream < SEEDS // _SEEDS_A_CLASS:
            raise ValueError(f"study seed {seed} leaves no image seeds; take one below a million")
        return model.sample(index, count, stream * _SEEDS_A_CLASS)

    return Samples(
        draw,
        identity=f"model {model.record.content_hash}",
        learned_from=model.split["train"]["content_hash"],
        origin={
            "model": model.record.content_hash,
            "model_recipe": model.config.recipe,
            "model_seed": model.config.seed,
            "model_images_seen": model.images_seen,
        },
    )


def given_samples(samples: LabelledImages) -> Samples:
    """Samples that somebody drew before, from whatever tool; a study seed takes a random part."""
    members = [np.flatnonzero(samples.labels == index) for index in range(len(samples.classes))]

    def draw(index: int, count: int, seed: int) -> Images:
        if count > len(members[index]):
            raise DataError(
                f"{count} samples of {samples.classes[index].name} are needed, "
                f"{len(members[index])} are there; add more"
            )
        order = random_order(len(members[index]), "samples", seed, samples.classes[index].name)
        chosen: Images = samples.images[members[index][order[:count]]]
        return chosen

    return Samples(
        draw,
        identity=f"images {samples.content_hash}",
        available=tuple(samples.class_counts.tolist()),
        origin={"images": samples.content_hash},
    )
