"""The layout of a folder or zip: from paths and label files to the split and class of each file.

Each sub-folder is a class and contains its files at any depth. Folders of splits may stand above
the classes or inside each of them, and wrapping folders above all. Images without any folder form a
single class, unless a label file names their classes. What can be read in two ways is refused.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import final

from acgan.data.images import check_names
from acgan.data.source import Split
from acgan.errors import DataError, counted, find_name

_SUFFIXES = ".png .jpg .jpeg .jpe .jfif .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm"
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
SINGLE_CLASS = "image"
_SPLIT_WORDS = {  # as in Hugging Face's imagefolder
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), Split.VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), Split.TEST),
}
_CONTENT_WORDS = {"images", "image", "imgs", "img", "pictures", "photos", "data", "dataset"}
_OTHER_WORDS = _CONTENT_WORDS | {"set", "sample", "samples", "seg", "labels", "label", "metadata"}
_STYLEGAN = re.compile(r"(.*/)?\d{5}/img\d{8}\.\w+")  # numbered folders, which are no classes
_SHOWN = 3  # names in a message


@final
@dataclass(frozen=True)
class Entry:
    """One file: its path, the index of its class, and its split."""

    path: str
    label: int
    split: Split


@final
@dataclass(frozen=True)
class Layout:
    """All files of all classes.

    Attributes:
        classes: names in label order: ascending, with numbers compared by value; `SINGLE_CLASS`
            if nothing names the classes.
        entries: the files, ordered by split, class and path.
        outside: the files that have no class, in ascending order.
        unusable: path and reason of rows without an image and images without a row.
        notes: sentences about the reading.
    """

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    outside: tuple[str, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def parse_layout(
    files: Sequence[str],
    folders: Sequence[str],
    tables: Mapping[str, Mapping[str, str]] | None = None,
    unread: Mapping[str, str] | None = None,
) -> Layout:
    """Find the classes and splits of a container.

    Args:
        files: all paths except those of label files.
        folders: all folders.
        tables: the label of each file name, for each label file that could be read.
        unread: the reason, for each label file that could not.

    Raises:
        DataError: there are no images, a class is empty or missing in the training split, or the
            paths can be read in two ways; the message names both.
    """
    tables, unread = tables or {}, unread or {}
    tree = _Tree(files, folders)
    for folder in {_parent(path) for path in (*tables, *unread)} - {""}:
        if not any(tree.inside(folder)):  # it has label files only
            tree.folders[_parent(folder)].remove(folder)
    labeled = _Labels(tree, tables)
    notes = [f"{path} is not read: {reason}" for path, reason in unread.items()]
    notes += [f"{path} is not read: it names none of the images" for path in labeled.foreign]
    try:
        found = _by_folders(tree)
    except DataError as error:
        if not labeled.labels:
            also = f" ({'; '.join(notes)})" if notes else ""
            raise DataError(f"{error}{also}") from None
        found = _by_labels(tree, labeled)
    else:
        if labeled.labels and len(found.classes) > 1:
            notes.append(_agreement_note(found, labeled))
        elif labeled.labels:
            found = _by_labels(tree, labeled)
        elif notes and len(found.classes) == 1:
            raise DataError(f"{notes[0]}; correct it, or move it away to train without its labels")
    notes += [f"{path} has no labels" for path, rows in tables.items() if not rows]
    return replace(found, notes=(*found.notes, *notes))


@final
class _Tree:
    """Files and folders by the folder that they are in; names end in no slash, the root is ''."""

    def __init__(self, files: Sequence[str], folders: Sequence[str]) -> None:
        self.paths = files
        self.files: dict[str, list[str]] = defaultdict(list)
        self.folders: dict[str, list[str]] = defaultdict(list)
        for path in files:
            self.files[_parent(path)].append(path)
        for path in folders:
            self.folders[_parent(path)].append(path)

    def has_images(self, folder: str) -> bool:
        return any(map(_is_image, self.files.get(folder, ())))

    def inner(self, folder: str) -> list[str]:
        """Return the folders directly in a folder that contain files."""
        return [each for each in self.folders.get(folder, ()) if any(self.inside(each))]

    def inside(self, folder: str) -> Iterator[str]:
        """Yield the files in a folder, at any depth."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            yield from self.files.get(here, ())
            waiting += self.folders.get(here, ())


_Homes = dict[str, tuple[str, Split]]
"""Class and split of each class folder."""


