"""Sampling speed of a model: images per second in bulk, and seconds of a cold `acgan sample`.

    python benchmarks/sampling.py runs/mnist

Bulk compares `acgan.sampling.sampler.sample_images`, to uint8 in memory, with a plain loop (the
generator in evaluation mode, float32, batches of 64 latents from `torch.randn`, the same
conversion). Both take turns in one process that keeps freed memory, as `acgan sample` does; the
first turn of each is not counted. Rates are given per second of wall time and per second of
processor time, which other programs disturb less. Cold is the command in a new process, after one
uncounted call that warms the disk cache. Results are medians and peaks of memory.
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
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
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
    """Measure both, each in separate processes.

    Raises:
        UsageError: the model is missing, or a process failed; its message was printed.
    """
    find_model(run)
    own = [sys.executable, __file__, str(run), "--bulk-only"]
    out, _, bulk_peak = _process([*own, "--images", str(images), "--repeats", str(repeats)])
    seconds, peaks = [], []
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "acgan", "sample", str(run)]
            command += ["--class", "0", "--count", str(COLD_IMAGES), "--out", scratch]
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
    """Return images per second of `sample_images` (acgan) and of the plain loop."""
    model = load(run)
    labels = np.arange(images) % len(model.classes)
    ways: dict[str, Callable[[], Any]] = {
        "acgan": lambda: sample_images(model.generator, labels, range(images)),
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
    ratios = [
        acgan / plain_rate for acgan, plain_rate in zip(rates["acgan"], rates["plain"], strict=True)
    ]
    return {
        "images": images,
        "threads": torch.get_num_threads(),
        "precision": model.sampling_precision(),
        "images_per_second": statistics.median(rates["acgan"][1:]),
        "images_per_thread_second": statistics.median(thread_rates["acgan"][1:]),
        "plain_images_per_second": statistics.median(rates["plain"][1:]),
        "plain_images_per_thread_second": statistics.median(thread_rates["plain"][1:]),
        "ratio": statistics.median(ratios[1:]),
    }


def plain(generator: Generator, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Generate uint8 images with a plain loop."""
    batches = []
    with torch.no_grad():
        for start in range(0, len(labels), PLAIN_BATCH):
            some = torch.from_numpy(labels[start : start + PLAIN_BATCH])
            images = generator(torch.randn(len(some), generator.latent_size), some)
            batches.append(to_uint8(images).numpy())
    return np.concatenate(batches)


def _process(command: list[str]) -> tuple[str, float, float]:
    """Run a command; return its output, its seconds and its peak memory in GiB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        printed = out.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"`{' '.join(command[1:])}` failed with exit code {process.returncode}")
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    return printed, seconds, usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def _print(values: dict[str, Any]) -> None:
    for loop, prefix in (("acgan", ""), ("plain", "plain_")):
        rate = values[f"{prefix}images_per_second"]
        of_thread = values[f"{prefix}images_per_thread_second"]
        print(f"bulk, {loop}: {rate:,.0f} images/s ({of_thread:,.0f} per second of processor time)")
    print(f"acgan: {values['precision']}, {values['threads']} threads")
    print(f"acgan / plain: {values['ratio']:.2f}")
    print(f"cold, {values['cold_images']} images: {values['cold_seconds']:.2f} s")
    peaks = (values["bulk_peak_gib"], values["cold_peak_gib"])
    print(f"peak memory: bulk {peaks[0]:.2f} GiB, cold {peaks[1]:.2f} GiB")


def _arguments(words: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a run or its model/ folder")
    parser.add_argument("--images", type=int, default=16_384, help="images per bulk turn")
    parser.add_argument("--repeats", type=int, default=5, help="counted turns")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--bulk-only", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
