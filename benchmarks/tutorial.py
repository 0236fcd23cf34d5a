"""Train the popular MNIST script as it is, and keep what it draws on the way.

    python benchmarks/tutorial.py --data mnist --data-root ~/data --images 250000 --out tutorial

It is the plain loop of `tutorial_script`, mistakes included, at the images' own size (28 pixels:
system 5's form of the same script) unless --image-size says otherwise. Every --snapshot-every
images 1 000 samples a class go to --out/NNNNNNNNNNNN.npz (`images` uint8 (N, C, H, W), `labels`
int64 (N,)), drawn as the script draws them: in train mode. timing.jsonl has a line for each, with
the seconds of training alone; `benchmarks/quality_over_time.py` judges them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tutorial_script import Figures, Tutorial, pixels

from acgan.data.config import DataConfig
from acgan.data.load import load_data
from acgan.errors import AcganError, DiskError, UsageError

_SAMPLE_SEED = 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the script; the exit code is that of `acgan`'s errors."""
    try:
        run(_arguments(words))
    except AcganError as error:
        print(f"tutorial: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Train to --images and leave snapshots in --out.

    Raises:
        UsageError: a count below 1, or --out has a run already.
        DataError: the data are not there, or of a size that the networks do not take.
        DiskError: a snapshot cannot be written.
    """
    for name in ("images", "snapshot_every", "per_class"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1")
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise UsageError("--threads must be at least 1")
        torch.set_num_threads(arguments.threads)
    timing = arguments.out / "timing.jsonl"
    if timing.exists():
        raise UsageError(f"{arguments.out} has a run already; give another --out or remove it")
    splits = load_data(DataConfig(source=arguments.data, root=arguments.data_root))
    side = arguments.image_size or splits.shape.height
    tutorial = Tutorial(splits.train, side, arguments.seed, shortcut=arguments.shortcut)
    seconds = cpu_seconds = 0.0
    batches = tutorial.train()
    kept = 0
    while kept < arguments.images:
        due = min(
            (kept // arguments.snapshot_every + 1) * arguments.snapshot_every, arguments.images
        )
        started, cpu_started = time.perf_counter(), time.process_time()
        metrics = next(batches)
        while metrics.images_seen < due:
            metrics = next(batches)
        seconds += time.perf_counter() - started
        cpu_seconds += time.process_time() - cpu_started
        kept = metrics.images_seen
        _keep(tutorial, metrics, arguments)
        line = {
            "images": kept,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "threads": torch.get_num_threads(),
            "image_size": side,
            "shortcut": arguments.shortcut,
            "discriminator_loss": metrics.discriminator_loss,
            "generator_loss": metrics.generator_loss,
            "class_accuracy": metrics.class_accuracy,
        }
        with timing.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(
            f"{kept:,} images in {seconds:.0f} s ({kept / seconds:.0f} images/s), "
            f"D {metrics.discriminator_loss:.3f}, G {metrics.generator_loss:.3f}, "
            f"classes {metrics.class_accuracy:.0%}",
            flush=True,
        )


def _keep(tutorial: Tutorial, metrics: Figures, arguments: argparse.Namespace) -> None:
    images, labels = tutorial.sample(arguments.per_class, _SAMPLE_SEED)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        path = arguments.out / f"{metrics.images_seen:012d}.npz"
        np.savez_compressed(path, images=pixels(images), labels=labels.numpy())
    except OSError as error:
        raise DiskError(f"a snapshot cannot be written: {error}") from error


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="a named set, a folder or a zip")
    parser.add_argument("--data-root", help="folder of local copies of named sets")
    parser.add_argument("--images", type=int, default=250_000, help="to train on, in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of the snapshots")
    parser.add_argument("--snapshot-every", type=int, default=20_000, help="in images")
    parser.add_argument("--per-class", type=int, default=1000, help="samples a class")
    parser.add_argument(
        "--shortcut",
        action="store_true",
        help="in bf16, for its quality sooner; its seconds are then not the script's",
    )
    parser.add_argument("--image-size", type=int, help="by default that of the data")
    parser.add_argument("--threads", type=int, help="by default torch's own choice")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