def _by_folders(tree: _Tree) -> Layout:
    images = [path for path in tree.paths if _is_image(path)]
    flat = not tree.folders[""] or all(map(_STYLEGAN.fullmatch, images))
    if images and flat:
        entries = [Entry(path, 0, Split.TRAIN) for path in sorted(tree.paths, key=_natural_key)]
        return Layout((SINGLE_CLASS,), tuple(entries))
    top = _unwrapped(tree)
    splits = _split_folders(tree, top)
    homes: _Homes = {}
    for folder, split in splits.items():
        if not tree.inner(folder) and tree.has_images(folder):  # a single split, without classes
            homes[folder] = (SINGLE_CLASS, split)
        homes |= _class_folders(tree, _split_top(tree, folder), split)
    if not splits:
        homes = _class_folders(tree, top, Split.TRAIN)
    found = [(path, *home) for folder, home in homes.items() for path in tree.inside(folder)]
    layout = _layout(tree, found, {name for name, _ in homes.values()}, "folder")
    for folder, (name, split) in homes.items():
        if not any(tree.inside(folder)) and split == Split.TRAIN:
            raise DataError(f"the class folder {name!r} is empty; add images or remove it")
    _check_outside(layout, homes)
    empty = [path for path in splits if not any(tree.inside(path))]
    notes = [f"the folder {path!r} is empty; this split is taken from training" for path in empty]
    return replace(layout, notes=(*_merged_note(tree, homes), *notes))


def _layout(
    tree: _Tree, found: Sequence[tuple[str, str, Split]], named: set[str], what: str
) -> Layout:
    """Order files with class and split; ``named`` are the classes that must have files.

    The splits may spell a class in different forms (NFC, NFD); within a split, that is refused.
    """
    for own in Split:
        check_names(sorted({name for _, name, split in found if split == own}))
    found = [(path, _composed(name), split) for path, name, split in found]
    classes = sorted(set(map(_composed, named)), key=_natural_key)
    check_names(classes)
    if not classes:
        raise DataError(
            f"there are {_no_images(tree.paths)}; add images, with one sub-folder for each class "
            "(without sub-folders only models without classes can be trained)"
        )
    filled = {name for _, name, _ in found}
    in_train = {name for _, name, split in found if split == Split.TRAIN}
    for name in classes:
        if name not in filled:
            raise DataError(f"the class folder {name!r} is empty; add images or remove it")
        if name not in in_train:
            twin = find_name(name, in_train)
            remedy = f", which has {twin!r}; rename one of the two" if twin else "; add one"
            raise DataError(f"the class {name!r} has no {what} in the training split{remedy}")
    index = {name: number for number, name in enumerate(classes)}
    entries = sorted(
        (Entry(path, index[name], split) for path, name, split in found),
        key=lambda entry: (entry.split, entry.label, _natural_key(entry.path)),
    )
    used = {path for path, _, _ in found}
    outside = tuple(path for path in tree.paths if path not in used)
    return Layout(tuple(classes), tuple(entries), outside)


def _no_images(paths: Sequence[str]) -> str:
    if not paths:
        return "no files"
    suffixes = Counter(PurePosixPath(path).suffix.casefold() or "no suffix" for path in paths)
    kinds = ", ".join(f"{count} with {suffix}" for suffix, count in suffixes.most_common(5))
    return (
        f"files, but no images ({kinds}{', …' * (len(suffixes) > 5)}; other formats than PNG, "
        "JPEG, WebP, BMP, GIF, TIFF and PPM have to be converted)"
    )


def _unwrapped(tree: _Tree) -> str:
    """Descend through wrapping folders to the one whose children are classes or splits."""
    top = ""
    while True:
        children = tree.folders[top]
        if len(children) != 1 or tree.has_images(top) or _split_of(children[0]) is not None:
            return top
        if tree.has_images(children[0]) or not tree.folders[children[0]]:
            return top
        top = children[0]


def _split_top(tree: _Tree, folder: str) -> str:
    """Descend through folders in a split that repeat its name or say ``images``."""
    while True:
        children = tree.folders[folder]
        if len(children) != 1 or tree.has_images(folder) or not tree.folders[children[0]]:
            return folder
        name = _name(children[0]).casefold()
        if name not in {_name(folder).casefold(), *_CONTENT_WORDS}:
            return folder
        folder = children[0]


