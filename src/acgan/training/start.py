"""What a finished run leaves to look at: curves, first and last sheet, the trajectory.

One start of a run: the folder is opened, what is decided once is decided, then it trains.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from PIL import Image
from torch import Tensor

from acgan.config import difference
from acgan.data.images import DatasetSplits
from acgan.execution.execution import Execution, check_present, choose_execution
from acgan.model.model import Model, load
from acgan.plots.animation import animation
from acgan.plots.curves import curves
from acgan.plots.grid import png_bytes, side_by_side
from acgan.runs.config import RunConfig
from acgan.runs.environment import describe_environment
from acgan.runs.folder import RunFolder, run_lock
from acgan.storage.files import remove_leftovers, write_atomic
from acgan.storage.folders import recover_folder
from acgan.training.budget import (
    Rate,
    measure_images_per_second,
    measuring_seconds,
    throwaway_loop,
    total_images,
)
from acgan.training.display import Display, duration
from acgan.training.feature_network import trained_feature_network
from acgan.training.loop import Loop

_MOST_FRAMES = 60


def draw_summary(folder: RunFolder) -> dict[str, Path]:
    """Draw the end-of-run pictures from what the run has written.

    Returns:
        Paths by what they show: ``last sheet``, ``first and last``, ``curves``, ``trajectory``;
        without those whose sources a person has removed.

    Raises:
        DiskError: one could not be written.
    """
    grids = folder.grids()
    pictures: dict[str, Path] = {}
    if grids:
        frames = [Image.open(path) for path in _spread(grids)]
        captions = [f"{int(path.stem):,} images" for path in _spread(grids)]
        beside = [(frames[0], captions[0]), (frames[-1], captions[-1])]
        if folder.real_images.exists():
            beside.append((Image.open(folder.real_images), "real images"))
        both = side_by_side([frame for frame, _ in beside], [caption for _, caption in beside])
        pictures["last sheet"] = grids[-1]
        pictures["first and last"] = _write(folder.first_and_last, png_bytes(both))
        pictures["trajectory"] = _write(folder.trajectory, animation(frames, captions))
    rows = _rows(folder.metrics)
    if any("event" not in row for row in rows):
        pictures["curves"] = _write(folder.curves, curves(rows))
    return pictures


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _spread(paths: list[Path]) -> list[Path]:
    """At most ``_MOST_FRAMES`` of the paths, evenly spread, the first and the last among them."""
    if len(paths) <= _MOST_FRAMES:
        return paths
    step = (len(paths) - 1) / (_MOST_FRAMES - 1)
    return [paths[round(index * step)] for index in range(_MOST_FRAMES)]


def _write(path: Path, data: bytes) -> Path:
    write_atomic(path, data)
    return path


_ESTIMATE_SECONDS = 1.5


@final
@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        folder: where it lies.
        images_seen: real images that D has seen.
        resumed_at: images seen when this call began; the budget if it was complete already.
        pictures: paths of the end-of-run pictures by what they show.
    """

    folder: Path
    images_seen: int
    resumed_at: int
    pictures: dict[str, Path]

    @property
    def model(self) -> Model:
        """The trained model."""
        return load(self.folder)


