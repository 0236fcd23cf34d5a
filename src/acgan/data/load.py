"""load_data: from a DataConfig to the three parts that everything else works with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from acgan.data.config import DataConfig
from acgan.data.images import DataParts, LabelledImages
from acgan.data.places import data_root
from acgan.data.resize import fit_array
from acgan.data.source import Part, Source
from acgan.data.sources import NAMED_SETS
from acgan.data.split import cut_parts
from acgan.data.subset import kept_classes, pick, wanted_counts

Progress = Callable[[str, int, int], None]


def load_data(config: DataConfig, *, progress: Progress | None = None) -> DataParts:
    """The train, validation and test part of a data set, the same for the same config and data.

    Args:
        config: which data, how cut, and how much of it.
        progress: called with a stage's name, the number of files done and their total.

    Raises:
        DataError: the data are missing, damaged or too few; the message says what to do.
        UsageError: no such data set or class.
        DiskError: decoded images of a large folder could not be written to the cache.
    """
    del progress
    source = _only(NAMED_SETS[config.source](data_root(config.root)), config.only_class)
    everything = source.everything
    parts = cut_parts(
        everything.labels,
        source.given,
        everything.classes,
        validation_share=config.validation_share,
        test_share=config.test_share,
        seed=config.split_seed,
    )
    train = np.flatnonzero(parts == Part.TRAIN)
    labels = everything.labels[train]
    available = np.bincount(labels, minlength=len(everything.classes)).astype(np.int64)
    wanted = wanted_counts(available, config)
    train = train[pick(labels, everything.classes, wanted, seed=config.split_seed)]

    def part(indices: npt.NDArray[np.int64]) -> LabelledImages:
        chosen = everything.subset(indices)
        size = config.image_size
        images = fit_array(chosen.images, size) if size else chosen.images
        return LabelledImages(images, chosen.labels, chosen.classes)

    return DataParts(
        name=source.name,
        train=part(train),
        validation=part(np.flatnonzero(parts == Part.VALIDATION)),
        test=part(np.flatnonzero(parts == Part.TEST)),
        notes=source.notes,
    )


def _only(source: Source, wanted: tuple[str, ...]) -> Source:
    if not wanted:
        return source
    everything = source.everything
    kept = kept_classes(everything.classes, wanted)
    new_label = np.full(len(everything.classes), -1, np.int64)
    new_label[kept] = np.arange(len(kept))
    indices = np.flatnonzero(np.isin(everything.labels, kept))
    chosen = LabelledImages(
        everything.images[indices],
        new_label[everything.labels[indices]],
        tuple(everything.classes[index] for index in kept),
    )
    return Source(source.name, chosen, source.given[indices], source.notes)
