"""Subjects of an evaluation: samples drawn from a model, or pictures that lie in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from acgan.data.config import DataConfig
from acgan.data.folder import load_folder
from acgan.data.images import ClassName, DatasetSplits, Images, Labels, find_class
from acgan.data.layout import SINGLE_CLASS
from acgan.errors import DataError, UsageError
from acgan.evaluation.evaluation_data import SampleSet
from acgan.execution.progress import StageProgress
from acgan.metrics.arrays import Int64Array
from acgan.model.model import Model
from acgan.sampling.sampler import check_seeds, iterate_images

_EVEN_ENOUGH = 2.0  # a largest class of up to so many times the smallest is asked for evenly


def counts_per_class(reference: Int64Array, total: int) -> Int64Array:
    """How many samples of each class to draw, so that they can be held against the reference.

    As many of each class, as quoted figures take them, unless the reference's classes differ much
    in size (the largest over twice the smallest): then in its proportions, because a distance
    between all samples and all real images would else measure the proportions.

    Args:
        reference: real images of each class, int64 (K,).
        total: samples wanted in all.

    Returns:
        int64 (K,), each at least 1; the sum is near ``total``.

    Raises:
        UsageError: fewer samples than classes.
    """
    classes = len(reference)
    if total < classes:
        raise UsageError(f"{total} samples are fewer than the {classes} classes; ask for more")
    if reference.min() > 0 and reference.max() <= _EVEN_ENOUGH * reference.min():
        return np.full(classes, total // classes, np.int64)
    counts: Int64Array = np.maximum(1, np.rint(total * reference / reference.sum())).astype(
        np.int64
    )
    return counts


def sample_model(
    model: Model,
    splits: DatasetSplits,
    *,
    total: int,
    seed: int,
    name: str,
    run: Path | None,
    progress: StageProgress,
) -> SampleSet:
    """Samples of a model, class after class, each class from the same first seed on.

    Of a model without classes, seed after seed; the data's classes are then nothing to it.

    Raises:
        DataError: the data's size, channels or classes are not the model's.
        UsageError: fewer samples than classes, or a seed outside its range.
    """
    if model.shape != splits.shape:
        raise DataError(
            f"{name} draws images of {model.shape}, {splits.name} holds images of {splits.shape} "
            "(height×width×channels); evaluate it with data of its own size and color"
        )
    if not model.conditional:
        return _sample_without_classes(model, splits, total, seed, name, run, progress)
    drawn, real = ([each.name for each in some] for some in (model.classes, splits.classes))
    if drawn != real:
        raise DataError(
            f"{name} draws the classes {_listed(drawn)}; {splits.name} has {_listed(real)}: "
            "evaluate it with the data it was trained on, or others of the same classes"
        )
    counts = counts_per_class(splits.test.class_counts, total)
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    seeds = np.concatenate([np.array(check_seeds(seed, int(count))) for count in counts])
    samples = _draw(model, labels, seeds, progress)
    return SampleSet(name, samples, labels, splits.classes, model, run, _origin(model, seed))


def _sample_without_classes(
    model: Model,
    splits: DatasetSplits,
    total: int,
    seed: int,
    name: str,
    run: Path | None,
    progress: StageProgress,
) -> SampleSet:
    samples = _draw(model, None, np.array(check_seeds(seed, total)), progress)
    target_labels, origin = np.zeros(total, np.int64), _origin(model, seed)
    return SampleSet(
        name, samples, target_labels, splits.classes, model, run, origin=origin, conditional=False
    )


def _draw(
    model: Model, labels: Labels | None, seeds: npt.NDArray[np.int64], progress: StageProgress
) -> Images:
    samples = np.empty((len(seeds), *model.shape), np.uint8)
    done = 0
    for batch in iterate_images(model.generator, labels, seeds):
        samples[done : done + len(batch)] = batch
        done += len(batch)
        progress("samples", done, len(samples))
    return samples


def _origin(model: Model, seed: int) -> dict[str, Any]:
    return {
        "model": model.record.content_hash,
        "images_seen": model.images_seen,
        "recipe": model.config.recipe,
        "training_seed": model.config.seed,
        "sample_seed": seed,
        "precision": model.sampling_precision(),
    }


def load_sample_folder(
    folder: Path, splits: DatasetSplits, *, total: int, seed: int, progress: StageProgress
) -> SampleSet:
    """Generated pictures in a folder with one sub-folder a class, from whatever tool.

    Args:
        folder: sub-folders are named like the data's classes (name, alias, folder name or index);
            pictures without sub-folders are taken for those of a model without classes.
        splits: the data.
        total: of more pictures than this, an even, seeded choice is taken.
        seed: of that choice.
        progress: told of the reading.

    Raises:
        DataError: there is no picture, sizes or channels are not the data's, a class is unknown
            or missing.
    """
    source = load_folder(folder, DataConfig(source=str(folder)), progress)
    found, shape = source.data, source.data.shape
    if shape != splits.shape:
        raise DataError(
            f"the pictures in {folder} are of {shape}, {splits.name} holds images of "
            f"{splits.shape} "
            "(height×width×channels); give data of the pictures' size (--image-size) and color"
        )
    origin = {"folder": str(folder), "content_hash": found.content_hash, "choice_seed": seed}
    name = folder.resolve().name
    if [each.name for each in found.classes] == [SINGLE_CLASS]:
        chosen = _even_choice(found.labels, total, seed)
        target_labels = np.zeros(len(chosen), np.int64)
        images = found.images[chosen]
        return SampleSet(
            name, images, target_labels, splits.classes, origin=origin, conditional=False
        )
    labels = _matched(found.classes, splits.classes, folder)[found.labels]
    chosen = _even_choice(labels, total, seed)
    return SampleSet(name, found.images[chosen], labels[chosen], splits.classes, origin=origin)


def _matched(
    found: tuple[ClassName, ...], wanted: tuple[ClassName, ...], folder: Path
) -> npt.NDArray[np.int64]:
    """The data's label of each class that was found, int64 (found classes,)."""
    try:
        labels = [find_class(wanted, each.name) for each in found]
    except UsageError as error:
        raise DataError(f"{folder}: {error}; name its sub-folders after these classes") from None
    missing = [each.name for index, each in enumerate(wanted) if index not in labels]
    if missing:
        raise DataError(
            f"{folder} holds no picture of {_listed(missing)}; every class needs samples, or "
            "leave classes out of the data with --only-class"
        )
    if len(set(labels)) < len(labels):
        raise DataError(f"{folder} holds two sub-folders of one class; put them together")
    return np.array(labels, np.int64)


def _even_choice(labels: Labels, total: int, seed: int) -> npt.NDArray[np.int64]:
    """At most ``total`` positions, class after class: equally many a class where there are."""
    random = np.random.default_rng(seed)
    members = [random.permutation(np.flatnonzero(labels == index)) for index in np.unique(labels)]
    each = max(map(len, members))
    while each > 1 and sum(min(each, len(some)) for some in members) > total:
        each -= max(1, (each * len(members) - total) // (2 * len(members)))
    return np.concatenate([np.sort(some[:each]) for some in members])


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
