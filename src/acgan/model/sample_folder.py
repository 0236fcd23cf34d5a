"""Samples as a folder of PNG files, with a manifest of class, seed and hash of each."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from acgan.data.class_selection import ClassSelection
from acgan.errors import UsageError
from acgan.execution.progress import Progress
from acgan.model.model import Model
from acgan.plots.grid import png_bytes, to_pil
from acgan.sampling.forward import Precision
from acgan.sampling.latents import check_seeds
from acgan.sampling.sampler import iterate_images
from acgan.storage.disk import disk_errors
from acgan.storage.files import passing_lock, temporary_sibling, write_atomic
from acgan.storage.json_reader import read_json
from acgan.version import __version__

_MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 30  # a million images take 200 MB
_LOCK = ".lock"  # held while the manifest changes
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
        The requested images, class after class; the manifest also lists earlier ones.

    Raises:
        UsageError: an argument lies outside its range, or the folder holds something else.
        DiskError: it cannot be written.
    """
    labels: Sequence[int | None] = model.class_indices(label) or (None,)
    seeds = check_seeds(seed, count)
    resolved = model.sampling_precision(precision)
    origin = {
        "format": _FORMAT,
        "model": model.record.content_hash,
        "truncation": truncation,
        "precision": resolved,
    }
    _existing(folder, origin)  # refuses before images are generated
    written: list[SampleFile] = []
    with disk_errors(folder, option="--out"):
        for index in labels:
            chosen = None if index is None else model.classes[index]
            target = folder if chosen is None else folder / chosen.folder
            target.mkdir(parents=True, exist_ok=True)
            repeated = None if index is None else np.broadcast_to(index, count)
            batches = iterate_images(
                model.generator, repeated, seeds, truncation, precision=resolved
            )
            images = (image for batch in batches for image in batch)
            for image, its_seed in zip(images, seeds, strict=True):
                path = target / f"{its_seed}.png"
                content = png_bytes(to_pil(image))
                _write_new(path, content)
                name = None if chosen is None else chosen.name
                relative = path.relative_to(folder).as_posix()
                digest = hashlib.sha256(content).hexdigest()
                written.append(SampleFile(name, index, its_seed, relative, digest))
                if progress is not None:
                    progress(len(written), len(labels) * count)
        _add_to_manifest(folder, origin, written)
    return written


def _add_to_manifest(folder: Path, origin: dict[str, Any], written: list[SampleFile]) -> None:
    with passing_lock(folder / _LOCK):
        before = _existing(folder, origin)  # other processes may have added images meanwhile
        unique = {(image.label, image.seed): image for image in [*before, *written]}
        images_json = [asdict(unique[key]) for key in sorted(unique)]
        manifest = {**origin, "version": __version__, "images": images_json}
        write_atomic(folder / _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def _existing(folder: Path, origin: dict[str, Any]) -> list[SampleFile]:
    """Return the images that earlier calls wrote; refuse a folder of another origin."""
    path = folder / _MANIFEST
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder with --out")
    try:
        manifest = read_json(path, _LARGEST_MANIFEST)
        before = [SampleFile(**entry) for entry in manifest["images"]]
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
