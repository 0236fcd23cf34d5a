"""How fast does a model draw: images a second in bulk, and the seconds of a cold `acgan sample`?

    python benchmarks/sampling.py runs/mnist

Bulk is `acgan.sampling.sampler.sample_images`, to uint8 in memory, against the plain loop that
anyone would
write (the generator in evaluation mode, float32, 64 latents of `torch.randn`, the same conversion):
by turns in one process that keeps its memory, as `acgan sample` does; the first turn of each is not
counted. Beside the rates by the clock stand those by processor time, which a busy machine disturbs
less: images a second of one thread. Cold is the command in a new process, once
before the clock runs so that the disk's cache is warm. Medians, and peaks of memory.
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acgan.errors import AcganError, UsageError
from acgan.kernels.memory import keep_freed_memory
from acgan.model.folder import find_model
from acgan.model.model import load
from acgan.networks.interface import Generator
from acgan.sampling.forward import to_uint8
from acgan.sampling.sampler import sample_images

PLAIN_BATCH = 64
COLD_IMAGES = 64


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    arguments = _arguments(words)
    try:
        if arguments.bulk_only:
            keep_freed_memory()
            print(json.dumps(bulk(arguments.run, arguments.images, arguments.repeats)))
            return 0
        values = measure(arguments.run, arguments.images, arguments.repeats)
    except AcganError as error:
        print(f"sampling: {error}", file=sys.stderr)
        return error.exit_code
    _print(values)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(run: Path, images: int, repeats: int) -> dict[str, Any]:
    """Both figures, each in processes of its own.

    Raises:
        UsageError: there is no model, or a process failed; its message was printed.
    """
    find_model(run)
    own = [sys.executable, __file__, str(run), "--bulk-only"]
    out, _, bulk_peak = _process([*own, "--images", str(images), "--repeats", str(repeats)])
    seconds, peaks = [], []
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "acgan", "sample", str(run)]
            command += ["--class", "0", "--count", str(COLD_IMAGES), "--out", place]
            _, taken, peak = _process(command)
        seconds.append(taken)
        peaks.append(peak)
    return {
        **json.loads(out),
        "bulk_peak_gib": bulk_peak,
        "cold_images": COLD_IMAGES,
        "cold_seconds": statistics.median(seconds[1:]),
        "cold_peak_gib": max(peaks),
    }


def bulk(run: Path, images: int, repeats: int) -> dict[str, Any]:
    """Images a second of ours and of the plain loop."""
    model = load(run)
    labels = np.arange(images) % len(model.classes)
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: sample_images(model.generator, labels, range(images)),
        "plain": lambda: plain(model.generator, labels),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    thread_rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            started, processor_started = time.perf_counter(), time.process_time()
            way()
            rates[name].append(images / (time.perf_counter() - started))
            thread_rates[name].append(images / (time.process_time() - processor_started))
    ratios = [ours / other for ours, other in zip(rates["ours"], rates["plain"], strict=True)]
    return {
        "images": images,
        "threads": torch.get_num_threads(),
        "precision": model.sampling_precision(),
        "images_per_second": statistics.median(rates["ours"][1:]),
        "images_per_thread_second": statistics.median(thread_rates["ours"][1:]),
        "plain_images_per_second": statistics.median(rates["plain"][1:]),
        "plain_images_per_thread_second": statistics.median(thread_rates["plain"][1:]),
        "ratio": statistics.median(ratios[1:]),
    }


def plain(generator: Generator, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The loop that anyone would write."""
    drawn = []
    with torch.no_grad():
        for start in range(0, len(labels), PLAIN_BATCH):
            some = torch.from_numpy(labels[start : start + PLAIN_BATCH])
            images = generator(torch.randn(len(some), generator.latent_size), some)
            drawn.append(to_uint8(images).numpy())
    return np.concatenate(drawn)


def _process(command: list[str]) -> tuple[str, float, float]:
    """What it printed, its seconds and its peak of memory in GiB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        printed = out.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"`{' '.join(command[1:])}` ended with {process.returncode}")
    # the system counts in KiB, macOS in bytes
    return printed, seconds, usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def _print(values: dict[str, Any]) -> None:
    for what, name in (("ours", ""), ("plain", "plain_")):
        rate = values[f"{name}images_per_second"]
        of_thread = values[f"{name}images_per_thread_second"]
        print(f"bulk, {what}: {rate:,.0f} images/s ({of_thread:,.0f} a second of processor time)")
    print(f"ours: {values['precision']}, {values['threads']} threads")
    print(f"ours / plain: {values['ratio']:.2f}")
    print(f"cold, {values['cold_images']} images: {values['cold_seconds']:.2f} s")
    peaks = (values["bulk_peak_gib"], values["cold_peak_gib"])
    print(f"peak memory: bulk {peaks[0]:.2f} GiB, cold {peaks[1]:.2f} GiB")


def _arguments(words: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a run or its model/ folder")
    parser.add_argument("--images", type=int, default=16_384, help="images of one bulk turn")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--bulk-only", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
