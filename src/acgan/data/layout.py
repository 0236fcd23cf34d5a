"""The layout of a folder or zip: from paths to the split and class of each file.

Each sub-folder is a class and contains its files at any depth. Folders ``train``, ``val`` and
``test`` may stand above the classes, and wrapping folders above those. Images without any folder
form a single class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import final

from acgan.data.source import Split
from acgan.errors import DataError

_SUFFIXES = ".png .jpg .jpeg .jpe .jfif .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm"
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
SINGLE_CLASS = "image"
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("val", "valid", "validation"), Split.VALIDATION),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}


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
            if images are in no folder.
        entries: the files, ordered by split, class and path.
        outside: number of files in no class folder.
    """

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    outside: int


def parse_layout(files: Sequence[str], folders: Sequence[str]) -> Layout:
    """Find classes and splits in the paths of a container.

    Raises:
        DataError: there are no images, a class folder is empty or missing in the training split,
            or folders may be splits as well as classes.
    """
    if not folders and _has_images(files, ""):
        entries = [Entry(path, 0, Split.TRAIN) for path in sorted(files, key=_natural_key)]
        return Layout((SINGLE_CLASS,), tuple(entries), 0)
    top = _unwrapped(files, folders)
    homes = _split_folders(files, folders, top) or {top: Split.TRAIN}
    found: list[tuple[str, str, Split]] = []
    named: dict[Split, set[str]] = {split: set() for split in Split}
    for home, split in homes.items():
        named[split].update(_children(folders, home))
        for path in files:
            inner = _below(path, home)
            if inner is not None and len(inner) > 1:
                found.append((path, inner[0], split))
    classes = sorted(set().union(*named.values()), key=_natural_key)
    _check_classes(classes, named[Split.TRAIN], {name for _, name, _ in found}, files)
    index = {name: number for number, name in enumerate(classes)}
    entries = sorted(
        (Entry(path, index[name], split) for path, name, split in found),
        key=lambda entry: (entry.split, entry.label, _natural_key(entry.path)),
    )
    return Layout(tuple(classes), tuple(entries), len(files) - len(entries))


def _unwrapped(files: Sequence[str], folders: Sequence[str]) -> str:
    """Descend through wrapping folders to the one whose children are classes or splits."""
    top = ""
    while True:
        children = _children(folders, top)
        if len(children) != 1 or _has_images(files, top):
            return top
        inner = _join(top, children[0])
        if _has_images(files, inner) or not _children(folders, inner):
            return top
        top = inner


def _split_folders(files: Sequence[str], folders: Sequence[str], top: str) -> dict[str, Split]:
    children = _children(folders, top)
    splits = {
        _join(top, name): _SPLIT_NAMES[name.casefold()]
        for name in children
        # A folder "train" with images directly in it is a class.
        if name.casefold() in _SPLIT_NAMES and not _has_images(files, _join(top, name))
    }
    if len(splits) < 2:
        return {}
    if len(set(splits.values())) < len(splits):
        raise DataError(f"the folders {_listed(splits)} name the same split; merge them")
    others = [_join(top, name) for name in children if _join(top, name) not in splits]
    if others:
        raise DataError(
            f"{_listed(others)} next to {_listed(splits)} may be splits or classes; move one or "
            "the other away"
        )
    if Split.TRAIN not in splits.values():
        raise DataError(f"found {_listed(splits)}, but no folder 'train'; add it")
    return splits


def _check_classes(
    classes: Sequence[str], in_train: set[str], filled: set[str], files: Sequence[str]
) -> None:
    if not classes:
        found = "files, but no images" if files else "no files"
        raise DataError(
            f"there are {found}; add images, with one sub-folder for each class (without "
            "sub-folders only models without classes can be trained)"
        )
    for name in classes:
        if name not in filled:
            raise DataError(f"the class folder {name!r} is empty; add images or remove it")
        if name not in in_train:
            raise DataError(f"the class {name!r} has no folder in the training split; add one")


def _has_images(files: Sequence[str], folder: str) -> bool:
    return any(
        len(inner) == 1 and PurePosixPath(inner[0]).suffix.casefold() in IMAGE_SUFFIXES
        for path in files
        if (inner := _below(path, folder)) is not None
    )


def _children(folders: Sequence[str], home: str) -> list[str]:
    insides = (_below(path, home) for path in folders)
    return [inner[0] for inner in insides if inner is not None and len(inner) == 1]


def _below(path: str, home: str) -> list[str] | None:
    if not home:
        return path.split("/")
    return path[len(home) + 1 :].split("/") if path.startswith(f"{home}/") else None


def _join(home: str, name: str) -> str:
    return f"{home}/{name}" if home else name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    key = [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p.casefold()) for p in pieces]
    return key, text
