"""Samples as a folder of PNG files with a manifest that says of each how to draw it again."""

from __future__ import annotations

import hashlib
import json
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
from acgan.storage.files import write_atomic
from acgan.version import __version__

MANIFEST = "manifest.json"
_FORMAT = 2  # raise it when a seed comes to mean another image
_ORIGIN = {
    "format": "version of acgan",
    "model": "model",
    "truncation": "truncation",
    "precision": "precision",
}


@final
@dataclass(frozen=True)
class SampleFile:
    """One drawn picture.

    Attributes:
        class_name: canonical name of the class asked for; None of a model without classes.
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
    """Draw ``count`` pictures of each class into ``folder/<class>/<seed>.png``.

    Those of a model without classes lie in the folder itself, ``count`` of them.

    A folder that this model filled before, with the same truncation and precision, is added to. No
    file is ever overwritten with other content, so a run that was cut off can simply be repeated.

    Args:
        model: draws.
        folder: created where missing.
        label: see `Model.class_indices`.
        count: pictures of each class.
        seed: the first seed.
        truncation: see `acgan.sampling.latents.latents`.
        precision: see `Model.sample`.
        progress: told how many pictures of how many are done.

    Returns:
        What was asked for, class after class; the manifest also names what was there before.

    Raises:
        UsageError: an argument lies outside its range, or something else is in the way.
        DiskError: it cannot be written.
    """
    labels: Sequence[int | None] = model.class_indices(label) or (None,)
    seeds = check_seeds(seed, count)
    low_or_full = model.sampling_precision(precision)
    origin = {
        "format": _FORMAT,
        "model": model.record.content_hash,
        "truncation": truncation,
        "precision": low_or_full,
    }
    before = _known(folder, origin)
    drawn: list[SampleFile] = []
    with disk_errors(folder, option="--out"):
        for index in labels:
            chosen = None if index is None else model.classes[index]
            home = folder if chosen is None else folder / chosen.folder
            home.mkdir(parents=True, exist_ok=True)
            batches = iterate_images(
                model.generator,
                None if index is None else np.broadcast_to(index, count),
                seeds,
                truncation,
                precision=low_or_full,
            )
            images = (image for batch in batches for image in batch)
            for image, its_seed in zip(images, seeds, strict=True):
                path = home / f"{its_seed}.png"
                content = png_bytes(to_pil(image))
                _keep(path, content)
                drawn.append(
                    SampleFile(
                        class_name=None if chosen is None else chosen.name,
                        label=index,
                        seed=its_seed,
                        file=path.relative_to(folder).as_posix(),
                        sha256=hashlib.sha256(content).hexdigest(),
                    )
                )
                if progress is not None:
                    progress(len(drawn), len(labels) * count)
        _write_manifest(folder, origin, [*before, *drawn])
    return drawn


def _known(folder: Path, origin: dict[str, Any]) -> list[SampleFile]:
    """What an earlier call drew into the folder, if it was of the same origin."""
    path = folder / MANIFEST
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder with --out")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        before = [SampleFile(**entry) for entry in manifest["images"]]
        found = {key: manifest.get(key) for key in origin}
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} exists and is no manifest of samples; choose another folder with --out"
        ) from None
    for key, what in _ORIGIN.items():
        if found[key] == origin[key]:
            continue
        raise UsageError(
            f"{folder} holds samples of another {what}; choose another folder with --out, "
            "or remove that one first"
        )
    return before


def _keep(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if path.is_file() and path.read_bytes() == content:
            return
        raise UsageError(
            f"{path} exists with other content, which is not overwritten; "
            "choose another folder with --out, or remove it first"
        ) from None


def _write_manifest(folder: Path, origin: dict[str, Any], images: Sequence[SampleFile]) -> None:
    unique = {(image.label, image.seed): image for image in images}
    content = {
        **origin,
        "version": __version__,
        "images": [asdict(unique[key]) for key in sorted(unique)],
    }
    write_atomic(folder / MANIFEST, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
