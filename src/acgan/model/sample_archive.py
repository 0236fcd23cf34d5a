"""Samples in one file: a zip of PNG files with their manifest, or a npz of arrays.

A folder would need as many files as images. Both are written in one pass: memory grows by 0.4 kB
per image of a zip (its table of contents), and not with a npz. Equal requests give equal bytes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from acgan.config import canonical_json
from acgan.errors import UsageError
from acgan.execution.progress import Progress
from acgan.model.model import Model
from acgan.model.sample_folder import MANIFEST, Samples, manifest_lines
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, sync_file, sync_folder, temporary_sibling

SUFFIXES = (".zip", ".npz")
_OVERHEAD_BYTES = 700  # per image in a zip: PNG chunks, two headers, two spellings of its path, row
_FIXED_BYTES = 2000  # of an archive, with the names of a few classes
_MODE = 0o644 << 16


def archive_bytes(path: Path, model: Model, samples: Samples) -> int:
    """Return the most that an archive takes on the disk while it is written."""
    channels, height, width = model.shape
    each = channels * height * width + 16  # label and seed
    if path.suffix.lower() == ".zip":
        each += height + _OVERHEAD_BYTES
    return len(samples) * each + _FIXED_BYTES


def write_archive(
    model: Model, path: Path, samples: Samples, *, progress: Progress | None = None
) -> bool:
    """Write the images into one new file, atomically.

    ``.zip`` has the files of `acgan.model.sample_folder.write_samples`, uncompressed, and their
    manifest. ``.npz`` has ``images`` uint8 (N, H, W), or (N, H, W, 3) of color, and ``seeds``
    int64 (N,); of a model with classes also ``labels`` int64 (N,) and ``class_names``.

    Args:
        model: generates the images.
        path: the file; its folder is created if it is missing.
        samples: the images.
        progress: called with the number of written images and their total.

    Returns:
        Whether the file was written; otherwise it was complete already.

    Raises:
        UsageError: the file exists and holds something else.
        DiskError: it cannot be written.
    """
    comment = _comment(samples)
    if _is_complete(path, comment):
        return False
    with disk_errors(path, archive_bytes(path, model, samples), option="--out"):
        make_folder(path.parent)
        temporary = temporary_sibling(path)
        try:
            with zipfile.ZipFile(temporary, "x") as archive:
                archive.comment = comment
                if path.suffix.lower() == ".zip":
                    _fill_zip(archive, path.parent, samples, progress)
                else:
                    _fill_npz(archive, model, samples, progress)
            sync_file(temporary)
            if _is_complete(path, comment):  # another process was faster
                return False
            os.replace(temporary, path)  # noqa: PTH105
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def _comment(samples: Samples) -> bytes:
    """Return the comment of the zip, by which the same request finds its file again."""
    request = [samples.origin, list(samples.labels), samples.seeds[0], len(samples.seeds)]
    digest = hashlib.sha256(canonical_json(request).encode()).hexdigest()
    return canonical_json({**samples.origin, "request_sha256": digest}).encode()


def _is_complete(path: Path, comment: bytes) -> bool:
    """Return whether the file is there, undamaged and of this request; refuse another one."""
    if not os.path.lexists(path):
        return False
    problem = "holds something else"
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.comment == comment:
                damaged = archive.testzip()
                if damaged is None:
                    return True
                problem = f"is damaged at {damaged}"
            elif b'"request_sha256"' in archive.comment:
                problem = "holds other samples"
    except zipfile.BadZipFile:
        pass
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise UsageError(
        f"{path} exists and {problem}, which is not overwritten; choose another file with --out, "
        "or remove it first"
    )


def _fill_zip(
    archive: zipfile.ZipFile, folder: Path, samples: Samples, progress: Progress | None
) -> None:
    # The rows wait in a file without a name: a zip takes one member after the other.
    with tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", newline="\n") as rows:

        def written() -> Iterator[Any]:
            for done, (sample, content) in enumerate(samples.files(), 1):
                archive.writestr(_member(sample.file), content)
                yield sample
                if progress is not None:
                    progress(done, len(samples))

        rows.writelines(manifest_lines(samples.origin, written()))
        rows.seek(0)
        with archive.open(_member(MANIFEST), "w") as file:
            while block := rows.read(1 << 20):
                file.write(block.encode())


def _fill_npz(
    archive: zipfile.ZipFile, model: Model, samples: Samples, progress: Progress | None
) -> None:
    count, (channels, *size) = len(samples), model.shape
    shape = (count, *size, *([channels] if channels > 1 else []))
    with archive.open(_member("images.npy"), "w", force_zip64=True) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for done, (_, _, image) in enumerate(samples.images(), 1):
            file.write(np.moveaxis(image, 0, -1).tobytes())
            if progress is not None:
                progress(done, count)
    repeats = len(samples.seeds)
    arrays: dict[str, npt.NDArray[Any]] = {
        "seeds": np.tile(np.arange(repeats, dtype=np.int64) + samples.seeds[0], count // repeats)
    }
    if model.conditional:
        arrays["labels"] = np.repeat(np.array(samples.labels, np.int64), repeats)
        arrays["class_names"] = np.array([each.name for each in model.classes])
    for name, values in arrays.items():
        with archive.open(_member(f"{name}.npy"), "w", force_zip64=True) as file:
            np.lib.format.write_array(file, values, allow_pickle=False)


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member with a fixed time and mode, so that equal contents give equal bytes."""
    member = zipfile.ZipInfo(name)  # of 1980, stored
    member.create_system, member.external_attr = 3, _MODE
    return member
