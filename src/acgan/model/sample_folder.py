"""Samples as a folder of PNG files, with a manifest of class, seed and hash of each."""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from types import NoneType
from typing import Any, final

import numpy as np

from acgan.data.class_selection import ClassSelection
from acgan.errors import UsageError
from acgan.execution.progress import Progress
from acgan.metrics.arrays import UInt8Array
from acgan.model.model import Model
from acgan.plots.grid import png_bytes, to_pil
from acgan.sampling.forward import Precision
from acgan.sampling.latents import check_seeds, check_truncation
from acgan.sampling.sampler import iterate_images
from acgan.storage.disk import disk_errors
from acgan.storage.files import passing_lock, temporary_sibling, write_atomic
from acgan.storage.json_reader import read_json
from acgan.version import __version__

MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 30  # a million images take 200 MB
_LOCK = ".lock"  # held while the manifest changes
_FIELD_TYPES = ((str, NoneType), (int, NoneType), (int,), (str,), (str,))  # of a `SampleFile`
_FORMAT = 2  # raise it when a seed comes to mean another image


@final
@dataclass(frozen=True)
class SampleFile:
    """One generated image.

    Attributes:
        class_name: canonical name of the target class; None for a model without classes.
        label: index of that class, or None.
        seed: of its latent.
        file: path inside the folder, with ``/``.
        sha256: of the file.
    """

    class_name: str | None
    label: int | None
    seed: int
    file: str
    sha256: str

    @property
    def order(self) -> tuple[int, int]:
        """Label and seed: the order of the files in a manifest."""
        return (-1 if self.label is None else self.label, self.seed)


