"""A folder or zip of images as a Source: one scan that decodes every file before anything else."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, final

import numpy as np
import PIL

from acgan.data.cache import DecodePlan, cache_root, cached_images
from acgan.data.config import DataConfig
from acgan.data.containers import Container, UnusableFileError, open_container
from acgan.data.decode import Header, decode_with_header, probe, quiet_decoders
from acgan.data.images import Images, LabeledImages, make_classes, safe_component
from acgan.data.layout import Entry, parse_layout
from acgan.data.source import Source
from acgan.data.split import selected_classes
from acgan.errors import DataError
from acgan.execution.progress import StageProgress

_FORMAT = 1  # raise it when decoding or resizing changes, so that old cache entries are not used
_CHUNK = 512
_GUESSED_FROM = 64
_TASK = 32
_LISTED = 20


def load_folder(path: Path, config: DataConfig, progress: StageProgress) -> Source:
    """The images of a folder or zip, at ``config.image_size`` or their own common size.

    Of ``config.only_class``, if given, and of no other class are files decoded; labels and classes
    stay those of the whole.

    Raises:
        DataError: nothing usable is there, sizes differ, or files cannot be used and
            ``config.bad_files`` is ``refuse``; the message lists them with path and reason.
        DiskError: the decoded images fit neither into memory nor onto the disk.
    """
    container = open_container(path)
    try:
        layout = parse_layout(container.files, container.folders)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    classes = make_classes([printable(name) for name in layout.classes])
    kept = selected_classes(classes, config.only_class) or list(range(len(classes)))
    entries = [entry for entry in layout.entries if entry.label in kept]
    content = container.content_key(lambda done, total: progress("reading", done, total))
    key = hashlib.sha256(
        repr((_FORMAT, PIL.__version__, content, config.image_size, kept)).encode()
    ).hexdigest()
    scan = _Scan(path, container, entries, config.image_size, progress)
    root = cache_root(config.cache)
    try:
        decoded = cached_images(root, key[:32], scan.guessed)
    except _WrongGuessError:
        decoded = cached_images(root, key[:32], scan.checked)
    bad = {str(file): str(reason) for file, reason in decoded.details}
    if bad and config.bad_files == "refuse":
        raise DataError(_refusal(path, bad))
    used = [entry for entry in entries if entry.path not in bad]
    filled = {entry.label for entry in used}
    for index in kept:
        if index not in filled:
            raise DataError(_emptied(path, layout.classes[index], len(bad)))
    labels = np.array([entry.label for entry in used], np.int64)
    given = np.array([entry.part for entry in used], np.int8)
    images = LabeledImages(decoded.images, labels, classes)
    name = safe_component(path.resolve().stem if path.is_file() else path.resolve().name)
    notes = [decoded.note] if decoded.note else []
    if bad:
        notes.append(f"{_files(len(bad))} of {path} cannot be used and are left out")
    if layout.outside:
        notes.append(f"{_files(layout.outside)} in {path} lie in no class folder and are not used")
    listed = tuple((printable(file), reason) for file, reason in bad.items())
    return Source(name, images, given, tuple(notes), listed)


def printable(path: str) -> str:
    """A path for a message: nothing in it can steer the terminal or fail to be encoded."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)


@final
class _WrongGuessError(Exception):
    """A file is not as a few others let expect: all have to be looked at first."""


