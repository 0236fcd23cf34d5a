"""Training rates at each instruction set that this processor has: precision and memory format.

    python benchmarks/processor_levels.py
    python benchmarks/processor_levels.py --levels AVX512_CORE AVX512_CORE_AMX --json levels.json

Each combination of level, precision and memory format is a subprocess with one thread, limited by
ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY; all take turns. A ratio is the median over the rounds of
the rate divided by that of fp32, contiguous, at the same level. `acgan.execution.execution` chooses
precision and memory format by these figures. Rates count processor time, which other programs
disturb less than wall time.
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

ATEN = {"AVX2": "avx2"}  # torch has no levels between AVX-512 and AMX
FORMATS = ("contiguous", "channels-last")
BASE = ("fp32", "contiguous")


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    levels = arguments.levels or _levels()
    print(f"{_processor()}; one thread, {arguments.recipe}", flush=True)
    rows = []
    for level in levels:
        try:
            rows += measure(level, arguments)
        except SideError as error:
            return error.exit_code
    if arguments.json is not None:
        values = {"processor": _processor(), "rows": rows}
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(level: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row of plain values for each precision and memory format.

    Raises:
        SideError: a side failed; its message is on stderr.
    """
    limits = {"ONEDNN_MAX_CPU_ISA": level, "ATEN_CPU_CAPABILITY": ATEN.get(level, "avx512")}
    common = {
        "side": "acgan",
        "recipe": arguments.recipe,
        "data": arguments.data,
        "data_root": None,
        "image_size": None,
        "seed": 0,
        "threads": 1,
    }
    sides = [(precision, order) for precision in arguments.precisions for order in FORMATS]
    rates: dict[tuple[str, str], list[float]] = {side: [] for side in sides}
    with ExitStack() as stack:
        workers = {}
        for precision, order in sides:
            options = [f"execution.precision={precision}", f"execution.memory_format={order}"]
            worker = Worker({**common, "options": options}, limits)
            workers[precision, order] = stack.enter_context(worker)
        for _ in range(arguments.rounds):
            for side, worker in workers.items():
                answer = worker.ask({"train": arguments.seconds})
                batch = worker.described["batch"]
                rates[side].append(batch / answer["median_step_cpu_seconds"])
    rows = []
    for side in sides:
        pairs = zip(rates[side], rates.get(BASE, rates[side]), strict=True)
        row = {
            "level": level,
            "precision": side[0],
            "memory_format": side[1],
            "images_per_second": statistics.median(rates[side]),
            "ratio": statistics.median(rate / base for rate, base in pairs),
            "rounds": rates[side],
        }
        print(
            f"{level:<17} {side[0]} {side[1]:<13} {row['images_per_second']:7,.1f} images/s, "
            f"{row['ratio']:.2f} of fp32 contiguous",
            flush=True,
        )
        rows.append(row)
    return rows


def _levels() -> Sequence[str]:
    from acgan.execution.execution import CPU_LEVELS, cpu_level

    highest = cpu_level()
    return CPU_LEVELS[: CPU_LEVELS.index(highest) + 1] if highest else ()


def _processor() -> str:
    """Return the processor's name and its instruction sets, as far as Linux tells them."""
    from acgan.runs.environment import machine_in_words

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'processor'}, {machine_in_words()}"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="+", help="by default all that the processor has")
    parser.add_argument("--precisions", nargs="+", default=("fp32", "bf16"))
    parser.add_argument("--recipe", default="small-gray")
    parser.add_argument("--data", default="digits", help="a named data set that fits the recipe")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of each side per round")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
