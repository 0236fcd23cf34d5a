"""The files of a folder or zip by folder, and what their names mean: images, splits."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import final

from acgan.data.source import Split

_SUFFIXES = ".png .jpg .jpeg .jpe .jfif .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm"
_IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
_SPLIT_WORDS = {  # as in Hugging Face's imagefolder
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), Split.VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), Split.TEST),
}
CONTENT_WORDS = {"images", "image", "imgs", "img", "pictures", "photos", "data", "dataset"}
_OTHER_WORDS = CONTENT_WORDS | {"set", "sample", "samples", "seg", "labels", "label", "metadata"}


@final
class FileTree:
    """Files and folders by the folder that they are in; names end in no slash, the root is ''."""

    def __init__(self, files: Sequence[str], folders: Sequence[str]) -> None:
        self.paths = files
        self.files: dict[str, list[str]] = defaultdict(list)
        self.folders: dict[str, list[str]] = defaultdict(list)
        for path in files:
            self.files[parent_of(path)].append(path)
        for path in folders:
            self.folders[parent_of(path)].append(path)

    def has_images(self, folder: str) -> bool:
        """Return whether images are directly in a folder."""
        return any(map(is_image, self.files.get(folder, ())))

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


def split_of(path: str) -> Split | None:
    """Return the split that a folder's name stands for: ``train``, ``testSet``, ``seg_val``."""
    split, rest = split_and_rest(path)
    return split if _OTHER_WORDS.issuperset(rest.casefold().split()) else None


def split_and_rest(path: str) -> tuple[Split | None, str]:
    """Return the split that a word of a folder's name stands for, and its other words.

    >>> split_and_rest("trainA")
    (<Split.TRAIN: 0>, 'A')
    """
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name_of(path)))
    splits = [word.casefold() for word in words if word.casefold() in _SPLIT_WORDS]
    rest = " ".join(word for word in words if word.casefold() not in _SPLIT_WORDS)
    return (_SPLIT_WORDS[splits[0]] if len(splits) == 1 else None), rest


def split_above(path: str, default: Split | None) -> Split:
    """Return the split of the nearest folder of a split above a file."""
    while path := parent_of(path):
        if (split := split_of(path)) is not None:
            return split
    return Split.TRAIN if default is None else default


def is_image(path: str) -> bool:
    """Return whether a path has the suffix of an image format that is read."""
    return PurePosixPath(path).suffix.casefold() in _IMAGE_SUFFIXES


def normalized(path: str) -> str:
    """Return a path as it can be compared: relative, with ``/``, and composed characters."""
    plain = posixpath.normpath(path.replace("\\", "/").lstrip("/"))
    return composed(plain)


def composed(text: str) -> str:
    """Return a text in NFC."""
    return unicodedata.normalize("NFC", text)


def name_of(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def parent_of(path: str) -> str:
    """Return the folder that a path is in; the root is ''."""
    return path.rpartition("/")[0]