def run_training(
    config: RunConfig,
    splits: DatasetSplits,
    folder: RunFolder,
    display: Display,
    *,
    start_from: Model | None = None,
    estimate: bool = False,
) -> TrainedRun:
    """Train the run in ``folder`` from where it is to its budget; a complete one stays as it is.

    Args:
        config: the run.
        splits: its data.
        folder: made if it is not there yet.
        display: shows progress.
        start_from: the model whose weights a new run starts from.
        estimate: say at the first start how long it will take, by a measurement of seconds.

    Returns:
        The finished run.

    Raises:
        AcganError: see `acgan.errors`; what was saved stays, and the same call goes on from it.
    """
    folder.require_ours()
    with run_lock(folder.path):
        folder.open(config, splits)
        # Only now: before, it might have been a person's folder with things of their own.
        remove_leftovers(folder.path)
        recover_folder(folder.model)
        execution = _execution(config, folder, display)
        execution.apply()
        total = _total(config, splits, execution, folder, display)
        if estimate and not folder.metrics.exists():
            _say_time(config, splits, execution, folder, display, total)

        def feature_network() -> dict[str, Tensor] | None:
            trained = None if start_from else trained_feature_network(config, splits, display)
            if trained is None:
                return None
            folder.write(folder.feature_network, trained.record)
            return trained.tensors

        loop = Loop(
            config,
            splits,
            execution,
            folder,
            display,
            total_images=total,
            start_from=start_from,
            feature_network=feature_network,
        )
        with closing(loop):
            resumed_at = loop.images_seen
            if resumed_at < total or not folder.is_finished(resumed_at):
                with display:
                    loop.run()
        pictures = draw_summary(folder)
        return TrainedRun(folder.path, loop.images_seen, resumed_at, pictures)


def _execution(config: RunConfig, folder: RunFolder, display: Display) -> Execution:
    """Decide at the first start; keep afterwards, and say aloud what has changed around it."""
    now = describe_environment()
    known = folder.read(folder.environment)
    if known is None:
        execution = choose_execution(config.execution)
        folder.write(folder.environment, {"choices": execution.to_json(), "environment": now})
        return execution
    execution = Execution(**known["choices"])
    check_present(execution.device)
    changes = difference(known["environment"], now)
    if changes:
        display.message(
            "this is not the environment that the run was started in, so it may not go on bit for "
            f"bit: {'; '.join(changes)}",
            "warning",
        )
    return execution


def _total(
    config: RunConfig,
    splits: DatasetSplits,
    execution: Execution,
    folder: RunFolder,
    display: Display,
) -> int:
    """The budget in images; minutes are turned into images once, and kept in budget.json."""
    training = config.training
    total = total_images(training, len(splits.train))
    if total is not None:
        return total
    minutes = training.max_minutes
    assert minutes is not None  # RunConfig has exactly one budget
    known = folder.read(folder.budget)
    if known is None:
        rate = _measure(config, splits, execution, folder, measuring_seconds(minutes))
        folder.write(folder.budget, rate.to_json())
    else:
        rate = Rate.from_json(known)
    total = rate.images_in(60 * minutes - rate.measuring_seconds, _event_intervals(config))
    display.message(
        f"{minutes:g} minutes are {total:,} images at the {rate.images_per_second:,.0f} images/s "
        "measured at the first start"
    )
    return total


def _event_intervals(config: RunConfig) -> tuple[int, int, int]:
    reporting = config.reporting
    return (
        reporting.log_every_images,
        reporting.grid_every_images,
        reporting.checkpoint_every_images,
    )


def _measure(
    config: RunConfig,
    splits: DatasetSplits,
    execution: Execution,
    folder: RunFolder,
    seconds: float,
) -> Rate:
    """Train a throw-away learner for some seconds in a throw-away folder."""
    start = time.perf_counter()
    with throwaway_loop(config, splits, execution, beside=folder.path) as loop:

        def iterate() -> int:
            before = loop.images_seen
            loop.train_once()
            return loop.images_seen - before

        speed = measure_images_per_second(iterate, seconds)
        events = loop.rehearse()
    return Rate(speed, events, time.perf_counter() - start)


def _say_time(
    config: RunConfig,
    splits: DatasetSplits,
    execution: Execution,
    folder: RunFolder,
    display: Display,
    total: int,
) -> None:
    """How long the budget will take, by a measurement of a few seconds."""
    rate = _measure(config, splits, execution, folder, _ESTIMATE_SECONDS)
    seconds = rate.seconds_for(total, _event_intervals(config))
    display.message(
        f"{total:,} images will take about {duration(seconds)} on this {execution.device} in "
        f"{execution.precision} ({rate.images_per_second:,.0f} images/s, measured just now; "
        "--images or --max-minutes sets another budget)"
    )
