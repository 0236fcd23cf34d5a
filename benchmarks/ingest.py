"""How fast is a folder of JPEGs read: images a second, the first time and from the cache?

    python benchmarks/ingest.py
    python benchmarks/ingest.py --folder photos --size 64

Ours is `acgan.data.folder.load_folder`: each byte hashed, each header checked, each file decoded,
brought to size and written to a cache that is checked when it is read. Against it stands Pillow
alone: open, convert, resize, to an array, in one thread and one loop. By turns, every turn in a
process of its own with an empty cache but where the cache is what is measured. Medians of rates and
of ratios within a turn; peaks of memory. Without a folder, one of made pictures is written first.
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

WAYS = ("ours", "cached", "pillow")
_CLASSES = 4


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    arguments = _arguments(words)
    try:
        if arguments.way is not None:
            print(json.dumps(once(arguments)))
            return 0
        with tempfile.TemporaryDirectory() as place:
            if arguments.folder is None:
                arguments.folder = Path(place) / "photos"
                write_photos(arguments.folder, arguments.images, arguments.side)
            values = measure(arguments, Path(place))
    except AcganError as error:
        print(f"ingest: {error}", file=sys.stderr)
        return error.exit_code
    _print(values)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def write_photos(folder: Path, images: int, side: int) -> None:
    """JPEGs of smooth noise, about as hard to decode as photographs, in class folders."""
    random = np.random.default_rng(0)
    for index in range(images):
        coarse = random.integers(0, 256, (max(2, side // 4), max(2, side // 4), 3), np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        path = folder / f"class-{index % _CLASSES}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=90)


def measure(arguments: Any, place: Path) -> dict[str, Any]:
    """Rates, ratios and peaks; one turn before them warms the disk's cache and is not counted.

    Raises:
        UsageError: a process failed; its message was printed.
    """
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks = dict.fromkeys(WAYS, 0.0)
    images = 0
    for turn in range(arguments.repeats + 1):
        for way in WAYS:  # "cached" finds what "ours" has just kept
            command = [sys.executable, __file__, "--folder", str(arguments.folder), "--way", way]
            command += ["--size", str(arguments.size), "--cache", str(place / f"cache-{turn}")]
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
    """One reading of the folder; start-up is not counted.

    Raises:
        DataError: files cannot be used.
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
    """uint8 (N, H, W, 3): the loop that anyone would write."""
    pictures = []
    for path in sorted(folder.rglob("*.jp*g")):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        pictures.append(np.asarray(picture))
    return np.stack(pictures)


def _process(command: list[str]) -> tuple[dict[str, Any], float]:
    """What it printed as JSON, and its peak of memory in GiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        printed = out.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"`{' '.join(command[1:])}` ended with {process.returncode}")
    # the system counts in KiB, macOS in bytes
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
    parser.add_argument("--folder", type=Path, help="class folders of JPEGs; made where left out")
    parser.add_argument("--images", type=int, default=4_000, help="pictures to make")
    parser.add_argument("--side", type=int, default=96, help="pixels of a made picture's side")
    parser.add_argument("--size", type=int, default=64, help="pixels of the side wanted")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
