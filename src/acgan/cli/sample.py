"""`acgan sample`: images of the requested classes."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from acgan.cli.options import (
    OUTPUT,
    JsonFlag,
    ModelArgument,
    Precision,
    Truncation,
    complete_classes,
    option,
)
from acgan.cli.output import counter, result, say, write
from acgan.errors import DiskError, UsageError, counted
from acgan.storage.disk import free_bytes, free_files, human_size, require_windows_path

if TYPE_CHECKING:
    from acgan.model.model import Model
    from acgan.model.sample_folder import Samples

EXAMPLE = "acgan sample runs/demo --class seven --count 16 --out samples/sevens"
_MOST_COLUMNS = 100
_MANY_FILES = 100_000
_LONGEST_FILE = 24  # characters: the largest seed and .png
_BLOCK_BYTES = 4096  # the least that a file takes on most disks


def sample(
    model: ModelArgument,
    label: Annotated[
        list[str] | None,
        option(
            "Name or index of a class, or all; repeatable. Not for models without classes.",
            "NAME",
            name="--class",
            default="every class",
            complete=complete_classes,
        ),
    ] = None,
    count: Annotated[int, option("Images per class; in total without classes.", "N")] = 1,
    seed: Annotated[int, option("The first seed; the others follow it.", "N")] = 0,
    truncation: Truncation = None,
    precision: Precision = "auto",
    out: Annotated[
        Path | None,
        option(
            "Write DIR/CLASS/SEED.png (without classes DIR/SEED.png) and a manifest; FILE.zip has "
            "the same files, FILE.npz arrays (images, labels, class_names, seeds).",
            "DIR|FILE",
            OUTPUT,
            default="samples/RUN",
        ),
    ] = None,
    grid: Annotated[
        Path | None, option("Write one grid with a row per class instead.", "FILE.png", OUTPUT)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Generate images of the requested classes, or of all data if the model has no classes.

    The same class and seed always give the same image (on another machine, the same up to
    round-off). The same seed gives a similar style in every class.
    """
    if grid is not None:
        _check_grid(grid, count)

    from acgan.kernels.memory import keep_freed_memory
    from acgan.model.folder import run_of
    from acgan.model.model import load
    from acgan.model.sample_archive import write_archive
    from acgan.model.sample_folder import Samples, write_samples
    from acgan.plots.grid import png_bytes
    from acgan.plots.text import missing_fonts_note

    keep_freed_memory()
    trained = load(model)
    trained.class_indices(label)  # refuses unknown classes before anything is written
    if grid is None and out is None:
        out = Path("samples") / run_of(model).path.resolve().name
    values: dict[str, Any] = {
        "model": trained.record.content_hash,
        "precision": trained.sampling_precision(precision),
    }
    lines = []
    if out is not None:
        samples = Samples(trained, label, count, seed, truncation, precision)
        longest = 0 if _is_archive(out) else max(map(len, map(samples.folder_of, samples.labels)))
        require_windows_path(out, longest + _LONGEST_FILE)
        _check_space(out, samples, trained)
        number, progress = counted(len(samples), "image"), counter("images")
        if _is_archive(out):
            new = write_archive(trained, out, samples, progress=progress)
            values |= {"archive": out, "count": len(samples), "written": new}
            lines.append(f"{number} {'in' if new else 'are already in'} {out}")
        else:
            files = write_samples(
                trained, out, label, count, seed, truncation, precision=precision, progress=progress
            )
            values |= {"folder": out, "images": [asdict(each) for each in files]}
            lines.append(f"{number} in {out}")
    if grid is not None:
        for note in missing_fonts_note([each.name for each in trained.classes]):
            say(note)
        image = trained.grid(label, count, seed, truncation, precision=precision)
        write(grid, png_bytes(image), "--grid")
        values["grid"] = grid
        lines.append(f"grid: {grid}")
    result(values, "\n".join(lines), as_json=as_json)


def _is_archive(out: Path) -> bool:
    from acgan.model.sample_archive import SUFFIXES

    return out.suffix.lower() in SUFFIXES


def _check_space(out: Path, samples: Samples, model: Model) -> None:
    """Say how much disk many files take, and refuse them if the disk has less."""
    from acgan.model.sample_archive import archive_bytes

    files, free_entries = 1, None
    if _is_archive(out):
        if out.exists():
            return  # it is complete, or refused
        need = archive_bytes(out, model, samples)
        words, remedy = f"{counted(len(samples), 'image')} in {out.suffix} take", "lower --count"
    else:
        files, free_entries = samples.missing(out), free_files(out)
        need = files * -(-math.prod(model.shape) // _BLOCK_BYTES) * _BLOCK_BYTES
        words = f"{counted(files, 'new file')} take"
        archive = archive_bytes(out.with_suffix(".npz"), model, samples)
        remedy = f"lower --count, write one file of {human_size(archive)} with --out FILE.npz"
    words = f"{words} up to {human_size(need)}"
    free = free_bytes(out)
    lacking = None
    if free is not None and need > free:
        lacking = f"{human_size(free)} are"
    elif free_entries is not None and files > free_entries:
        lacking = f"only {counted(free_entries, 'more file is', 'more files are')}"
    if lacking:
        raise DiskError(
            f"{words}, and {lacking} free on the disk of {out}; {remedy}, or choose another disk "
            "with --out"
        )
    if files >= _MANY_FILES:
        say(f"{words} on the disk of {out}; --out FILE.zip or FILE.npz writes one file instead")


def _check_grid(grid: Path, count: int) -> None:
    if grid.suffix.lower() != ".png":
        raise UsageError(f"--grid {grid}: a grid is a PNG file; end its name in .png")
    if count > _MOST_COLUMNS:
        raise UsageError(
            f"--count {count}: a grid has at most {_MOST_COLUMNS} images per class; use --out DIR "
            "for more"
        )
