"""One start of a run: open its folder, then train from its newest checkpoint to its budget."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from PIL import Image

from acgan.data.images import DatasetSplits
from acgan.execution.execution import restored_threads
from acgan.model.model import Model, load
from acgan.plots.animation import animation
from acgan.plots.curves import curves
from acgan.plots.grid import png_bytes, side_by_side
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder, run_lock
from acgan.storage.files import write_atomic
from acgan.storage.line_log import read_rows
from acgan.training.display import Display
from acgan.training.feature_network import trained_feature_network
from acgan.training.learner import Learner
from acgan.training.loop import Loop
from acgan.training.quick_check import QuickCheck
from acgan.training.start import decide_start
from acgan.training.state import RunContext

_MAX_FRAMES = 60


@final
@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        folder: the run folder.
        images_seen: real images used in D's steps.
        resumed_at: images seen when this call began; equal to ``images_seen`` if it was complete.
        summary: paths of the images that summarize the run, by content.
        check: figures of the finished run, and what they say is missing; None if not asked for.
    """

    folder: Path
    images_seen: int
    resumed_at: int
    summary: dict[str, Path]
    check: QuickCheck | None = None

    @property
    def model(self) -> Model:
        """The trained model, loaded from the run folder."""
        return load(self.folder)


def run_training(
    config: RunConfig,
    splits: DatasetSplits,
    folder: RunFolder,
    display: Display,
    *,
    init_from: Model | None = None,
    estimate: bool = False,
    threads: int | None = None,
) -> TrainedRun:
    """Train the run in ``folder`` up to its budget; a complete run stays unchanged.

    Args:
        config: the run.
        splits: its data.
        folder: created if it does not exist.
        display: shows progress.
        init_from: the model with the initial weights of a new run.
        estimate: at the first start, show how long it will take.
        threads: number of threads of a new run, if ``config`` has none; by default the fastest.

    Raises:
        AcganError: see `acgan.errors`; saved files stay valid, and the same call resumes the run.
    """
    folder.require_ours()
    with run_lock(folder.path), restored_threads():
        folder.check(config, splits)
        # Only now: before the check, this could be a folder with other files.
        folder.clean_up()
        start = decide_start(config, splits, folder, display, estimate=estimate, threads=threads)
        folder.record(config, splits, start.files)
        context = RunContext(config, splits, start.execution, folder, display)
        total = start.total_images

        def initialize(learner: Learner) -> None:
            if init_from is not None:
                learner.load_model(init_from.generator, init_from.discriminator)
            elif (trained := trained_feature_network(config, splits, display)) is not None:
                folder.write(folder.feature_network, trained.record)
                learner.load_feature_network(trained.tensors)

        with closing(Loop(context, total_images=total, initialize=initialize)) as loop:
            resumed_at = loop.images_seen
            if resumed_at < total or not folder.is_finished(resumed_at):
                with closing(display):
                    loop.run()
        return TrainedRun(folder.path, loop.images_seen, resumed_at, draw_summary(folder))


def draw_summary(folder: RunFolder) -> dict[str, Path]:
    """Draw the images that summarize a run from its files.

    Returns:
        Paths by content: ``last grid``, ``first and last``, ``curves``, ``trajectory``; without
        those whose sources were removed.

    Raises:
        DiskError: an image could not be written.
    """
    grids = folder.grids()
    summary: dict[str, Path] = {}
    if grids:
        # Evenly spaced, including the first and the last.
        positions = np.linspace(0, len(grids) - 1, min(len(grids), _MAX_FRAMES))
        chosen = [grids[round(position)] for position in positions]
        frames = [Image.open(path) for path in chosen]
        captions = [f"{int(path.stem):,} images" for path in chosen]
        images, titles = [frames[0], frames[-1]], [captions[0], captions[-1]]
        if folder.real_images.exists():
            images.append(Image.open(folder.real_images))
            titles.append("real images")
        both = side_by_side(images, titles)
        write_atomic(folder.first_and_last, png_bytes(both))
        write_atomic(folder.trajectory, animation(frames, captions))
        summary |= {
            "last grid": grids[-1],
            "first and last": folder.first_and_last,
            "trajectory": folder.trajectory,
        }
    rows = read_rows(folder.metrics, dict)
    if any("event" not in row for row in rows):
        write_atomic(folder.curves, curves(rows))
        summary["curves"] = folder.curves
    return summary
