"""Training rates by threads, wait policy of OpenMP and load of the machine.

    python benchmarks/threads.py
    python benchmarks/threads.py --threads 1 2 4 --burners 0 1 4 --json threads.json

Each pair of wait policy and number of threads is a subprocess; all take turns, while this program
keeps 0, 1 … cores busy. A ratio is the median over the rounds of the rate divided by that of one
thread with the library's default, in the same round. `acgan` sets the policy "spin 10,000" for its
commands (`acgan.cli.main`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from step_sides import SideError, Worker

POLICIES = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "spin 1,000": {"GOMP_SPINCOUNT": "1000"},
    "spin 10,000": {"GOMP_SPINCOUNT": "10000"},
    "spin 100,000": {"GOMP_SPINCOUNT": "100000"},
}
"""No "active": its threads would spin while another side is measured."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    try:
        rows = measure(arguments)
    except SideError as error:
        return error.exit_code
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row of plain values for each number of busy cores, policy and thread count.

    Raises:
        SideError: a side failed; its message is on stderr.
    """
    for variable in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"):
        os.environ.pop(variable, None)
    common = {
        "side": "acgan",
        "recipe": arguments.recipe,
        "data": arguments.data,
        "data_root": None,
        "image_size": None,
        "seed": 0,
        "options": [],
    }
    many = [threads for threads in arguments.threads if threads > 1]
    sides = [("default", 1), *((policy, threads) for threads in many for policy in POLICIES)]
    rows = []
    with ExitStack() as stack:
        workers = {
            (policy, threads): stack.enter_context(
                Worker({**common, "threads": threads}, POLICIES[policy])
            )
            for policy, threads in sides
        }
        for burners in arguments.burners:
            rates: dict[tuple[str, int], list[float]] = {side: [] for side in sides}
            with _burning(burners):
                for _ in range(arguments.rounds):
                    for side, worker in workers.items():
                        answer = worker.ask({"train": arguments.seconds})
                        rates[side].append(answer["images_per_second"])
            for policy, threads in sides:
                own, base = rates[policy, threads], rates["default", 1]
                row = {
                    "busy_cores": burners,
                    "policy": policy,
                    "threads": threads,
                    "images_per_second": statistics.median(own),
                    "ratio": statistics.median(a / b for a, b in zip(own, base, strict=True)),
                    "rounds": own,
                }
                print(
                    f"{burners} busy cores, {threads} threads, {policy:<12}: "
                    f"{row['images_per_second']:6,.0f} images/s, {row['ratio']:.2f} of one thread",
                    flush=True,
                )
                rows.append(row)
    return rows


@contextmanager
def _burning(count: int) -> Iterator[None]:
    """Keep ``count`` cores busy."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--burners", type=int, nargs="+", default=(0, 1, 2), help="busy cores")
    parser.add_argument("--recipe", default="small-gray")
    parser.add_argument("--data", default="digits", help="a named data set that fits the recipe")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.0, help="time of each side per round")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
