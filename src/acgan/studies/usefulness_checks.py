"""What must hold before a usefulness study begins, and what a reader must be told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from acgan.data.images import DataParts, LabelledImages
from acgan.errors import DataError, UsageError
from acgan.model import Model
from acgan.studies.arms import Arm
from acgan.studies.samples import Samples, model_samples

_LEAST_SEEDS = 3


def check_study(
    parts: DataParts, given: Samples | LabelledImages, source: Samples, seeds: Sequence[int]
) -> None:
    """Refuse what would make a study unfair or impossible, with a sentence that says what to do.

    Raises:
        UsageError: fewer than three seeds, one twice, or one below 0.
        DataError: classes that differ or have no image; samples of a model that learned from
            other images.
    """
    if len(set(seeds)) < _LEAST_SEEDS or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UsageError(
            "a usefulness study takes at least three different seeds, none below 0: with fewer, "
            f"chance cannot be told from effect (got {', '.join(map(str, seeds)) or 'none'})"
        )
    if isinstance(given, LabelledImages):
        mine, real = ([each.name for each in some] for some in (given.classes, parts.classes))
        if mine != real:
            raise DataError(
                f"the samples' classes are {', '.join(mine)}, the data's {', '.join(real)}; "
                "name the samples' folders as the data's classes"
            )
    _check_data(parts, source.learned_from)


def check_maker(model: Model | None, parts: DataParts, conditional: bool) -> None:
    """What can be refused before a sample is drawn.

    Args:
        model: that is to draw them; None for pictures from elsewhere.
        parts: the real images.
        conditional: whether samples are asked for by their class.

    Raises:
        UsageError: they are not.
        DataError: as `check_study`.
    """
    if not conditional:
        raise UsageError(
            "--usefulness trains classifiers on samples of known classes, and these are asked for "
            "none; leave it out"
        )
    _check_data(parts, None if model is None else model_samples(model).learned_from)


def _check_data(parts: DataParts, learned_from: str | None) -> None:
    if len(parts.classes) < 2:
        raise DataError("a classifier tells classes apart, so the data need at least two of them")
    if not parts.train.class_counts.min():
        empty = parts.classes[int(parts.train.class_counts.argmin())].name
        raise DataError(f"the training part has no image of {empty}; leave that class out")
    if learned_from not in {None, parts.train.content_hash}:
        raise DataError(
            "the samples' model learned from other images than this training part: its samples "
            "would carry what the real arms cannot know, and the comparison would be unfair. Give "
            "the data as it was trained on, with the same --fraction, --per-class or --long-tail"
        )


def possible_arms(
    arms: tuple[Arm, ...], source: Samples, parts: DataParts
) -> tuple[tuple[Arm, ...], list[str]]:
    """The arms for which there are samples enough, and a sentence on each of the others."""
    if source.available is None:
        return arms, []
    there = np.array(source.available)
    possible = tuple(arm for arm in arms if (np.array(arm.synthetic) <= there).all())
    if not any(arm.has_samples for arm in possible):
        raise DataError(
            f"{there.sum()} samples are too few for any arm; a study wants as many of each class "
            f"as the training part has ({', '.join(map(str, parts.train.class_counts.tolist()))})"
        )
    notes = [
        f"left out for want of samples: {arm.title} (it takes {sum(arm.synthetic):,})"
        for arm in arms
        if arm not in possible
    ]
    return possible, notes


def notes_on(arms: Sequence[Arm], source: Samples) -> Iterator[str]:
    """What a reader must know of these samples, and which arms are one and the same here."""
    if source.learned_from is None:
        yield (
            "Nobody knows here what the samples' maker learned from. If it saw more real images "
            "than the training part, the samples look more useful than they are."
        )
    for index, arm in enumerate(arms):
        for other in arms[:index]:
            if other.content == arm.content:
                yield f"“{arm.title}” is the same training set as “{other.title}” here."
                break
