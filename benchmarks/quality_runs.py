"""Both sides of quality over time: their speed here, their trainings, and points of their curves.

Each training is a subprocess, started by the command that a person would type.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from quality import check_compatible
from step_sides import SideError, Worker

from acgan.data.images import Images, Labels
from acgan.errors import DataError, UsageError
from acgan.evaluation.evaluation_data import EvaluationData, HeldOutSplit
from acgan.evaluation.reference_quality import SampleQuality, measure_quality
from acgan.model.model import generator_at, load
from acgan.runs.checkpoint import saved_checkpoints
from acgan.sampling.sampler import sample_images

TUTORIAL_SCRIPT = Path(__file__).with_name("tutorial.py")
_TURNS = 3
_SNAPSHOTS = 16  # of the tutorial


@final
@dataclass(frozen=True)
class Rates:
    """Images per second of training alone.

    Attributes:
        tutorial: rate of the tutorial script.
        acgan: rate of `acgan`.
        start_seconds: from the start of the process to the first step, for each of the two; None
            if not measured.
    """

    tutorial: float
    acgan: float
    start_seconds: tuple[float, float] | None = None

    @classmethod
    def measure(cls, arguments: argparse.Namespace) -> Self:
        """Measure both in turns and return the medians.

        Raises:
            SideError: a side failed to start; its message was printed.
        """
        common: dict[str, Any] = {
            "data": arguments.data,
            "data_root": arguments.data_root,
            "image_size": None,
            "seed": 0,
            "threads": None,
        }
        acgan = {**common, "side": "acgan", "recipe": arguments.recipe, "options": []}
        if arguments.runs:
            acgan["run"] = str(arguments.runs[0])
        sides: tuple[dict[str, Any], ...] = ({**common, "side": "tutorial"}, acgan)
        rates: tuple[list[float], list[float]] = ([], [])
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(side)) for side in sides]
            for _ in range(_TURNS):
                for worker, measured in zip(workers, rates, strict=True):
                    answer = worker.ask({"train": arguments.rate_seconds / _TURNS})
                    measured.append(answer["images_per_second"])
            start_seconds = (workers[0].start_seconds, workers[1].start_seconds)
        return cls(statistics.median(rates[0]), statistics.median(rates[1]), start_seconds)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))


def train_tutorial(arguments: argparse.Namespace, rates: Rates) -> Path:
    """Train the script unless its snapshots are complete; return their folder.

    Raises:
        SideError: the script failed; its message was printed.
    """
    folder = Path(arguments.out) / "tutorial"
    images = round(rates.tutorial * 60 * arguments.tutorial_minutes)
    timing = folder / "timing.jsonl"
    if timing.exists():
        last = json.loads(timing.read_text(encoding="utf-8").splitlines()[-1])
        if last["images"] >= images:
            return folder
    command = [str(TUTORIAL_SCRIPT), "--data", arguments.data, "--images", str(images)]
    command += ["--snapshot-every", str(max(images // _SNAPSHOTS, 1)), "--out", str(folder)]
    command += ["--per-class", str(arguments.per_class)]
    _run(command, arguments)
    return folder


def train_acgan(arguments: argparse.Namespace, rates: Rates) -> list[Path]:
    """Train a run for each seed, resume started ones, and return their folders.

    Raises:
        SideError: `acgan train` failed; its message was printed.
    """
    runs = []
    for seed in arguments.seeds:
        run = Path(arguments.out) / f"acgan-{seed}"
        config = run / "config.json"
        images = round(rates.acgan * 60 * arguments.minutes)
        if config.exists():  # a different rate at another time must not change the run
            values = json.loads(config.read_text(encoding="utf-8"))
            images = values["training"]["total_images"]
        command = ["-m", "acgan", "train", arguments.data, "--images", str(images)]
        command += ["--seed", str(seed), "--run", str(run)]
        command += ["-o", f"reporting.checkpoint_every_images={arguments.checkpoint_every}"]
        command += ["-o", "reporting.keep_checkpoints=1000"]
        command += ["--recipe", arguments.recipe] if arguments.recipe else []
        _run(command, arguments)
        runs.append(run)
    return runs


def _run(command: list[str], arguments: argparse.Namespace) -> None:
    root = [] if arguments.data_root is None else ["--data-root", str(arguments.data_root)]
    words = [sys.executable, *command, *root]
    code = subprocess.run(words, check=False, stdout=sys.stderr).returncode
    if code:
        raise SideError(code)


@final
@dataclass(frozen=True)
class Point:
    """Quality of a run at one time of its training.

    Attributes:
        images: real images seen.
        seconds: seconds of training alone, at the rate measured on this machine.
        quality: quality of its samples.
    """

    images: int
    seconds: float
    quality: SampleQuality

    def to_json(self) -> dict[str, Any]:
        """Return plain values without the confusion matrix and the protocol."""
        values = self.quality.to_json()
        for key in ("confusion", "protocol"):
            del values[key]
        return {"images": self.images, "seconds": self.seconds, **values}


def tutorial_points(
    folder: Path, rate: float, real: EvaluationData, split: HeldOutSplit, most: int
) -> Iterator[Point]:
    """Evaluate at most ``most`` of the snapshots of `benchmarks/tutorial.py`.

    Raises:
        UsageError: there are none.
        DataError: a snapshot is damaged, or its images have another size than the real ones.
    """
    paths = {int(path.stem): path for path in folder.glob("*.npz") if path.stem.isdecimal()}
    if not paths:
        raise UsageError(f"no snapshots in {folder}; create them with benchmarks/tutorial.py")
    for images in log_spaced(sorted(paths), most):
        data = real.with_samples(*_snapshot(paths[images]))
        yield Point(images, images / rate, measure_quality(data, split))


@final
class EvaluatedRun:
    """Quality of a run at its checkpoints and at its end, measured on request.

    Args:
        run: folder of the run.
        rate: images per second.
        real: reference classifier and real splits.
        split: the split that samples are compared to.
        per_class: samples per class, with the seeds 0, 1, …

    Attributes:
        counts: images seen at each checkpoint and at the end, ascending.

    Raises:
        UsageError: the run has no model.
        DataError: the model has another image size or other classes than the data.
    """

    def __init__(
        self, run: Path, rate: float, real: EvaluationData, split: HeldOutSplit, per_class: int
    ) -> None:
        self._model = load(run)
        check_compatible(run, self._model, real.splits)
        self._rate, self._real, self._split = rate, real, split
        classes = len(self._model.classes)
        self._labels = np.repeat(np.arange(classes, dtype=np.int64), per_class)
        self._seeds = np.tile(np.arange(per_class), classes)
        self._last = self._model.images_seen
        checkpoints = saved_checkpoints(run, before=self._last)
        self._checkpoints = {each.images_seen: each for each in checkpoints if each.images_seen}
        self.counts = [*sorted(self._checkpoints), self._last]

    def at(self, images: int) -> Point:
        """Evaluate the averaged generator after ``images``, one of `counts`.

        Raises:
            DataError: the checkpoint is damaged.
        """
        generator = (
            self._model.generator
            if images == self._last
            else generator_at(self._model, self._checkpoints[images])
        )
        samples = sample_images(generator, self._labels, self._seeds)
        data = self._real.with_samples(samples, self._labels)
        return Point(images, images / self._rate, measure_quality(data, self._split))


def log_spaced(counts: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` of the ascending counts, about evenly spaced on a logarithmic axis.

    The first and the last are among them.

    Raises:
        ValueError: ``most`` is below 2.
    """
    if most < 2:
        raise ValueError(f"a curve needs at least 2 points, not {most}")
    if len(counts) <= most:
        return list(counts)
    logarithms = np.log(np.asarray(counts, float))
    targets = np.linspace(logarithms[0], logarithms[-1], most)
    return [counts[i] for i in sorted({int(np.abs(logarithms - x).argmin()) for x in targets})]


def _snapshot(path: Path) -> tuple[Images, Labels]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"the snapshot {path} cannot be read ({error}); create it again") from error
