"""Gain of each fast path of `acgan.kernels`: training steps with it and without it, in turns.

    python benchmarks/fast_paths.py
    python benchmarks/fast_paths.py --recipes acgan-cifar10 --data cifar --json fast_paths.json

Each side is a subprocess; all sides of a recipe take turns. A result is the median over the rounds
of the ratio of step times with and without the fast path: a gain of 3 % is a ratio of 0.97. Step
times are processor time by default, which other programs disturb less than wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from step_sides import SideError, Worker

FAST_PATHS = ("memory", "random layers")
RECIPES = ("small-gray", "acgan-mnist-32")  # the default for small gray images, and system 4


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    rows = []
    for recipe in arguments.recipes:
        try:
            rows += measure(recipe, arguments)
        except SideError as error:
            return error.exit_code
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(recipe: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row of plain values for each fast path.

    Raises:
        SideError: a side failed; its message is on stderr.
    """
    common = {
        "side": "acgan",
        "recipe": recipe,
        "data": arguments.data,
        "data_root": arguments.data_root,
        "image_size": None,
        "seed": 0,
        "threads": arguments.threads,
        "options": [f"execution.precision={arguments.precision}"],
    }
    times: dict[str | None, list[float]] = {name: [] for name in (None, *FAST_PATHS)}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker({**common, "without": name})) for name in times}
        for _ in range(arguments.rounds):
            for name, worker in workers.items():
                times[name].append(worker.ask({"train": arguments.seconds})[arguments.clock])
        described = workers[None].described
    rows = []
    for name in FAST_PATHS:
        ratios = [on / off for on, off in zip(times[None], times[name], strict=True)]
        row = {
            "recipe": recipe,
            "fast_path": name,
            "precision": described["precision"],
            "threads": described["threads"],
            "ratio": statistics.median(ratios),
            "ratios": ratios,
            "step_seconds": statistics.median(times[None]),
        }
        low, high = min(ratios), max(ratios)
        print(
            f"{recipe}, {row['precision']}, {name}: {row['ratio']:.3f} ({low:.3f} to {high:.3f}), "
            f"a step takes {1e3 * row['step_seconds']:.0f} ms",
            flush=True,
        )
        rows.append(row)
    return rows


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", nargs="+", default=RECIPES, help="recipes to measure")
    parser.add_argument("--data", default="digits", help="a named data set that fits the recipes")
    parser.add_argument("--data-root", help="folder of local copies of named data sets")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=3.0, help="time of each side per round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--clock",
        choices=("median_step_cpu_seconds", "median_step_seconds"),
        default="median_step_cpu_seconds",
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