def write_samples(
    model: Model,
    folder: Path,
    label: ClassSelection = None,
    count: int = 1,
    seed: int = 0,
    truncation: float | None = None,
    *,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> list[SampleFile]:
    """Generate images into ``folder/<class>/<seed>.png``; ``folder/<seed>.png`` without classes.

    A folder that the same model filled before, with the same truncation and precision, gets the
    new images in addition. No file is overwritten with other content, so an interrupted call can
    be repeated, and several processes may write into one folder at the same time.

    Args:
        model: generates the images.
        folder: created if it is missing.
        label: see `Model.class_indices`.
        count: images per class; in total without classes.
        seed: the first seed.
        truncation: see `acgan.sampling.latents.latents`.
        precision: see `Model.sample`.
        progress: called with the number of written images and their total.

    Returns:
        The requested images, class after class in label order; the manifest also lists earlier
        ones.

    Raises:
        UsageError: an argument lies outside its range, or the folder holds something else.
        DiskError: it cannot be written.
    """
    samples = Samples(model, label, count, seed, truncation, precision)
    _existing(folder, samples.origin)  # refuses before images are generated
    written: list[SampleFile] = []
    with disk_errors(folder, option="--out"):
        for sample, content in samples.files():
            path = folder / sample.file
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_new(path, content)
            written.append(sample)
            if progress is not None:
                progress(len(written), len(samples))
        _add_to_manifest(folder, samples.origin, written)
    return written


@final
class Samples:
    """The requested images, class after class in label order, generated batch after batch.

    Args:
        model, label, count, seed, truncation, precision: see `write_samples`.

    Raises:
        UsageError: an argument lies outside its range.
    """

    def __init__(
        self,
        model: Model,
        label: ClassSelection,
        count: int,
        seed: int,
        truncation: float | None,
        precision: Precision,
    ) -> None:
        self._model, self._truncation = model, truncation
        self.labels: Sequence[int | None] = sorted(model.class_indices(label)) or (None,)
        self.seeds = check_seeds(seed, count)
        check_truncation(truncation)
        self._precision = model.sampling_precision(precision)
        # The images of a class and a seed are equal if all of this is.
        self.origin: dict[str, Any] = {
            "format": _FORMAT,
            "model": model.record.content_hash,
            "truncation": truncation,
            "precision": self._precision,
        }

    def __len__(self) -> int:
        return len(self.labels) * len(self.seeds)

    def folder_of(self, label: int | None) -> str:
        """Return the folder of a class's files as a prefix of their paths, such as ``seven/``."""
        return "" if label is None else f"{self._model.classes[label].folder}/"

    def missing(self, folder: Path) -> int:
        """Return how many of the files are not in ``folder``."""
        count = len(self)
        for label in self.labels:
            with suppress(OSError), os.scandir(folder / self.folder_of(label)) as entries:
                stems = (each.name.removesuffix(".png") for each in entries)
                count -= sum(stem.isdecimal() and int(stem) in self.seeds for stem in stems)
        return count

    def images(self) -> Iterator[tuple[int | None, int, UInt8Array]]:
        """Yield label, seed and image uint8 (C, H, W)."""
        for label in self.labels:
            repeated = None if label is None else np.broadcast_to(label, len(self.seeds))
            batches = iterate_images(
                self._model.generator,
                repeated,
                self.seeds,
                self._truncation,
                precision=self._precision,
            )
            images = (image for batch in batches for image in batch)
            for image, seed in zip(images, self.seeds, strict=True):
                yield label, seed, image

    def files(self) -> Iterator[tuple[SampleFile, bytes]]:
        """Yield each image as a PNG file."""
        for label, seed, image in self.images():
            content = png_bytes(to_pil(image))
            name = None if label is None else self._model.classes[label].name
            file = f"{self.folder_of(label)}{seed}.png"
            yield SampleFile(name, label, seed, file, hashlib.sha256(content).hexdigest()), content


def _add_to_manifest(folder: Path, origin: dict[str, Any], written: list[SampleFile]) -> None:
    with passing_lock(folder / _LOCK):
        before = _existing(folder, origin)  # other processes may have added images meanwhile
        unique = {image.order: image for image in [*before, *written]}
        text = "".join(manifest_lines(origin, (unique[key] for key in sorted(unique))))
        write_atomic(folder / MANIFEST, text)


def manifest_lines(origin: Mapping[str, Any], samples: Iterable[SampleFile]) -> Iterator[str]:
    """Yield the text of ``manifest.json`` for files in the order of label and seed."""
    head = json.dumps({**origin, "version": __version__}, indent=1, ensure_ascii=False)
    yield f'{head[:-2]},\n "images": ['
    separator = "\n"
    for sample in samples:
        entry = json.dumps(asdict(sample), indent=1, ensure_ascii=False)
        yield separator + textwrap.indent(entry, "  ")
        separator = ",\n"
    yield "\n ]\n}\n"


def _existing(folder: Path, origin: dict[str, Any]) -> list[SampleFile]:
    """Return the images that earlier calls wrote; refuse a folder of another origin."""
    path = folder / MANIFEST
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder with --out")
    try:
        manifest = read_json(path, _LARGEST_MANIFEST)
        before = [_from_manifest(entry) for entry in manifest["images"]]
        found = {key: manifest.get(key) for key in origin}
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} exists but is not a manifest of samples; choose another folder with --out"
        ) from None
    for key, value in origin.items():
        if found[key] != value:
            name = "version of acgan" if key == "format" else key
            raise UsageError(
                f"{folder} holds samples of another {name}; choose another folder with "
                "--out, or remove that one first"
            )
    return before


def _from_manifest(entry: dict[str, Any]) -> SampleFile:
    sample = SampleFile(**entry)
    for value, kinds in zip(astuple(sample), _FIELD_TYPES, strict=True):
        if type(value) not in kinds:
            raise TypeError
    return sample


def _write_new(path: Path, content: bytes) -> None:
    """Write a new file in one step; accept an existing one with the same content.

    An empty file is what a power cut leaves of a new one, so it is written again. Single images are
    not synced to the disk, which would take longer than generating them.
    """
    exists = os.path.lexists(path)
    empty = path.is_file() and path.stat().st_size == 0
    if exists and not empty:
        if path.is_file() and path.read_bytes() == content:
            return
        raise UsageError(
            f"{path} exists with other content, which is not overwritten; "
            "choose another folder with --out, or remove it first"
        )
    temporary = temporary_sibling(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
