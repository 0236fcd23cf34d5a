"""How fast several configurations train, measured in turns: what else runs hits all alike."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from acgan.data.images import DataParts
from acgan.run_config import RunConfig
from acgan.training.budget import measure_images_per_second
from acgan.training.device import choose
from acgan.training.throughput import throwaway_loop

_TURNS, _SECONDS = 3, 2.0


def rates_in_turns(runs: Mapping[str, RunConfig], parts: DataParts) -> dict[str, float]:
    """Images a second of training alone, by name: the median of three turns.

    Raises:
        DiskError: the system's folder for temporary files cannot be written.
    """
    seen: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_TURNS):
        for name, config in runs.items():
            choices = choose(config.execution)
            choices.apply()
            with throwaway_loop(config, parts, choices) as loop:

                def iterate(loop=loop) -> int:  # type: ignore[no-untyped-def]
                    before = loop.images_seen
                    loop.train_once()
                    return int(loop.images_seen - before)

                seen[name].append(measure_images_per_second(iterate, _SECONDS))
    return {name: median(values) for name, values in seen.items()}
