"""What the paths of a folder or zip mean: which part and which class each file belongs to.

One sub-folder per class, all files below it (at any depth) being of that class; above the classes
optionally ``train``, ``val`` and ``test``; above all, optionally, folders that wrap everything.
Images without any folder are of one class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import final

from acgan.data.source import Split
from acgan.errors import DataError

IMAGE_SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)
SINGLE_CLASS = "image"
_PART_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}


@final
@dataclass(frozen=True)
class Entry:
    """One file: its path, its class's index and its part."""

    path: str
    label: int
    part: Split


@final
@dataclass(frozen=True)
class Layout:
    """All files of all classes.

    Attributes:
        classes: names in label order: ascending, numbers in names by their value; `SINGLE_CLASS`
            where images lie in no folder.
        entries: the files, part by part and class by class.
        outside: how many files lie in no class folder.
    """

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    outside: int


def parse_layout(files: Sequence[str], folders: Sequence[str]) -> Layout:
    """The layout of a container's paths.

    Raises:
        DataError: there are no images, a class folder is empty or occurs only outside the training
            part, or it is unclear which folders are parts and which are classes.
    """
    if not folders and _has_images(files, ""):
        return _of_one_class(files)
    top = _unwrapped(files, folders)
    splits = _part_folders(files, folders, top)
    homes = splits or {top: Split.TRAIN}
    found: list[tuple[str, str, Split]] = []
    named: dict[Split, set[str]] = {part: set() for part in Split}
    for home, part in homes.items():
        named[part].update(_children(folders, home))
        for path in files:
            inner = _below(path, home)
            if inner is not None and len(inner) > 1:
                found.append((path, inner[0], part))
    classes = sorted(set().union(*named.values()), key=_natural)
    _check(classes, named, {name for _, name, _ in found}, files)
    index = {name: number for number, name in enumerate(classes)}
    entries = sorted(
        (Entry(path, index[name], part) for path, name, part in found),
        key=lambda entry: (entry.part, entry.label, _natural(entry.path)),
    )
    return Layout(tuple(classes), tuple(entries), len(files) - len(entries))


def _of_one_class(files: Sequence[str]) -> Layout:
    entries = (Entry(path, 0, Split.TRAIN) for path in sorted(files, key=_natural))
    return Layout((SINGLE_CLASS,), tuple(entries), 0)


def _unwrapped(files: Sequence[str], folders: Sequence[str]) -> str:
    """The folder whose children are classes or parts: goes down while there is one folder only."""
    top = ""
    while True:
        children = _children(folders, top)
        if len(children) != 1 or _has_images(files, top):
            return top
        inner = _join(top, children[0])
        if _has_images(files, inner) or not _children(folders, inner):
            return top
        top = inner


def _part_folders(files: Sequence[str], folders: Sequence[str], top: str) -> dict[str, Split]:
    children = _children(folders, top)
    splits = {
        _join(top, name): _PART_NAMES[name.casefold()]
        for name in children
        # a class may be called "train" too: then images lie in it directly
        if name.casefold() in _PART_NAMES and not _has_images(files, _join(top, name))
    }
    if len(splits) < 2 or len(set(splits.values())) < len(splits):
        if len(splits) > 1:
            raise DataError(f"{_listed(splits)} mean the same part; join them")
        return {}
    others = [_join(top, name) for name in children if _join(top, name) not in splits]
    if others:
        raise DataError(
            f"beside {_listed(splits)} there is {_listed(others)}; it is unclear whether these are "
            "parts or classes: move one or the other away"
        )
    if Split.TRAIN not in splits.values():
        raise DataError(f"there is {_listed(splits)}, but no folder 'train' beside it")
    return splits


def _check(
    classes: Sequence[str],
    named: dict[Split, set[str]],
    filled: set[str],
    files: Sequence[str],
) -> None:
    if not classes:
        what = "files, but no images" if files else "no files"
        raise DataError(
            f"there are {what}; put images there, those of each class into a sub-folder of its own "
            "(without sub-folders only models without classes can be trained)"
        )
    for name in classes:
        if name not in filled:
            raise DataError(
                f"the class folder {name!r} has no files; put images into it or remove it"
            )
        if name not in named[Split.TRAIN]:
            raise DataError(f"the class {name!r} has no folder in the training part; add one")


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


def _natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    key = [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p.casefold()) for p in pieces]
    return key, text
