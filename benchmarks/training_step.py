"""How fast is a training step: the tutorial's way, ours on the same networks, and what could be.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --data mnist --data-root ~/data --json step.json

Three sides, each in a process of its own, take turns in rounds: the popular MNIST script as it is
(system 4 at 32 pixels, DataLoader included), `acgan`'s recipe acgan-mnist-32, which has the same
networks, and the default recipe of the data. Then, for either of ours, the roofline: the sum over
the convolutions and products of one step of each one's best time by itself, measured here and
now, and its share of the step's time. Timings need an otherwise idle machine.
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
_BUSY = 0.5  # load average from which on the machine is not called idle


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
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
    """All figures as plain values.

    Raises:
        SideError: a side could not do it; it has said why.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    target_labels = {
        "data": arguments.data,
        "data_root": arguments.data_root,
        "image_size": IMAGE_SIZE,
        "seed": 0,
        "threads": arguments.threads,
    }
    ours = {"side": "acgan", **target_labels, "options": arguments.option}
    sides = {
        "tutorial": {"side": "tutorial", **target_labels},
        "same networks": {**ours, "recipe": SAME_NETWORKS},
        "default": {**ours, "recipe": None},
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
            ours / theirs
            for ours, theirs in zip(rounds["same networks"], rounds["tutorial"], strict=True)
        ),
        "sides": report,
    }


def _against_roofline(side: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Steps, the roofline, steps again: of one process, and of the same minute."""
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
    table = Table(title="a training step", caption="medians of the rounds")
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
    console.print(f"ours / the tutorial's way, on the same networks: {report['ratio']:.2f}")
    if report["load_before"] > _BUSY:
        console.print(
            f"the machine was not idle (load {report['load_before']:.1f} before the start): "
            "ratios may hold, rates do not"
        )


def _kernel_table(side: dict[str, Any], most: int) -> Table:
    step, least = side["step_seconds"], side["roofline_seconds"]
    table = Table(
        title=f"{side['name']}: a step takes {1e3 * step:.1f} ms, its convolutions and products "
        f"at their best {1e3 * least:.1f} ms, {side['roofline_share']:.0%}",
        caption=f"the costliest {most} of {len(side['kernels'])}",
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
    parser.add_argument("--data", default="digits", help="a named set of small gray images")
    parser.add_argument("--data-root", help="folder of local copies of named sets")
    parser.add_argument("--rounds", type=_count, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each side in a round")
    parser.add_argument("--seconds-a-way", type=float, default=0.1, help="on the roofline's parts")
    parser.add_argument("--threads", type=_count, help="by default each side's own choice")
    parser.add_argument("--kernels", type=_count, default=12, help="rows of the roofline's table")
    parser.add_argument(
        "-o", "--option", action="append", default=[], help="section.key=value for our sides"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args(words)


def _count(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
