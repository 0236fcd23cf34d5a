"""Folders and zips of images as a source; every file is decoded once, before anything else."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import PIL

from acgan.data.cache import DecodePlan, cache_root, cached_images
from acgan.data.config import DataConfig
from acgan.data.containers import Container, UnusableFileError, open_container
from acgan.data.conversions import ConversionSummary, Header
from acgan.data.decode import Decoded, decode, quiet_decoders, read_header
from acgan.data.images import Images, LabeledImages, make_classes, safe_component
from acgan.data.label_files import is_label_file, read_labels
from acgan.data.layout import Entry, Layout, parse_layout
from acgan.data.source import Source
from acgan.data.split import selected_classes
from acgan.data.tree import is_image
from acgan.errors import DataError, counted, printable, shown
from acgan.execution.progress import StageProgress

_FORMAT = 2  # raise it when decoding or resizing changes, to invalidate old cache entries
_CHUNK = 512  # files between two calls of progress
_TASK = 32  # files of one task: single small files would cost more in hand-overs than in decoding
_SAMPLED = 64  # headers from which a plan is guessed
_LISTED = 20  # files named in a message
_NOTED = 3  # files named in a note


def load_folder(path: Path, config: DataConfig, progress: StageProgress) -> Source:
    """Load a folder or zip, at ``config.image_size`` or the images' common size.

    With ``config.only_class``, only files of these classes are decoded; labels and classes stay
    those of the whole source.

    Raises:
        DataError: there is no usable image, sizes differ, or files cannot be used and
            ``config.bad_files`` is ``refuse``; the message lists them with path and reason.
        DiskError: the decoded images fit neither into memory nor onto the disk.
    """
    container = open_container(path)
    layout = _read_layout(path, container)
    listed = container.unusable | dict(layout.unusable)
    if listed and config.bad_files == "refuse":
        raise DataError(_unusable_message(path, listed))
    classes = make_classes(layout.classes)
    selected = selected_classes(classes, config.only_class)
    entries = [entry for entry in layout.entries if entry.label in selected]
    content = container.content_key(lambda done, total: progress("reading", done, total))
    paths = [entry.path for entry in entries]
    options = (config.image_size, config.white_level, config.bad_files)
    key = hashlib.sha256(repr((_FORMAT, PIL.__version__, content, options, paths)).encode())

    def check(unusable: Mapping[str, str]) -> None:
        if unusable and config.bad_files == "refuse":
            raise DataError(_unusable_message(path, unusable))
        empty = set(selected) - {entry.label for entry in entries if entry.path not in unusable}
        if empty:
            raise DataError(
                f"{path}: the class {shown(layout.classes[min(empty)])} has no usable file "
                f"({counted(len(unusable), 'file')} skipped in all); add images, remove the class, "
                "or choose other classes with --only-class"
            )

    decoder = _FolderDecoder(
        path, container, entries, config.image_size, config.white_level, check, progress
    )
    root = cache_root(config.cache)
    try:
        decoded = cached_images(root, key.hexdigest()[:32], decoder.guess_plan)
    except _UnexpectedHeaderError:
        decoded = cached_images(root, key.hexdigest()[:32], decoder.plan)
    unusable = {str(file): str(reason) for file, reason in decoded.details["unusable"]}
    used = [entry for entry in entries if entry.path not in unusable]
    notes = [decoded.note] if decoded.note else []
    unusable = listed | unusable
    if unusable:
        some = [f"{printable(file)}: {why}" for file, why in [*unusable.items()][:_NOTED]]
        some += ["…"] * (len(unusable) > _NOTED)
        count = counted(len(unusable), "unusable file")
        notes.append(f"skipped {count} in {path}: {'; '.join(some)}")
    for reason, number in container.ignored.items():
        notes.append(f"ignored {counted(number, 'entry', 'entries')} in {path}: {reason}")
    summary = ConversionSummary.from_json(decoded.details["conversions"])
    notes += summary.notes(decoded.images.shape[2:], config.white_level)
    if layout.outside:
        count = counted(len(layout.outside), "file")
        names = ", ".join(layout.outside[:3]) + ", …" * (len(layout.outside) > 3)
        notes.append(f"ignored {count} in {path} outside of the class folders: {printable(names)}")
    notes += map(printable, layout.notes)
    return Source(
        safe_component(path.resolve().stem if path.is_file() else path.resolve().name),
        LabeledImages(decoded.images, np.array([entry.label for entry in used], np.int64), classes),
        np.array([entry.split for entry in used], np.int8),
        tuple(notes),
        tuple((printable(file), reason) for file, reason in unusable.items()),
    )


def _read_layout(path: Path, container: Container) -> Layout:
    tables: dict[str, dict[str, str]] = {}
    unread: dict[str, str] = {}
    stems = {file.rpartition(".")[0] for file in container.files if is_image(file)}
    for file in container.files:
        stem, _, suffix = file.rpartition(".")
        if not (is_label_file(file) or (suffix == "txt" and stem in stems)):
            continue
        try:
            tables[file] = read_labels(file, container.read(file))
        except (DataError, UnusableFileError) as error:
            unread[file] = str(error)
    files = [file for file in container.files if file not in tables and file not in unread]
    try:
        return parse_layout(files, container.folders, tables, unread)
    except DataError as error:
        also = f"\n{_unusable_message(path, container.unusable)}" if container.unusable else ""
        raise DataError(f"{path}: {printable(str(error))}{also}") from None


@final
class _UnexpectedHeaderError(Exception):
    """A header contradicts the guessed plan."""


@final
@dataclass(eq=False)
class _FolderDecoder:
    """Decodes files in threads and records the unusable ones."""

    _path: Path
    _container: Container
    _entries: Sequence[Entry]
    _size: tuple[int, int] | None
    _white_level: int | None
    _check: Callable[[Mapping[str, str]], None]
    _progress: StageProgress
    _unusable: dict[str, str] = field(default_factory=dict)

    def guess_plan(self) -> DecodePlan:
        """Plan the decoding from a sample of the headers; reading all would add half the time.

        The plan's chunks raise _UnexpectedHeaderError at the first header that contradicts it.

        Raises:
            DataError: see `plan`.
        """
        sample = self._entries[:: max(1, len(self._entries) // _SAMPLED)]
        with quiet_decoders():
            results = [self._try(entry, read_header) for entry in sample]
        headers = [header for header in results if header is not None]
        sizes = {(header.height, header.width) for header in headers}
        if not headers or (self._size is None and len(sizes) > 1):
            return self.plan()
        return self._plan(headers, self._entries, guess=True)

    def plan(self) -> DecodePlan:
        """Plan the decoding from all headers.

        Raises:
            DataError: no file can be used, or sizes differ and no size is configured.
        """
        self._unusable.clear()
        results = self._map("checking", self._entries, read_header)
        headers = [header for header in results if header is not None]
        if not headers:
            raise DataError(_unusable_message(self._path, self._unusable))
        readable = [entry for entry in self._entries if entry.path not in self._unusable]
        return self._plan(headers, readable, guess=False)

    def _plan(
        self, headers: Sequence[Header], files: Sequence[Entry], *, guess: bool
    ) -> DecodePlan:
        height, width = self._size or self._common_size(headers)
        channels = 1 if all(header.gray for header in headers) else 3
        summary = ConversionSummary()

        def pixels(data: bytes) -> Decoded:
            decoded = decode(data, channels, self._size, self._white_level)
            header, image, _ = decoded
            other_size = self._size is None and header[:2] != (height, width)
            if guess and (other_size or (channels == 1 and not header.gray)):
                raise _UnexpectedHeaderError
            if image.shape[1:] != (height, width):  # an orientation tag after the pixels
                raise UnusableFileError(
                    f"{image.shape[1]}×{image.shape[2]} pixels when decoded, because its "
                    "orientation tag follows the pixels; save it again"
                )
            return decoded

        def images() -> Iterator[Images]:
            for entry, decoded in zip(files, self._map("decoding", files, pixels), strict=True):
                if decoded is not None:
                    header, image, changes = decoded
                    summary.add(printable(entry.path), header, changes, channels, (height, width))
                    yield image

        def chunks() -> Iterator[Images]:
            summary.clear()
            good = images()
            while chunk := list(itertools.islice(good, _CHUNK)):
                yield np.stack(chunk)

        def details() -> Any:
            self._check(self._unusable)  # refused data leaves nothing in the cache
            order = {entry.path: number for number, entry in enumerate(self._entries)}
            unusable = sorted(self._unusable.items(), key=lambda item: order[item[0]])
            return {"unusable": unusable, "conversions": summary.to_json()}

        return DecodePlan(len(files), (channels, height, width), chunks, details)

    def _common_size(self, headers: Sequence[Header]) -> tuple[int, int]:
        sizes = Counter((header.height, header.width) for header in headers)
        if len(sizes) == 1:
            return next(iter(sizes))
        shown = ", ".join(f"{h}×{w} ({count})" for (h, w), count in sizes.most_common(3))
        more = f" and {counted(len(sizes) - 3, 'other')}" if len(sizes) > 3 else ""
        raise DataError(
            f"the images of {self._path} differ in size (height×width: {shown}{more}); resize them "
            "to one size with, for example, --image-size 64"
        )

    def _map(
        self, stage: str, entries: Sequence[Entry], work: Callable[[bytes], Any]
    ) -> Iterator[Any]:
        """Apply ``work`` to each file's bytes in threads, in order; None for an unusable file."""

        def task(some: Sequence[Entry]) -> list[Any]:
            return [self._try(entry, work) for entry in some]

        with quiet_decoders(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(entries), _CHUNK):  # so that results do not pile up
                self._progress(stage, start, len(entries))
                chunk = entries[start : start + _CHUNK]
                tasks = [chunk[at : at + _TASK] for at in range(0, len(chunk), _TASK)]
                yield from itertools.chain.from_iterable(pool.map(task, tasks))
        self._progress(stage, len(entries), len(entries))

    def _try(self, entry: Entry, work: Callable[[bytes], Any]) -> Any:
        """Apply ``work`` to one file's bytes; record the file and return None if it is unusable."""
        try:
            return work(self._container.read(entry.path))
        except UnusableFileError as error:
            self._unusable[entry.path] = str(error)
            return None


def _unusable_message(path: Path, unusable: Mapping[str, str]) -> str:
    lines = [f"  {printable(file)}: {reason}" for file, reason in unusable.items()]
    more = len(lines) - _LISTED
    lines[_LISTED:] = [f"  … and {more} more"] if more > 0 else []
    them = "it" if len(unusable) == 1 else "them"
    head = (
        f"{counted(len(unusable), 'file')} in {path} cannot be used; repair or remove {them}, or "
        f"skip {them} with --bad-files skip:"
    )
    return "\n".join([head, *lines])
