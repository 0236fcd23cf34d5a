"""How fast are activation noise and dropout: torch's own layers, and ours on the same maps.

    python benchmarks/random_layers.py
    python benchmarks/random_layers.py --threads 1 --json random.json

Forward and backward on channels-last maps in bfloat16, as training has them on a processor. Both
sides take turns; a time is the median of all rounds. Timings need an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from acgan.kernels.random_layers import ActivationNoise, Dropout

SHAPES = ((100, 32, 64, 64), (100, 512, 16, 16), (64, 128, 8, 8))
STD, PROBABILITY = 0.1, 0.5


@final
class TorchNoise(nn.Module):
    """What one writes with torch's own means."""

    def forward(self, activations: Tensor) -> Tensor:
        """``activations`` plus N(0, STD²)."""
        return activations + STD * torch.randn_like(activations)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is 0."""
    arguments = _arguments(words)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    sides = {
        "noise": (TorchNoise(), ActivationNoise(STD)),
        "dropout": (nn.Dropout(PROBABILITY), Dropout(PROBABILITY)),
    }
    rows = []
    for name, layers in sides.items():
        for shape in SHAPES:
            torchs, ours = (1e3 * each for each in _medians(layers, shape, arguments.rounds))
            rows.append({"layer": name, "maps": shape, "torch_ms": torchs, "ours_ms": ours})
            maps = "×".join(map(str, shape))
            print(
                f"{name:8} {maps:>14}  {torchs:7.1f} ms  {ours:7.1f} ms  {torchs / ours:4.1f} times"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{arguments.threads} threads, {arguments.rounds} rounds, peak memory {peak:,} MB")
    if arguments.json is not None:
        report = {"threads": arguments.threads, "rows": rows, "peak_memory_mb": peak}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _medians(layers: Sequence[nn.Module], shape: Sequence[int], rounds: int) -> list[float]:
    maps = torch.randn(*shape).bfloat16().to(memory_format=torch.channels_last).requires_grad_()
    times: list[list[float]] = [[] for _ in layers]
    for _ in range(rounds + 1):  # the first one warms up
        for layer, taken in zip(layers, times, strict=True):
            began = time.perf_counter()
            layer(maps).backward(maps.detach())
            taken.append(time.perf_counter() - began)
            maps.grad = None
    return [statistics.median(taken[1:]) for taken in times]


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (7)")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
