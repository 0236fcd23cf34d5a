"""What does an evaluation cost in time and memory: the first time, and with real features kept?

    python benchmarks/evaluation.py runs/mnist --data-root ~/data

Runs `acgan evaluate RUN` twice in processes of their own, with a cache of their own that holds the
judge (which is fitted before, if need be, and not counted). The first run looks at the real images
too; the second finds that done. Seconds of each part, the ratio of the two, and the peak of memory
are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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
class Measured:
    """One run of the command."""

    seconds: float
    splits: dict[str, float]
    peak_gib: float


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    arguments = _arguments(words)
    try:
        first, second = measure(arguments.run, arguments.samples, arguments.data_root)
    except AcganError as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return error.exit_code
    _print(first, second)
    if arguments.json is not None:
        values = {"first": vars(first), "kept": vars(second)}
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(run: Path, samples: int, data_root: Path | None) -> tuple[Measured, Measured]:
    """The first evaluation of a model's data, and the next one.

    Raises:
        UsageError: there is no model, or the command failed; its message was printed.
        DataError: the data are not there.
    """
    config = load(run).config.data
    if data_root is not None:
        config = config.model_copy(update={"root": str(data_root)})
    splits = load_data(config)
    flip = splits.flip_keeps_class
    cached_reference_classifier(splits, flip=flip)
    kept = reference_classifier_path(
        splits.train,
        reference_classifier_config(splits.train, flip=flip),
        0,
        reference_classifiers_folder(),
    )
    with tempfile.TemporaryDirectory() as place:
        cache = Path(place) / "cache"
        (cache / "judges").mkdir(parents=True)
        shutil.copy(kept, cache / "judges")
        command = [sys.executable, "-m", "acgan", "evaluate", str(run), "--json"]
        command += ["--samples", str(samples), "--out", str(Path(place) / "report")]
        command += [] if data_root is None else ["--data-root", str(data_root)]
        return _one(command, cache), _one(command, cache)


def _one(command: list[str], cache: Path) -> Measured:
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
        raise UsageError(f"`{' '.join(command[2:])}` ended with {process.returncode}")
    return Measured(time.perf_counter() - started, report["seconds"], _gib(usage))


def _gib(usage: resource.struct_rusage) -> float:
    """The peak of resident memory; the system counts in KiB, macOS in bytes."""
    return usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def _print(first: Measured, second: Measured) -> None:
    print(f"{'part':32} {'first':>8} {'kept':>8}")
    for part, seconds in first.splits.items():
        print(f"{part:32} {seconds:7.1f}s {second.splits.get(part, 0.0):7.1f}s")
    print(f"{'in all, with start-up':32} {first.seconds:7.1f}s {second.seconds:7.1f}s")
    print(f"first / kept: {first.seconds / second.seconds:.2f}")
    print(f"peak memory: {first.peak_gib:.2f} GiB, {second.peak_gib:.2f} GiB")


def _arguments(words: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a run or its model/ folder")
    parser.add_argument("--data-root", type=Path, help="folder of local copies of named sets")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