def _split_folders(tree: _Tree, top: str) -> dict[str, Split]:
    """Return the folders of splits directly in ``top``; none if its folders are classes."""
    children = tree.folders[top]
    splits = {path: split for path in children if (split := _split_of(path)) is not None}
    filled = [path for path in splits if tree.inner(path)]
    flat = [path for path in splits if path not in filled and any(tree.inside(path))]
    others = [path for path in children if path not in splits and any(tree.inside(path))]
    if not filled and (not flat or (len(splits) == 1 and others)):
        return {}  # a folder "train" with images directly in it, beside others, is a class
    if others and filled:
        raise DataError(
            f"{_listed(others)} next to {_listed(splits)} may be splits or classes; move one or "
            "the other away"
        )
    if not filled and (others or len(flat) > 1):
        raise DataError(
            f"{_listed(splits)} may be classes of these names or splits without class folders; "
            "for classes, rename the folders; for splits, sort the images of each into class "
            "folders, or use the path of one folder to train without classes"
        )
    if filled and flat:
        raise DataError(
            f"{_listed(filled)} with sub-folders next to {_listed(flat)} with images directly in "
            "it may be splits or classes; for splits, sort the images into class folders or move "
            "them away; for classes, rename the folders"
        )
    if len(set(splits.values())) < len(splits):
        raise DataError(f"the folders {_listed(splits)} name the same split; merge them")
    if Split.TRAIN not in splits.values():
        raise DataError(
            f"found {_listed(splits)}, but no folder 'train'; add it, or rename the folder if it "
            "is a class or contains all images"
        )
    return splits


def _class_folders(tree: _Tree, top: str, split: Split) -> _Homes:
    """Return the class folders directly in ``top``.

    Raises:
        DataError: they may be kinds of images or contain splits.
    """
    children = tree.folders[top]
    inner = {path: tree.inner(path) for path in children}
    contents = [path for path in children if _name(path).casefold() in _CONTENT_WORDS]
    if contents and len(children) > 1:
        raise DataError(
            f"{_listed(contents)} next to {_listed(set(children) - set(contents))} may be a class "
            "or the folder of all images; for a class, rename it; otherwise use its path, or move "
            "the others away"
        )
    split_in = [
        path for path in children if any(_split_of(each) is not None for each in inner[path])
    ]
    if split_in:
        parts = [each for path in children for each in inner[path]]
        direct = [path for path in children if tree.has_images(path)]
        unclear = direct or [path for path in parts if _split_of(path) is None]
        if unclear or len(split_in) < len(children) or split != Split.TRAIN:
            raise DataError(
                f"the sub-folders of {_listed(split_in)} may be splits or parts of a class; for "
                "splits, give every class the same ones, or move them above the classes "
                "(train/CLASS); otherwise move the images into the class folder"
            )
        return {each: (_name(_parent(each)), _split_of(each) or Split.TRAIN) for each in parts}
    repeated = Counter(_name(each) for path in children for each in inner[path])
    for path in children:
        shared = [_name(each) for each in inner[path] if repeated[_name(each)] > 1]
        owners = [other for other in children if set(shared) <= set(map(_name, inner[other]))]
        if len(shared) > 1 and len(owners) > 1:
            raise DataError(
                f"{_listed(owners)} have the same sub-folders ({_listed(shared)}); either may be "
                f"the classes; for {_listed(map(_name, owners))}, move the images out of the "
                f"sub-folders; for {_listed(shared)}, use the path of one of the folders above them"
            )
    return {path: (_name(path), split) for path in children}


def _check_outside(layout: Layout, homes: Mapping[str, object]) -> None:
    images = [path for path in layout.outside if _is_image(path)]
    if len(images) >= len(layout.entries):
        raise DataError(
            f"{counted(len(images), 'image')} (such as {images[0]!r}) outside of the class folders "
            f"({_listed(homes)}) may be data without classes or left over; move the folders or "
            "the images away"
        )


def _merged_note(tree: _Tree, homes: _Homes) -> Iterator[str]:
    merged = {path: inner for path in homes if (inner := tree.inner(path))}
    if merged:
        names = list(dict.fromkeys(homes[path][0] for path in merged))
        total = sum(map(len, merged.values()))
        example = next(iter(merged.values()))[0]
        yield (
            f"{counted(total, 'sub-folder')} of {counted(len(names), 'class', 'classes')} "
            f"({_listed(names)}) merged into the class above, for example {example!r}"
        )


