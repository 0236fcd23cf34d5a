"""Speed of a training step: the tutorial script, acgan with the same networks, and the roofline.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --data mnist --data-root ~/data --json step.json

Three sides take turns in separate processes: the popular MNIST script as it is (system 4 at 32
pixels, with its DataLoader), the recipe acgan-mnist-32, which has the same networks, and the
default recipe of the data. For both recipes, the roofline is measured too: the sum of the best
times of all convolutions and matrix products of one step, and its share of the step's time.
Timings need an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from step_sides import SideError, Worker

SAME_NETWORKS = "acgan-mnist-32"
IMAGE_SIZE = 32
_BUSY = 0.5  # load average above which the machine is not idle


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    try:
        report = measure(arguments)
    except SideError as error:
        return error.exit_code
    _print(report, arguments.kernels)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all results as plain values.

    Raises:
        SideError: a side failed; its message was printed.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    common = {
        "data": arguments.data,
        "data_root": arguments.data_root,
        "image_size": IMAGE_SIZE,
        "seed": 0,
        "threads": arguments.threads,
    }
    acgan = {"side": "acgan", **common, "options": arguments.option}
    sides = {
        "tutorial": {"side": "tutorial", **common},
        "same networks": {**acgan, "recipe": SAME_NETWORKS},
        "default": {**acgan, "recipe": None},
    }
    rounds: dict[str, list[float]] = {name: [] for name in sides}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(side)) for name, side in sides.items()}
        for number in range(arguments.rounds):
            for name, worker in workers.items():
                answer = worker.ask({"train": arguments.seconds})
                rounds[name].append(answer["images_per_second"])
            rates = ", ".join(f"{name} {rates[-1]:.0f}" for name, rates in rounds.items())
            print(f"round {number + 1}: {rates} images/s", file=sys.stderr, flush=True)
    report = {
        name: {
            **worker.described,
            "images_per_second": statistics.median(rounds[name]),
            "rounds": rounds[name],
            "peak_memory_gib": worker.peak_gib,
        }
        for name, worker in workers.items()
    }
    for name in ("same networks", "default"):
        report[name] |= _against_roofline(sides[name], arguments)
    per_image = report["same networks"]["roofline_seconds"] / report["same networks"]["batch"]
    report["tutorial"]["roofline_share"] = per_image * report["tutorial"]["images_per_second"]
    return {
        "load_before": load,
        "ratio": statistics.median(
            acgan / tutorial
            for acgan, tutorial in zip(rounds["same networks"], rounds["tutorial"], strict=True)
        ),
        "sides": report,
    }


def _against_roofline(side: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure steps, the roofline and steps again in one process, directly after each other."""
    with Worker(side) as worker:
        before = worker.ask({"train": arguments.seconds})
        bounds = worker.ask({"roofline": arguments.seconds_a_way})
        after = worker.ask({"train": arguments.seconds})
    step = statistics.mean(run["median_step_seconds"] for run in (before, after))
    least = sum(bound["total_seconds"] for bound in bounds)
    return {
        "step_seconds": step,
        "roofline_seconds": least,
        "roofline_share": least / step,
        "kernels": bounds,
    }


def _print(report: dict[str, Any], kernels: int) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title="training step", caption="medians over the rounds")
    headings = ("images/s", "rounds", "roofline", "peak memory", "threads", "precision", "pixels")
    table.add_column("side")
    for heading in headings:
        table.add_column(heading, justify="right")
    for side in report["sides"].values():
        peak = side["peak_memory_gib"]
        table.add_row(
            side["name"],
            f"{side['images_per_second']:,.0f}",
            f"{min(side['rounds']):,.0f} – {max(side['rounds']):,.0f}",
            f"{side['roofline_share']:.0%}",
            "–" if peak is None else f"{peak:.2f} GiB",
            str(side["threads"]),
            side["precision"],
            str(side["side"]),
        )
    console.print(table)
    for name in ("same networks", "default"):
        side = report["sides"][name]
        console.print(_kernel_table(side, kernels))
    console.print(f"acgan / tutorial script, on the same networks: {report['ratio']:.2f}")
    if report["load_before"] > _BUSY:
        console.print(
            f"the machine was not idle (load {report['load_before']:.1f} before the start): "
            "ratios may be right, rates are not"
        )


def _kernel_table(side: dict[str, Any], most: int) -> Table:
    step, least = side["step_seconds"], side["roofline_seconds"]
    table = Table(
        title=f"{side['name']}: a step takes {1e3 * step:.1f} ms; its convolutions and products "
        f"take at least {1e3 * least:.1f} ms ({side['roofline_share']:.0%})",
        caption=f"the slowest {most} of {len(side['kernels'])}",
    )
    table.add_column("kernel", overflow="fold")
    table.add_column("in")
    for heading in ("calls", "ms", "GFLOP/s"):
        table.add_column(heading, justify="right")
    table.add_column("best way")
    for kernel in side["kernels"][:most]:
        table.add_row(
            kernel["kernel"],
            kernel["dtype"],
            str(kernel["calls"]),
            f"{1e3 * kernel['total_seconds']:.2f}",
            f"{kernel['gflops']:,.0f}",
            kernel["best_way"],
        )
    return table


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="a named data set of small gray images")
    parser.add_argument("--data-root", help="folder of local copies of named data sets")
    parser.add_argument("--rounds", type=_count, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=10.0, help="time of each side per round")
    parser.add_argument(
        "--seconds-a-way", type=float, default=0.1, help="time per way of a kernel of the roofline"
    )
    parser.add_argument("--threads", type=_count, help="by default chosen by each side")
    parser.add_argument("--kernels", type=_count, default=12, help="rows of the roofline's table")
    parser.add_argument(
        "-o", "--option", action="append", default=[], help="section.key=value for the recipes"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(words)


def _count(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
