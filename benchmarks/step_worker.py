"""Measure training steps of one side of a comparison in a subprocess of `step_sides`.

The command line describes the side in JSON. Each command is a line of JSON on stdin, answered by
one line on stdout: ``{"train": seconds}`` and ``{"roofline": seconds_a_way}``.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from roofline import roofline
from tutorial import BATCH, Tutorial

import acgan.execution.execution
import acgan.kernels.random_layers
from acgan.config import validate, with_overrides
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import AcganError
from acgan.execution.execution import choose_execution
from acgan.model.model import load
from acgan.recipes.recipe import Recipe, choose, load_recipe
from acgan.runs.config import RunConfig
from acgan.training.budget import throwaway_loop

_WARM_UP_STEPS = 5
_WITHOUT: dict[str, tuple[object, str, object]] = {
    "memory": (acgan.execution.execution, "keep_freed_memory", lambda: False),
    "random layers": (acgan.kernels.random_layers, "in_memory_order", lambda _activations: False),
}


class Side(NamedTuple):
    """One side of the comparison.

    Attributes:
        step: runs one training iteration.
        batch: real images per step.
        described: name, precision, image size and threads.
    """

    step: Callable[[], object]
    batch: int
    described: dict[str, Any]


def main() -> int:
    """Answer commands until stdin ends; return the exit code."""
    settings = json.loads(sys.argv[1])
    try:
        with _side(settings) as side:
            _answer({"batch": side.batch, **side.described})
            for line in sys.stdin:
                command = json.loads(line)
                for _ in range(_WARM_UP_STEPS):
                    side.step()
                if "train" in command:
                    _answer(_train(side, command["train"]))
                else:
                    bounds = roofline(side.step, seconds_a_way=command["roofline"])
                    _answer([bound.to_json() for bound in bounds])
    except AcganError as error:
        print(f"{settings['side']}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _answer(values: Any) -> None:
    print(json.dumps(values), flush=True)


def _train(side: Side, seconds: float) -> dict[str, float]:
    times: list[float] = []
    cpu_times: list[float] = []
    while not times or sum(times) < seconds:
        started, cpu_started = time.perf_counter(), time.process_time()
        side.step()
        times.append(time.perf_counter() - started)
        cpu_times.append(time.process_time() - cpu_started)
    return {
        "images_per_second": side.batch * len(times) / sum(times),
        "median_step_seconds": statistics.median(times),
        "median_step_cpu_seconds": statistics.median(cpu_times),
    }


@contextmanager
def _side(settings: dict[str, Any]) -> Iterator[Side]:
    data = {"source": settings["data"], "root": settings["data_root"]}
    if settings["threads"] is not None:
        torch.set_num_threads(settings["threads"])
    if settings["side"] == "tutorial":
        splits = load_data(validate(DataConfig, data, where="data"))
        size = settings["image_size"] or splits.shape.height
        batches = Tutorial(splits.train, size, settings["seed"]).train()
        described = {"name": "tutorial script", "precision": "fp32", "side": size}
        yield Side(lambda: next(batches), BATCH, {**described, "threads": torch.get_num_threads()})
        return
    _switch_off(settings.get("without"))
    config, splits = _run(settings, data)
    execution = choose_execution(config.execution)
    execution.apply()
    training = config.training
    described = {
        "name": f"acgan, {config.recipe}",
        "precision": execution.precision,
        "side": splits.shape.height,
        "threads": execution.threads,
    }
    with throwaway_loop(config, splits, execution) as loop:
        batch = training.batch_size * training.discriminator_steps
        yield Side(loop.train_once, batch, described)


def _switch_off(fast_path: str | None) -> None:
    """Use torch's or the system's own way instead of a fast path of `acgan.kernels`."""
    if fast_path is not None:
        setattr(*_WITHOUT[fast_path])


def _run(settings: dict[str, Any], data: dict[str, Any]) -> tuple[RunConfig, DatasetSplits]:
    """Return the config of a run, of the named recipe or of the default recipe, and its data."""
    if settings.get("run"):
        config = load(settings["run"]).config
        if settings["data_root"] is not None:
            data_config = config.data.model_copy(update={"root": settings["data_root"]})
            config = config.model_copy(update={"data": data_config})
        return config, load_data(config.data)
    recipe = load_recipe(settings["recipe"]) if settings["recipe"] else _default(data)
    values = {
        **recipe.values,
        "recipe": recipe.name,
        "seed": settings["seed"],
        "data": {**recipe.values.get("data", {}), **data},
        "execution": {"device": "cpu", "threads": settings["threads"]},
    }
    config = validate(
        RunConfig, with_overrides(values, settings["options"]), where=f"recipe {recipe.name}"
    )
    return config, load_data(config.data)


def _default(data: dict[str, Any]) -> Recipe:
    splits = load_data(validate(DataConfig, data, where="data"))
    return choose(splits.shape, len(splits.train))


if __name__ == "__main__":
    sys.exit(main())