@final
class _Labels:
    """Labels of all label files, by the path of an image.

    Attributes:
        labels: label of each image.
        splits: split that the label file's name or folder gives to each image.
        names: the label files that name images.
        foreign: the label files that name none.
        missing: rows that name no file, each with its label file.
    """

    def __init__(self, tree: _Tree, tables: Mapping[str, Mapping[str, str]]) -> None:
        self.labels: dict[str, str] = {}
        self.splits: dict[str, Split] = {}
        self.names: list[str] = []
        self.foreign: list[str] = []
        self.missing: dict[str, str] = {}
        if not tables:
            return
        by_path = {_normalized(path): path for path in tree.paths}
        by_end: dict[str, list[str]] = defaultdict(list)
        for key, path in by_path.items():
            by_end[_name(key)].append(path)
            if _is_image(path):
                by_end[PurePosixPath(key).stem].append(path)
        for table, rows in tables.items():
            if not rows:
                continue
            split = _split_of(PurePosixPath(table).with_suffix("").as_posix())
            home = _parent(table)
            home = f"{home}/" if home and any(map(_is_image, tree.inside(home))) else ""
            missing = []
            found = False
            for row, label in rows.items():
                key = _normalized(row)
                image = (
                    by_path.get(_normalized(home + key))
                    or by_path.get(key)
                    or _unique(by_end.get(_name(key), []), home, split, table, row)
                )
                if image is None:
                    missing.append(row)
                    continue
                found = True
                if self.labels.setdefault(image, label) != label:
                    raise DataError(
                        f"{image!r} has the labels {self.labels[image]!r} and {label!r} in "
                        f"{_listed(dict.fromkeys([*self.names, table]))}; only one label per image "
                        "is supported"
                    )
                self.splits[image] = _split_above(image, split)
            (self.names if found else self.foreign).append(table)
            if found:
                self.missing |= dict.fromkeys(missing, f"in {table}, but there is no such file")


def _unique(
    paths: Sequence[str], home: str, split: Split | None, table: str, row: str
) -> str | None:
    """Return the file that a row means by its name alone."""
    near = [path for path in paths if path.startswith(home)]
    same = [path for path in near if split is not None and _split_above(path, None) == split]
    left = same or near
    if len(left) > 1:
        raise DataError(
            f"{row!r} in {table} may be {left[0]!r} or {left[1]!r}; write the path of each image, "
            "relative to the label file"
        )
    return left[0] if left else None


def _split_above(path: str, default: Split | None) -> Split:
    """Return the split of the nearest folder of a split above a file."""
    while path := _parent(path):
        if (split := _split_of(path)) is not None:
            return split
    return Split.TRAIN if default is None else default


def _by_labels(tree: _Tree, labels: _Labels) -> Layout:
    found = [(path, label, labels.splits[path]) for path, label in labels.labels.items()]
    layout = _layout(tree, found, set(labels.labels.values()), "image")
    homes = {_parent(path) for path in labels.labels}
    without = [path for path in layout.outside if _is_image(path) and _parent(path) in homes]
    reason = f"no row in {_listed(labels.names)}"
    unusable = labels.missing | dict.fromkeys(without, reason)
    outside = tuple(path for path in layout.outside if path not in unusable)
    note = f"the labels are those of {_listed(labels.names)}"
    return replace(layout, outside=outside, unusable=unusable, notes=(note,))


def _agreement_note(found: Layout, labels: _Labels) -> str:
    """Check that folders and labels divide the images into the same classes, and say so.

    Raises:
        DataError: they do not.
    """
    names = _listed(labels.names)
    by_class: dict[int, str] = {}
    by_label: dict[str, int] = {}
    for entry in found.entries:
        label = labels.labels.get(entry.path)
        if label is None:
            continue
        first = by_class.setdefault(entry.label, label), by_label.setdefault(label, entry.label)
        if first != (label, entry.label):
            raise DataError(
                f"{entry.path!r} has the class {found.classes[entry.label]!r} by its folder and "
                f"{label!r} in {names}, and they divide the images in different "
                "ways; move the label file away to use the folders, or all images into one folder "
                "to use the labels"
            )
    more = f"; {counted(len(labels.missing), 'row')} without a file" * bool(labels.missing)
    return f"class folders and {names} have the same labels{more}"


def _split_of(path: str) -> Split | None:
    """Return the split that a folder's name stands for: ``train``, ``testSet``, ``seg_val``."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _name(path)).casefold()
    words = re.findall(r"[^\W\d_]+", name)
    splits = [word for word in words if word in _SPLIT_WORDS]
    if len(splits) != 1 or not _OTHER_WORDS.issuperset({*words} - {*splits}):
        return None
    return _SPLIT_WORDS[splits[0]]


def _is_image(path: str) -> bool:
    return PurePosixPath(path).suffix.casefold() in IMAGE_SUFFIXES


def _normalized(path: str) -> str:
    """Return a path as it can be compared: relative, with ``/``, and composed characters."""
    plain = posixpath.normpath(path.replace("\\", "/").lstrip("/"))
    return _composed(plain)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _listed(names: Iterable[str]) -> str:
    some = list(names)
    more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
    return ", ".join(map(repr, some[:_SHOWN])) + more


def _natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    text = _composed(text)
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    key = [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p.casefold()) for p in pieces]
    return key, text
