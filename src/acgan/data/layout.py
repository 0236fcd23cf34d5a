"""The layout of a folder or zip: from paths and label files to the split and class of each file.

Each sub-folder is a class and contains its files at any depth. Folders of splits may stand above
the classes or inside each of them, and wrapping folders above all. Images without any folder form a
single class, unless a label file names their classes. What can be read in two ways is refused.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import final

from acgan.data.images import check_names
from acgan.data.label_files import ImageLabels
from acgan.data.source import Split
from acgan.data.tree import (
    CONTENT_WORDS,
    FileTree,
    composed,
    is_image,
    name_of,
    parent_of,
    split_and_rest,
    split_of,
)
from acgan.errors import DataError, counted, find_name, quoted, shown

SINGLE_CLASS = "image"
_KINDS = (  # folders of these names together are hardly classes
    *({name} for name in ("thumbnails", "thumbs", "unlabeled", "unlabelled")),
    *({"hr", "lr"}, {"input", "target"}, {"input", "output"}, {"source", "target"}),
)
_STYLEGAN = re.compile(r"(.*/)?\d{5}/img\d{8}\.\w+")  # numbered folders, which are no classes


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
    tree = FileTree(files, folders)
    for folder in {parent_of(path) for path in (*tables, *unread)} - {""}:
        if not any(tree.inside(folder)):  # it has label files only
            tree.folders[parent_of(folder)].remove(folder)
    labeled = ImageLabels(tree, tables)
    reasons = {**unread, **dict.fromkeys(labeled.foreign, "it names none of the images")}
    notes = list(_unread_notes(reasons))
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


def _unread_notes(reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each reason not to read label files."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for path, reason in reasons.items():
        by_reason[reason].append(path)
    for reason, paths in by_reason.items():
        named = f"{paths[0]} is" if len(paths) == 1 else f"{quoted(paths)} are"
        yield f"{named} not read: {reason}"


_Homes = dict[str, tuple[str, Split]]
"""Class and split of each class folder."""


def _by_folders(tree: FileTree) -> Layout:
    images = [path for path in tree.paths if is_image(path)]
    flat = not tree.folders[""] or all(map(_STYLEGAN.fullmatch, images))
    if images and flat:
        entries = [Entry(path, 0, Split.TRAIN) for path in sorted(tree.paths, key=_natural_key)]
        return Layout((SINGLE_CLASS,), tuple(entries))
    top = _descend(tree, "", lambda _, child: _is_wrapping(tree, child))
    splits = _split_folders(tree, top)
    homes: _Homes = {}
    for folder, split in splits.items():
        if not tree.inner(folder) and tree.has_images(folder):  # a single split, without classes
            homes[folder] = (SINGLE_CLASS, split)
        homes |= _class_folders(tree, _descend(tree, folder, _is_repeated), split)
    if not splits:
        homes = _class_folders(tree, top, Split.TRAIN)
    found = [(path, *home) for folder, home in homes.items() for path in tree.inside(folder)]
    filled = {composed(name) for _, name, _ in found}
    for folder, (name, split) in homes.items():
        needed = split == Split.TRAIN or composed(name) not in filled
        if needed and not any(tree.inside(folder)):
            raise DataError(f"the class folder {shown(name)} is empty; add images or remove it")
    layout = _layout(tree, found, "folder")
    _check_outside(layout, homes)
    empty = [path for path in splits if not any(tree.inside(path))]
    notes = [
        f"the folder {shown(path)} is empty; this split is taken from training" for path in empty
    ]
    return replace(layout, notes=(*_merged_note(tree, homes), *notes))


def _layout(tree: FileTree, found: Sequence[tuple[str, str, Split]], what: str) -> Layout:
    """Order files with class and split.

    The splits may spell a class in different forms (NFC, NFD); within a split, that is refused.
    """
    for own in Split:
        check_names(sorted({name for _, name, split in found if split == own}))
    found = [(path, composed(name), split) for path, name, split in found]
    classes = sorted({name for _, name, _ in found}, key=_natural_key)
    check_names(classes)
    if not classes:
        raise DataError(
            f"there are {_no_images(tree.paths)}; add images, with one sub-folder for each class "
            "(without sub-folders only models without classes can be trained)"
        )
    in_train = {name for _, name, split in found if split == Split.TRAIN}
    for name in classes:
        if name not in in_train:
            twin = find_name(name, in_train)
            remedy = f", which has {shown(twin)}; rename one of the two" if twin else "; add one"
            raise DataError(f"the class {shown(name)} has no {what} in the training split{remedy}")
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


def _descend(tree: FileTree, folder: str, is_wrapped: Callable[[str, str], bool]) -> str:
    """Go down through folders that contain one folder only, and no images, as long as accepted."""
    while len(children := tree.folders[folder]) == 1 and not tree.has_images(folder):
        if not (tree.folders[children[0]] and is_wrapped(folder, children[0])):
            break
        folder = children[0]
    return folder


def _is_wrapping(tree: FileTree, child: str) -> bool:
    """Return whether a folder may stand above all classes and splits."""
    return split_of(child) is None and not tree.has_images(child)


def _is_repeated(folder: str, child: str) -> bool:
    """Return whether a folder in a split repeats its name or says ``images``."""
    return name_of(child).casefold() in {name_of(folder).casefold(), *CONTENT_WORDS}


def _split_folders(tree: FileTree, top: str) -> dict[str, Split]:
    """Return the folders of splits directly in ``top``; none if its folders are classes."""
    children = tree.folders[top]
    splits = {path: split for path in children if (split := split_of(path)) is not None}
    filled = [path for path in splits if tree.inner(path)]
    flat = [path for path in splits if path not in filled and any(tree.inside(path))]
    others = [path for path in children if path not in splits and any(tree.inside(path))]
    if not filled and (not flat or (len(splits) == 1 and others)):
        return {}  # a folder "train" with images directly in it, beside others, is a class
    if others and filled:
        raise DataError(
            f"{quoted(others)} next to {quoted(splits)} may be splits or classes; move one or "
            "the other away"
        )
    if not filled and (others or len(flat) > 1):
        raise DataError(
            f"{quoted(splits)} may be classes of these names or splits without class folders; "
            "for classes, rename the folders; for splits, sort the images of each into class "
            "folders, or use the path of one folder to train without classes"
        )
    if filled and flat:
        raise DataError(
            f"{quoted(filled)} with sub-folders next to {quoted(flat)} with images directly in "
            "it may be splits or classes; for splits, sort the images into class folders or move "
            "them away; for classes, rename the folders"
        )
    if len(set(splits.values())) < len(splits):
        raise DataError(f"the folders {quoted(splits)} name the same split; merge them")
    if Split.TRAIN not in splits.values():
        raise DataError(
            f"found {quoted(splits)}, but no folder 'train'; add it, or rename the folder if it "
            "is a class or contains all images"
        )
    return splits


def _class_folders(tree: FileTree, top: str, split: Split) -> _Homes:
    """Return the class folders directly in ``top``.

    Raises:
        DataError: they may be kinds of images or contain splits.
    """
    children = tree.folders[top]
    inner = {path: tree.inner(path) for path in children}
    contents = [path for path in children if name_of(path).casefold() in CONTENT_WORDS]
    if contents and len(children) > 1:
        raise DataError(
            f"{quoted(contents)} next to {quoted(set(children) - set(contents))} may be a class "
            "or the folder of all images; for a class, rename it; otherwise use its path, or move "
            "the others away"
        )
    _check_kinds(children)
    named = {name_of(path).casefold(): path for path in children}
    for path in children:
        names = [(each, name_of(each).casefold()) for each in inner[path]]
        if again := [each for each, name in names if named.get(name, path) != path]:
            raise DataError(
                f"{quoted(again)} repeat names of class folders beside {shown(path)}, which may be "
                "a class or contain other images of these classes; for a class, move the images "
                f"out of its sub-folders; otherwise move {shown(path)} away"
            )
    split_in = [
        path for path in children if any(split_of(each) is not None for each in inner[path])
    ]
    if split_in:
        parts = [each for path in children for each in inner[path]]
        direct = [path for path in children if tree.has_images(path)]
        unclear = direct or [path for path in parts if split_of(path) is None]
        if unclear or len(split_in) < len(children) or split != Split.TRAIN:
            raise DataError(
                f"the sub-folders of {quoted(split_in)} may be splits or parts of a class; for "
                "splits, give every class the same ones, or move them above the classes "
                "(train/CLASS); otherwise move the images into the class folder"
            )
        return {each: (name_of(parent_of(each)), split_of(each) or Split.TRAIN) for each in parts}
    repeated = Counter(name_of(each) for path in children for each in inner[path])
    for path in children:
        shared = [name_of(each) for each in inner[path] if repeated[name_of(each)] > 1]
        owners = [other for other in children if set(shared) <= set(map(name_of, inner[other]))]
        if len(shared) > 1 and len(owners) > 1:
            raise DataError(
                f"{quoted(owners)} have the same sub-folders ({quoted(shared)}); either may be "
                f"the classes; for {quoted(map(name_of, owners))}, move the images out of the "
                f"sub-folders; for {quoted(shared)}, use the path of one of the folders above them"
            )
    return {path: (name_of(path), split) for path in children}


def _check_kinds(children: Sequence[str]) -> None:
    """Refuse folders whose names rather stand for kinds of images, or for splits of classes."""
    names = {name_of(path).casefold(): path for path in children}
    kinds = next((kind for kind in _KINDS if kind <= names.keys()), None)
    if kinds and len(children) > 1:
        others = [path for name, path in names.items() if name not in kinds]
        beside = f" next to {quoted(others)}" if others else ""
        folders = quoted(names[name] for name in sorted(kinds))
        if len(kinds) == 1:
            raise DataError(
                f"{folders}{beside} may be a class or other images (small or unlabeled ones); for "
                "a class, rename it; otherwise move it away"
            )
        raise DataError(
            f"{folders}{beside} may be classes or pairs of images; for classes, rename them; for "
            "pairs, use the path of one of the folders"
        )
    splits: dict[str, dict[Split, str]] = defaultdict(dict)
    for path in children:
        split, rest = split_and_rest(path)
        if split is not None and rest:
            splits[rest][split] = path
    for rest, paths in splits.items():
        if len(paths) > 1:
            raise DataError(
                f"{quoted(paths.values())} may be classes of these names or splits of the class "
                f"{shown(rest)}; for classes, rename them; for splits, move them to "
                f"{' and '.join(f'{split.name.lower()}/{rest}' for split in sorted(paths))}"
            )


def _check_outside(layout: Layout, homes: Mapping[str, object]) -> None:
    images = [path for path in layout.outside if is_image(path)]
    if len(images) >= len(layout.entries):
        raise DataError(
            f"{counted(len(images), 'image')} (such as {shown(images[0])}) outside of the class "
            f"folders ({quoted(homes)}) may be data without classes or left over; move the folders "
            "or the images away"
        )


def _merged_note(tree: FileTree, homes: _Homes) -> Iterator[str]:
    merged = {path: inner for path in homes if (inner := tree.inner(path))}
    if merged:
        names = list(dict.fromkeys(homes[path][0] for path in merged))
        total = sum(map(len, merged.values()))
        example = next(iter(merged.values()))[0]
        yield (
            f"{counted(total, 'sub-folder')} of {counted(len(names), 'class', 'classes')} "
            f"({quoted(names)}) merged into the class above, for example {shown(example)}"
        )


def _by_labels(tree: FileTree, labels: ImageLabels) -> Layout:
    found = [(path, label, labels.splits[path]) for path, label in labels.labels.items()]
    layout = _layout(tree, found, "image")
    homes = {parent_of(path) for path in labels.labels}
    without = [path for path in layout.outside if is_image(path) and parent_of(path) in homes]
    reason = f"no row in {quoted(labels.names)}"
    unusable = labels.missing | dict.fromkeys(without, reason)
    outside = tuple(path for path in layout.outside if path not in unusable)
    note = f"the labels are those of {quoted(labels.names)}"
    return replace(layout, outside=outside, unusable=unusable, notes=(note,))


def _agreement_note(found: Layout, labels: ImageLabels) -> str:
    """Check that folders and labels divide the images into the same classes, and say so.

    Raises:
        DataError: they do not.
    """
    names = quoted(labels.names)
    by_class: dict[int, str] = {}
    by_label: dict[str, int] = {}
    for entry in found.entries:
        label = labels.labels.get(entry.path)
        if label is None:
            continue
        first = by_class.setdefault(entry.label, label), by_label.setdefault(label, entry.label)
        if first != (label, entry.label):
            raise DataError(
                f"{shown(entry.path)} has the class {shown(found.classes[entry.label])} by its "
                f"folder and {shown(label)} in {names}, and they divide the images in different "
                "ways; move the label file away to use the folders, or all images into one folder "
                "to use the labels"
            )
    more = f"; {counted(len(labels.missing), 'row')} without a file" * bool(labels.missing)
    return f"class folders and {names} have the same labels{more}"


def _natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    text = composed(text)
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    key = [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p.casefold()) for p in pieces]
    return key, text
