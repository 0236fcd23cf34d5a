"""Speed of reading a folder of JPEGs: images per second the first time and from the cache.

    python benchmarks/ingest.py
    python benchmarks/ingest.py --folder photos --size 64

`acgan.data.folder.load_folder` hashes every byte, checks every header, decodes and resizes every
file and writes a cache that is verified when read. The comparison is Pillow alone in one thread:
open, convert, resize and copy to an array. They take turns in separate processes with an empty
cache, except where reading the cache is measured. Results are medians of rates and of ratios
within a turn, and peaks of memory. Without --folder, synthetic images are written first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.folder import load_folder
from acgan.errors import AcganError, UsageError

WAYS = ("acgan", "cached", "pillow")
_CLASSES = 4


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    try:
        if arguments.way is not None:
            print(json.dumps(once(arguments)))
            return 0
        with tempfile.TemporaryDirectory() as scratch:
            if arguments.folder is None:
                arguments.folder = Path(scratch) / "photos"
                write_photos(arguments.folder, arguments.images, arguments.side)
            values = measure(arguments, Path(scratch))
    except AcganError as error:
        print(f"ingest: {error}", file=sys.stderr)
        return error.exit_code
    _print(values)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def write_photos(folder: Path, images: int, side: int) -> None:
    """Write class folders of smooth noise as JPEGs, about as slow to decode as photographs."""
    random = np.random.default_rng(0)
    for index in range(images):
        coarse = random.integers(0, 256, (max(2, side // 4), max(2, side // 4), 3), np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        path = folder / f"class-{index % _CLASSES}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=90)


def measure(arguments: Any, scratch: Path) -> dict[str, Any]:
    """Return rates, ratios and peaks; the first turn warms the disk cache and is not counted.

    Raises:
        UsageError: a process failed; its message was printed.
    """
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks = dict.fromkeys(WAYS, 0.0)
    images = 0
    for turn in range(arguments.repeats + 1):
        for way in WAYS:  # "cached" reads what "acgan" has just written
            command = [sys.executable, __file__, "--folder", str(arguments.folder), "--way", way]
            command += ["--size", str(arguments.size), "--cache", str(scratch / f"cache-{turn}")]
            printed, peak = _process(command)
            images = printed["images"]
            rates[way].append(images / printed["seconds"])
            peaks[way] = max(peaks[way], peak)
    pillow = rates["pillow"][1:]
    return {
        "images": images,
        "images_per_second": {way: statistics.median(rates[way][1:]) for way in WAYS},
        "ratio_to_pillow": {
            way: statistics.median(a / b for a, b in zip(rates[way][1:], pillow, strict=True))
            for way in WAYS
        },
        "peak_gib": peaks,
    }


def once(arguments: Any) -> dict[str, float]:
    """Read the folder once and return the number of images and seconds, without start-up.

    Raises:
        DataError: a file cannot be used.
    """
    size = (arguments.size, arguments.size)
    started = time.perf_counter()
    if arguments.way == "pillow":
        images = len(pillow_alone(arguments.folder, size))
    else:
        config = DataConfig(
            source=str(arguments.folder), image_size=size, cache=str(arguments.cache)
        )
        images = len(load_folder(arguments.folder, config, lambda *_: None).data)
    return {"images": images, "seconds": time.perf_counter() - started}


def pillow_alone(folder: Path, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Read a folder with a plain loop of Pillow calls; return uint8 (N, H, W, 3)."""
    images = []
    for path in sorted(folder.rglob("*.jp*g")):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        images.append(np.asarray(image))
    return np.stack(images)


def _process(command: list[str]) -> tuple[dict[str, Any], float]:
    """Run a command; return its JSON output and its peak memory in GiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        printed = out.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"`{' '.join(command[1:])}` failed with exit code {process.returncode}")
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    return json.loads(printed), usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def _print(values: dict[str, Any]) -> None:
    print(f"{values['images']} images")
    print(f"{'':8} {'images/s':>10} {'÷ Pillow':>9} {'peak GiB':>9}")
    for way in WAYS:
        rate, ratio = values["images_per_second"][way], values["ratio_to_pillow"][way]
        print(f"{way:8} {rate:10,.0f} {ratio:9.2f} {values['peak_gib'][way]:9.2f}")


def _arguments(words: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="class folders of JPEGs; by default synthetic images"
    )
    parser.add_argument("--images", type=int, default=4_000, help="number of synthetic images")
    parser.add_argument("--side", type=int, default=96, help="side of a synthetic image in pixels")
    parser.add_argument("--size", type=int, default=64, help="side after resizing, in pixels")
    parser.add_argument("--repeats", type=int, default=3, help="counted turns")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
