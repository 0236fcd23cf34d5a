"""The types of data that all other packages use: class names, labeled images, dataset splits."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from acgan.config import canonical_json
from acgan.data.statistics import ImageStatistics, fit_statistics
from acgan.errors import (
    LINE_CHARACTERS,
    DataError,
    UsageError,
    brief,
    folded,
    listed,
    normal_form,
    printable,
    shown,
    suggestion,
)
from acgan.metrics.arrays import Int64Array, IntegerArray, UInt8Array
from acgan.storage.disk import is_device

_LONGEST_COMPONENT = 255  # bytes


@final
@dataclass(frozen=True)
class ClassName:
    """The names of a class.

    Attributes:
        name: the canonical name (``seven``, ``T-shirt/top``), as `acgan.errors.printable`.
        aliases: other names (``7``).
        folder: a single path component, safe on every file system and unique in the data set.
    """

    name: str
    aliases: tuple[str, ...]
    folder: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``classes.json``."""
        return {"name": self.name, "aliases": list(self.aliases), "folder": self.folder}

    @staticmethod
    def from_json(entry: Mapping[str, Any]) -> ClassName:
        """Read an entry of ``classes.json``, which may come from an untrusted source.

        Raises:
            KeyError: the entry is incomplete.
            ValueError: its folder is not a safe path component.
        """
        folder = checked_component(str(entry["folder"]))
        aliases = tuple(printable(str(alias)) for alias in entry["aliases"])
        return ClassName(printable(str(entry["name"])), aliases, folder)


def read_classes(entries: Iterable[Mapping[str, Any]]) -> tuple[ClassName, ...]:
    """Read ``classes.json``, which may come from an untrusted source.

    Raises:
        DataError: two names or two folders are equal but for case or form.
        KeyError, ValueError: see `ClassName.from_json`.
    """
    classes = tuple(map(ClassName.from_json, entries))
    check_names([each.name for each in classes])
    folders = [folded(each.folder) for each in classes]
    for index, each in enumerate(classes):
        if folders[index] in folders[:index]:
            raise DataError(f"two classes have the folder {shown(each.folder)}")
    return classes


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are empty, equal, or look alike.

    Names that differ in case are allowed (EMNIST has ``A`` and ``a``).

    Raises:
        DataError: two names cannot be told apart.
    """
    known: dict[str, str] = {}
    for index, name in enumerate(names):
        if not name.strip():
            raise DataError(f"class {index} has an empty name; give it a name")
        other = known.get(normal_form(name))
        if other == name:
            raise DataError(f"the class name {shown(name)} occurs twice; rename one of the classes")
        if other is not None:
            raise DataError(
                f"the class names {brief(ascii(other))} and {brief(ascii(name))} look the same; "
                "merge the two classes or rename one"
            )
        known[normal_form(name)] = name


def make_classes(
    names: Sequence[str], aliases: Sequence[Sequence[str]] | None = None
) -> tuple[ClassName, ...]:
    """Make classes in label order, with unique safe folder names.

    No folder has the name of another class.

    Raises:
        DataError: see `check_names`.
    """
    check_names(names)
    taken = set(map(folded, names))
    used: set[str] = set()
    classes = []
    for index, name in enumerate(names):
        folder = stem = safe_component(name)
        number = 2
        # Windows and macOS ignore case.
        while (key := folded(folder)) in used or (key != folded(name) and key in taken):
            folder, number = f"{stem}-{number}", number + 1
        used.add(key)
        classes.append(ClassName(printable(name), tuple(aliases[index]) if aliases else (), folder))
    return tuple(classes)


def find_class(classes: Sequence[ClassName], wanted: str) -> int:
    """Return the index of a class, given its canonical name, alias, folder or index.

    An exact name wins over an alias, an alias over an index, so a class named ``3`` is found by its
    name; if all names are numbers, a number is a name. Case matters only if names differ in nothing
    else; form (NFC, NFD) and escapes do not. A long name is found as `acgan.errors.brief` too.

    Raises:
        UsageError: the name matches no class or several classes; the message lists the classes.
    """
    text, key = normal_form(wanted), folded(wanted)
    exact = [i for i, c in enumerate(classes) if text == normal_form(c.name)]
    if len(exact) == 1:
        return exact[0]
    for spellings in (
        [{folded(c.name)} for c in classes],
        [{folded(brief(c.name))} for c in classes],
        [{folded(a) for a in c.aliases} for c in classes],
        [{folded(c.folder)} for c in classes],
    ):
        hits = [i for i, names in enumerate(spellings) if key in names]
        if len(hits) == 1:
            return hits[0]
        if hits:
            names = ", ".join(f"{shown(classes[i].name)} (index {i})" for i in hits)
            raise UsageError(
                f"{shown(wanted)} matches several classes: {names}; use the exact name or the index"
            )
    numbers = all(c.name.isdecimal() for c in classes)
    if not numbers and text.isdecimal() and len(text) < 10 and int(text) < len(classes):
        return int(text)
    if len(classes) == 1:
        raise UsageError(f"no class {shown(wanted)}; the only class is {shown(classes[0].name)}")
    hint = suggestion(text, [c.name for c in classes], "Classes")
    indices = "" if numbers else f" (or an index from 0 to {len(classes) - 1})"
    raise UsageError(f"no class {shown(wanted)}; {hint}{indices}")


def safe_component(name: str) -> str:
    """Turn a name into a path component that is safe on every file system (not yet unique)."""
    plain = unicodedata.normalize("NFKC", name)
    plain = re.sub(r"[^\w.+-]+", "-", plain).strip("-. ")[:80]
    plain = plain.encode()[:200].decode(errors="ignore").rstrip("-. ") or "class"  # of 255 bytes
    return re.sub(r"^[^.]*", r"\g<0>-", plain) if is_device(plain) else plain


def checked_component(text: str) -> str:
    """Return an untrusted path component if it is as safe as those of `safe_component`.

    Raises:
        ValueError: it is not safe.
    """
    plain = re.fullmatch(r"[\w+-](?:[\w.+-]*[\w+-])?", text)
    if not plain or is_device(text) or len(text.encode()) > _LONGEST_COMPONENT:
        raise ValueError(f"{shown(text)} is not a safe folder name")
    return text


Images = UInt8Array
Labels = Int64Array


class ImageShape(NamedTuple):
    """Channels, height and width of one image, in that order."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}×{self.width}×{self.channels}"


