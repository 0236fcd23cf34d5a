"""Time and peak memory of an evaluation: the first one, and one with cached real features.

    python benchmarks/evaluation.py runs/mnist --data-root ~/data

Runs `acgan evaluate RUN` twice as a subprocess with a temporary cache that already contains the
reference classifier (fitted before if necessary; not measured). The first run also computes the
predictions for real images; the second reads them from the cache. Prints the seconds of each
chapter, the ratio of both runs and their peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acgan.classifiers.cache import (
    cached_reference_classifier,
    reference_classifier_path,
    reference_classifiers_folder,
)
from acgan.classifiers.reference_classifier import reference_classifier_config
from acgan.data.load import load_data
from acgan.errors import AcganError, UsageError
from acgan.model.model import load


@dataclass(frozen=True)
class Measurement:
    """One run of the command.

    Attributes:
        seconds: from start to exit of the process.
        chapters: seconds of each chapter of the report, by its name.
        peak_gib: peak of the resident memory.
    """

    seconds: float
    chapters: dict[str, float]
    peak_gib: float


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    try:
        first, cached = measure(arguments.run, arguments.samples, arguments.data_root)
    except AcganError as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return error.exit_code
    _print(first, cached)
    if arguments.json is not None:
        values = {"first": vars(first), "cached": vars(cached)}
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(run: Path, samples: int, data_root: Path | None) -> tuple[Measurement, Measurement]:
    """Measure the first evaluation on a model's data and the next one.

    Raises:
        UsageError: ``run`` has no model, or the command failed after printing its message.
        DataError: the data is missing.
    """
    config = load(run).config.data
    if data_root is not None:
        config = config.model_copy(update={"root": str(data_root)})
    splits = load_data(config)
    flip = splits.flip_keeps_class
    cached_reference_classifier(splits, flip=flip)
    folder = reference_classifiers_folder()
    classifier_config = reference_classifier_config(splits.train, flip=flip)
    classifier = reference_classifier_path(
        splits.train, classifier_config, 0, folder, splits.validation
    )
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "cache"
        (cache / folder.name).mkdir(parents=True)
        shutil.copy(classifier, cache / folder.name)
        command = [sys.executable, "-m", "acgan", "evaluate", str(run), "--json"]
        command += ["--samples", str(samples), "--out", str(Path(scratch) / "report")]
        command += [] if data_root is None else ["--data-root", str(data_root)]
        return _measure_command(command, cache), _measure_command(command, cache)


def _measure_command(command: list[str], cache: Path) -> Measurement:
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "ACGAN_CACHE": str(cache)}
    )
    assert process.stdout is not None
    with process.stdout as out:
        report: dict[str, Any] = json.loads(out.read() or b"{}")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"`{' '.join(command[2:])}` failed with exit code {process.returncode}")
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    peak = usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    return Measurement(time.perf_counter() - started, report["seconds"], peak)


def _print(first: Measurement, cached: Measurement) -> None:
    print(f"{'chapter':32} {'first':>8} {'cached':>8}")
    for chapter, seconds in first.chapters.items():
        print(f"{chapter:32} {seconds:7.1f}s {cached.chapters.get(chapter, 0.0):7.1f}s")
    print(f"{'total, with start-up':32} {first.seconds:7.1f}s {cached.seconds:7.1f}s")
    print(f"first / cached: {first.seconds / cached.seconds:.2f}")
    print(f"peak memory: {first.peak_gib:.2f} GiB, {cached.peak_gib:.2f} GiB")


def _arguments(words: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a run or its model/ folder")
    parser.add_argument("--data-root", type=Path, help="folder of local copies of named data sets")
    parser.add_argument("--samples", type=int, default=10_000, help="number of samples")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