@final
class _Scan:
    """Decodes every file, remembering which cannot be used."""

    def __init__(
        self,
        path: Path,
        container: Container,
        entries: Sequence[Entry],
        size: tuple[int, int] | None,
        progress: StageProgress,
    ) -> None:
        self._path = path
        self._container = container
        self._entries = entries
        self._size = size
        self._progress = progress
        self._bad: dict[str, str] = {}

    def guessed(self) -> DecodePlan:
        """How to decode them all at once, as a few of their headers let expect.

        To look at all of them first would take half as long again. The recipe's chunks raise
        _WrongGuessError at the first header that would make another recipe.

        Raises:
            DataError: see `checked`.
        """
        some = self._entries[:: max(1, len(self._entries) // _GUESSED_FROM)]
        with quiet_decoders():
            told = [self._attempt(entry, probe) for entry in some]
        headers = [header for header in told if isinstance(header, Header)]
        sizes = {(header.height, header.width) for header in headers}
        if not headers or (self._size is None and len(sizes) > 1):
            return self.checked()
        return self._recipe(headers, self._entries, guess=True)

    def checked(self) -> DecodePlan:
        """How to decode them all, after a look at every header.

        Raises:
            DataError: no file can be used, or sizes differ and no size is wanted.
        """
        self._bad.clear()
        headers = [
            header
            for header in self._each("checking", self._entries, probe)
            if isinstance(header, Header)
        ]
        if not headers:
            raise DataError(_refusal(self._path, self._bad))
        readable = [entry for entry in self._entries if entry.path not in self._bad]
        return self._recipe(headers, readable, guess=False)

    def _recipe(
        self, headers: Sequence[Header], files: Sequence[Entry], *, guess: bool
    ) -> DecodePlan:
        height, width = self._size or self._common_size(headers)
        channels = 1 if all(header.gray for header in headers) else 3

        def pixels(data: bytes) -> Images:
            header, image = decode_with_header(data, channels, self._size)
            other_size = self._size is None and header[:2] != (height, width)
            if guess and (other_size or (channels == 1 and not header.gray)):
                raise _WrongGuessError
            if image.shape[1:] != (height, width):  # an orientation tag after the pixels
                raise UnusableFileError(f"{image.shape[1]}×{image.shape[2]} pixels when decoded")
            return image

        def chunks() -> Iterator[Images]:
            good: list[Images] = []
            for image in self._each("decoding", files, pixels):
                if image is not None:
                    good.append(image)
                if len(good) == _CHUNK:
                    yield np.stack(good)
                    good = []
            if good:
                yield np.stack(good)

        def details() -> Any:
            order = {entry.path: number for number, entry in enumerate(self._entries)}
            return sorted(self._bad.items(), key=lambda item: order[item[0]])

        return DecodePlan(len(files), (channels, height, width), chunks, details)

    def _common_size(self, headers: Sequence[Header]) -> tuple[int, int]:
        sizes = Counter((header.height, header.width) for header in headers)
        if len(sizes) == 1:
            return next(iter(sizes))
        common = sizes.most_common(3)
        shown = ", ".join(f"{h}×{w} ({count})" for (h, w), count in common)
        more = f" and {len(sizes) - 3} others" if len(sizes) > 3 else ""
        raise DataError(
            f"the images of {self._path} differ in size (height×width: {shown}{more}); bring them "
            "to one size with, for example, --image-size 64"
        )

    def _each(
        self, stage: str, entries: Sequence[Entry], work: Callable[[bytes], Any]
    ) -> Iterator[Any]:
        """``work`` of each file's bytes in order, in threads; None for a file that is bad."""

        def attempt_all(some: Sequence[Entry]) -> list[Any]:
            return [self._attempt(entry, work) for entry in some]

        with quiet_decoders(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(entries), _CHUNK):  # so that results do not pile up
                self._progress(stage, start, len(entries))
                chunk = entries[start : start + _CHUNK]
                # a task per small file would cost more in hand-overs than in decoding
                tasks = [chunk[at : at + _TASK] for at in range(0, len(chunk), _TASK)]
                yield from itertools.chain.from_iterable(pool.map(attempt_all, tasks))
        self._progress(stage, len(entries), len(entries))

    def _attempt(self, entry: Entry, work: Callable[[bytes], Any]) -> Any:
        """``work`` of one file's bytes; None if it is bad, which is remembered."""
        try:
            return work(self._container.read(entry.path))
        except UnusableFileError as error:
            self._bad[entry.path] = str(error)
            return None


def _emptied(path: Path, name: str, bad: int) -> str:
    return (
        f"{path}: no file of the class {name!r} can be used ({_files(bad)} set aside in all); "
        "put images into it, remove it, or choose other classes with --only-class"
    )


def _refusal(path: Path, bad: dict[str, str]) -> str:
    lines = [f"  {printable(file)}: {reason}" for file, reason in list(bad.items())[:_LISTED]]
    if len(bad) > _LISTED:
        lines.append(f"  … and {len(bad) - _LISTED} more")
    return "\n".join(
        [
            f"{_files(len(bad))} of {path} cannot be used; repair or remove them, or leave them "
            "out with --bad-files skip:",
            *lines,
        ]
    )


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"
