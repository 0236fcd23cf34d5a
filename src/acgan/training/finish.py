"""What a finished run leaves to look at: curves, first and last sheet, the trajectory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from acgan.pictures.animation import animation
from acgan.pictures.curves import curves
from acgan.pictures.sheet import png_bytes, side_by_side
from acgan.storage import write_atomic
from acgan.training.run_folder import RunFolder

_MOST_FRAMES = 60


def draw_summary(folder: RunFolder) -> dict[str, Path]:
    """Draw the end-of-run pictures from what the run has written.

    Returns:
        Paths by what they show: ``last sheet``, ``first and last``, ``curves``, ``trajectory``;
        without those whose sources a person has removed.

    Raises:
        DiskError: one could not be written.
    """
    sheets = sorted(path for path in folder.samples.glob("*.png") if path.stem.isdecimal())
    real = folder.samples / "real.png"
    pictures: dict[str, Path] = {}
    if sheets:
        frames = [Image.open(path) for path in _spread(sheets)]
        captions = [f"{int(path.stem):,} images" for path in _spread(sheets)]
        beside = [(frames[0], captions[0]), (frames[-1], captions[-1])]
        if real.exists():
            beside.append((Image.open(real), "real images"))
        both = side_by_side([frame for frame, _ in beside], [caption for _, caption in beside])
        pictures["last sheet"] = sheets[-1]
        pictures["first and last"] = _write(folder.path / "first-and-last.png", png_bytes(both))
        pictures["trajectory"] = _write(folder.path / "trajectory.gif", animation(frames, captions))
    rows = _rows(folder.metrics)
    if any("event" not in row for row in rows):
        pictures["curves"] = _write(folder.path / "curves.png", curves(rows))
    return pictures


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _spread(paths: list[Path]) -> list[Path]:
    """At most ``_MOST_FRAMES`` of the paths, evenly spread, the first and the last among them."""
    if len(paths) <= _MOST_FRAMES:
        return paths
    step = (len(paths) - 1) / (_MOST_FRAMES - 1)
    return [paths[round(index * step)] for index in range(_MOST_FRAMES)]


def _write(path: Path, data: bytes) -> Path:
    write_atomic(path, data)
    return path
