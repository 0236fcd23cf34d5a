"""The trainings behind quality against time: how fast either side is here, and the runs themselves.

Each training is a process of its own, started by the command that a person would type.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

from step_sides import SideError, Worker

TUTORIAL_SCRIPT = Path(__file__).with_name("tutorial.py")
_TURNS = 3
_SNAPSHOTS = 16  # of the tutorial


@final
@dataclass(frozen=True)
class Rates:
    """Images a second of training alone.

    Attributes:
        tutorial: of the script.
        ours: of `acgan`.
        start_seconds: from the start of the process to the first step, of either; None if unknown.
    """

    tutorial: float
    ours: float
    start_seconds: tuple[float, float] | None = None

    @classmethod
    def measured(cls, arguments: argparse.Namespace) -> Self:
        """Both, in turns, medians.

        Raises:
            SideError: a side could not start; it has said why.
        """
        target_labels: dict[str, Any] = {
            "data": arguments.data,
            "data_root": arguments.data_root,
            "image_size": None,
            "seed": 0,
            "threads": None,
        }
        ours = {**target_labels, "side": "acgan", "recipe": arguments.recipe, "options": []}
        if arguments.ours:
            ours["run"] = str(arguments.ours[0])
        rounds: tuple[list[float], list[float]] = ([], [])
        with ExitStack() as stack:
            workers = [
                stack.enter_context(Worker(side))
                for side in ({**target_labels, "side": "tutorial"}, ours)
            ]
            for _ in range(_TURNS):
                for worker, rates in zip(workers, rounds, strict=True):
                    answer = worker.ask({"train": arguments.rate_seconds / _TURNS})
                    rates.append(answer["images_per_second"])
        tutorial, our = (statistics.median(rates) for rates in rounds)
        return cls(tutorial, our, (workers[0].start_seconds, workers[1].start_seconds))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))


def train_tutorial(arguments: argparse.Namespace, rates: Rates) -> Path:
    """The folder of its snapshots; one that is complete already is taken as it is.

    Raises:
        SideError: the script failed; it has said why.
    """
    folder = Path(arguments.out) / "tutorial"
    images = round(rates.tutorial * 60 * arguments.tutorial_minutes)
    timing = folder / "timing.jsonl"
    if timing.exists():
        kept = json.loads(timing.read_text(encoding="utf-8").splitlines()[-1])["images"]
        if kept >= images:
            return folder
    command = [str(TUTORIAL_SCRIPT), "--data", arguments.data, "--images", str(images)]
    command += ["--snapshot-every", str(max(images // _SNAPSHOTS, 1)), "--out", str(folder)]
    command += ["--per-class", str(arguments.per_class)]
    _run(command + _root(arguments))
    return folder


def train_ours(arguments: argparse.Namespace, rates: Rates) -> list[Path]:
    """A run for each seed; one that was begun goes on, a complete one stays as it is.

    Raises:
        SideError: `acgan train` failed; it has said why.
    """
    runs = []
    for seed in arguments.seeds:
        run = Path(arguments.out) / f"ours-{seed}"
        recorded = run / "config.json"
        images = round(rates.ours * 60 * arguments.minutes)
        if recorded.exists():  # the rate of another day must not make it another run
            values = json.loads(recorded.read_text(encoding="utf-8"))
            images = values["training"]["total_images"]
        command = ["-m", "acgan", "train", arguments.data, "--images", str(images)]
        command += ["--seed", str(seed), "--run", str(run)]
        command += ["-o", f"reporting.checkpoint_every_images={arguments.checkpoint_every}"]
        command += ["-o", "reporting.keep_checkpoints=1000"]
        command += ["--recipe", arguments.recipe] if arguments.recipe else []
        _run(command + _root(arguments))
        runs.append(run)
    return runs


def _root(arguments: argparse.Namespace) -> list[str]:
    return [] if arguments.data_root is None else ["--data-root", str(arguments.data_root)]


def _run(command: list[str]) -> None:
    code = subprocess.run([sys.executable, *command], check=False, stdout=sys.stderr).returncode
    if code:
        raise SideError(code)
