"""load_data: from a DataConfig to the three parts that everything else works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from acgan.data.classes import ClassName
from acgan.data.config import DataConfig
from acgan.data.folder import load_folder
from acgan.data.images import DataParts, LabelledImages
from acgan.data.leaks import leak_note
from acgan.data.places import data_root
from acgan.data.source import Part, Source
from acgan.data.sources import NAMED_SETS
from acgan.data.split import cut_parts
from acgan.data.subset import kept_classes, pick, wanted_counts
from acgan.data.take import take
from acgan.errors import UsageError

Progress = Callable[[str, int, int], None]
Indices = npt.NDArray[np.int64]


def load_data(config: DataConfig, *, progress: Progress | None = None) -> DataParts:
    """The train, validation and test part of a data set, the same for the same config and data.

    Args:
        config: which data, how cut, and how much of it.
        progress: called with a stage's name, the number of files done and their total.

    Raises:
        DataError: the data are missing, damaged or too few; the message says what to do.
        UsageError: no such data set or class.
        DiskError: images too many for memory could not be written to the cache.

    Example:
        >>> parts = load_data(DataConfig(source="digits"))
        >>> len(parts.train), len(parts.validation), len(parts.test), str(parts.shape)
        (4000, 500, 500, '28×28×1')
    """
    source = _find(config, progress or _silent)
    rows, labels, classes = _kept(source, config)
    codes = cut_parts(
        labels,
        source.given[rows],
        classes,
        validation_share=config.validation_share,
        test_share=config.test_share,
        seed=config.split_seed,
    )
    train = np.flatnonzero(codes == Part.TRAIN)
    available = np.bincount(labels[train], minlength=len(classes)).astype(np.int64)
    wanted = wanted_counts(available, config)
    train = train[pick(labels[train], classes, wanted, seed=config.split_seed)]

    def part(chosen: Indices) -> LabelledImages:
        images = take(source.everything, rows[chosen], config.image_size, cache=config.cache)
        return LabelledImages(images, labels[chosen], classes)

    labelled = None
    if config.labelled_per_class is not None and (wanted > config.labelled_per_class).any():
        kept = np.minimum(wanted, config.labelled_per_class)
        labelled = pick(labels[train], classes, kept, seed=config.split_seed)
    parts = DataParts(
        name=source.name,
        train=part(train),
        validation=part(np.flatnonzero(codes == Part.VALIDATION)),
        test=part(np.flatnonzero(codes == Part.TEST)),
        set_aside=source.set_aside,
        labelled_rows=labelled,
    )
    return replace(parts, notes=(*source.notes, *_notes(parts, config), *leak_note(parts)))


def _find(config: DataConfig, progress: Progress) -> Source:
    name = config.source
    if name in NAMED_SETS:
        return NAMED_SETS[name](data_root(config.root))
    path = Path(name).expanduser()
    if not path.exists() and path.name == name and not path.suffix:
        try:
            NAMED_SETS[name]
        except UsageError as error:
            raise UsageError(f"{error}, and no folder of that name lies here") from None
    return load_folder(path, config, progress)


def _kept(source: Source, config: DataConfig) -> tuple[Indices, Indices, tuple[ClassName, ...]]:
    """Rows of the source to use at all, their labels, and the classes these refer to."""
    everything = source.everything
    if not config.only_class:
        return np.arange(len(everything)), everything.labels, everything.classes
    kept = kept_classes(everything.classes, config.only_class)
    new_label = np.zeros(len(everything.classes), np.int64)
    new_label[kept] = np.arange(len(kept))
    rows = np.flatnonzero(np.isin(everything.labels, kept))
    labels = new_label[everything.labels[rows]]
    return rows, labels, tuple(everything.classes[index] for index in kept)


def _notes(parts: DataParts, config: DataConfig) -> Iterator[str]:
    for wanted, what in ((config.per_class, "training"), (config.labelled_per_class, "labelled")):
        if wanted is not None:
            few = [
                name.name
                for name, count in zip(parts.classes, parts.train.class_counts, strict=True)
                if count < wanted
            ]
            if few:
                yield f"fewer than {wanted} {what} images: all there are of {', '.join(few)}"
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        empty = [
            c.name for c, count in zip(parts.classes, part.class_counts, strict=True) if not count
        ]
        if empty:
            yield f"the {name} part has no image of {', '.join(empty)}"


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