@final
@dataclass(frozen=True, eq=False)
class LabeledImages:
    """Images with one label each.

    Attributes:
        images: uint8 (N, C, H, W), 0 to 255; an array in memory or a read-only memory map.
        labels: int64 (N,), each in [0, K).
        classes: the K classes in label order.
    """

    images: Images
    labels: Labels
    classes: tuple[ClassName, ...]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(
                f"images must be uint8 (N, C, H, W), not {images.dtype} {images.shape}"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"labels must be int64 ({len(images)},), not {labels.dtype} {labels.shape}"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise DataError(f"labels must lie in 0 to {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> ImageShape:
        """Channels, height, width."""
        _, channels, height, width = self.images.shape
        return ImageShape(channels, height, width)

    @property
    def class_counts(self) -> Int64Array:
        """Number of images of each class, int64 (K,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over shape, class names, labels and pixels: equal content, equal hash."""
        digest = hashlib.sha256()
        digest.update(repr((self.images.shape, [c.name for c in self.classes])).encode())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        for start in range(0, len(self), 4096):
            digest.update(np.ascontiguousarray(self.images[start : start + 4096]).tobytes())
        return digest.hexdigest()

    def subset(self, indices: IntegerArray) -> LabeledImages:
        """Return the images at ``indices``, in that order, with the same classes."""
        return LabeledImages(self.images[indices], self.labels[indices], self.classes)


@final
@dataclass(frozen=True, eq=False)
class DatasetSplits:
    """The three disjoint splits of a data set, fixed before training.

    If only some training images keep their labels, ``train`` still has all labels for evaluation;
    training uses the labels of ``labeled`` only.

    Attributes:
        name: short name of the source, safe in a file name (``digits``, ``mnist``, folder's name).
        train: for training.
        validation: for metrics and alarms during training, and for the choice of recipes.
        test: for evaluation only.
        notes: sentences for the user (skipped files, classes with few images …).
        skipped: path and reason of every skipped file.
        labeled_rows: int64 (n,), ascending: the training images whose labels training may use;
            None for all.
        flip_keeps_class: whether a horizontally flipped image still belongs to its class: true for
            photographs and clothes, false for digits and letters.
        source_splits: those of ``validation`` and ``test`` that the source defines; the shares and
            the seed of the configuration have no effect on them.
    """

    name: str
    train: LabeledImages
    validation: LabeledImages
    test: LabeledImages
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    labeled_rows: Int64Array | None = None
    flip_keeps_class: bool = False
    source_splits: tuple[str, ...] = ()

    @cached_property
    def labeled(self) -> LabeledImages:
        """The training images whose labels training may use, in the order of ``train``."""
        return self.train if self.labeled_rows is None else self.train.subset(self.labeled_rows)

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """The classes of all splits."""
        return self.train.classes

    def class_line(self) -> str:
        """Return the first classes with their images in all splits, as a line of progress."""
        splits = (self.train, self.validation, self.test)
        counts = np.sum([split.class_counts for split in splits], axis=0)
        line, count = "classes: ", len(self.classes)
        for index, each in enumerate(self.classes):
            text = f"{listed([each.name])} ({counts[index]:,})"
            more = f" … and {count - index - 1:,} more" * (index + 1 < count)
            if index and len(f"{line}, {text}{more}") > LINE_CHARACTERS:
                return f"{line} … and {count - index:,} more"
            line += f", {text}" if index else text
        return line

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of the images of all splits."""
        return self.train.shape

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the images, labels and class names of all splits, in their order."""
        return hashlib.sha256(canonical_json(self.split_record()).encode()).hexdigest()

    @cached_property
    def statistics(self) -> ImageStatistics:
        """What the training images look like; measured once, in about a second."""
        return fit_statistics(self.train.images, self.validation.images)

    def split_record(self) -> dict[str, dict[str, Any]]:
        """Return the content of ``split.json``: content hash, size and class counts of each split.

        If some training images have no label, ``train`` has an entry ``labeled`` for the others.
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        record = {name: _record(split) for name, split in splits.items()}
        if self.labeled_rows is not None:
            record["train"]["labeled"] = _record(self.labeled)
        return record


def _record(data: LabeledImages) -> dict[str, Any]:
    return {
        "content_hash": data.content_hash,
        "images": len(data),
        "per_class": {
            each.name: int(count)
            for each, count in zip(data.classes, data.class_counts, strict=True)
        },
    }
