r"""Quality against training time: the popular MNIST script as it is, and our recipe, both drawn.

    python benchmarks/quality_over_time.py --data mnist --data-root ~/data --out quality
    python benchmarks/quality_over_time.py --data mnist --data-root ~/data --out quality \
        --tutorial tutorial --ours runs/seed-0 runs/seed-1 runs/seed-2 --rates 215 6200

The first trains both: the script for --tutorial-minutes, the default recipe (or --recipe) for
--minutes with every seed of --seeds; what lies in --out already is not trained again. The second
judges what `benchmarks/tutorial.py` and `acgan train … -o reporting.keep_checkpoints=1000` left.

Time is images seen ÷ images a second; both rates are measured at the start, in turns, unless
--rates gives them (the tutorial's first). So snapshots, checkpoints and start-up cost nothing on
either side; start-up is reported apart. Quality is what `benchmarks/quality.py` measures, against
the test part (--part validation while choosing). The target is the script's last snapshot within
--tutorial-minutes. How long ours took is told by a kept checkpoint that is as good in both
accuracy and Fréchet distance where the one before is not; nothing is read off between the two.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from quality_chart import chart
from quality_points import JudgedRun, Point, spread, tutorial_points
from quality_runs import Rates, train_ours, train_tutorial
from rich.console import Console
from rich.table import Table
from step_sides import SideError

from acgan.classifiers.cache import cached_reference_classifier, reference_classifiers_folder
from acgan.data.config import DataConfig
from acgan.data.load import load_data
from acgan.errors import AcganError
from acgan.evaluation.evaluation_data import EvaluationData, real_data
from acgan.storage.files import write_atomic

Curves = dict[str, list[list[Point]]]
TUTORIAL, OURS = "the tutorial's way", "acgan"


class Target(NamedTuple):
    """What the tutorial reached.

    Attributes:
        seconds: of its training.
        accuracy: the judge's.
        frechet: distance in the judge's features.
    """

    seconds: float
    accuracy: float
    frechet: float

    def reached_by(self, point: Point) -> bool:
        """Is it as good in both?"""
        quality = point.quality
        return quality.accuracy >= self.accuracy and quality.frechet <= self.frechet


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    try:
        report = measure(_arguments(words))
    except SideError as error:
        return error.exit_code
    except AcganError as error:
        print(f"quality_over_time: {error}", file=sys.stderr)
        return error.exit_code
    _print(report)
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures as plain values; they and the chart are written to --out, too.

    Raises:
        UsageError: a run or the snapshots are not there.
        DataError: the data are not there, or differ from what a run draws.
        DiskError: --out cannot be written.
        SideError: a rate could not be measured or a training failed; it has said why.
    """
    rates = Rates.measured(arguments) if arguments.rates is None else Rates(*arguments.rates)
    _say(f"rates: the tutorial {rates.tutorial:.0f}, ours {rates.ours:.0f} images/s")
    theirs = arguments.tutorial or [train_tutorial(arguments, rates)]
    ours = arguments.ours or train_ours(arguments, rates)
    real, split = _real_side(arguments), arguments.part
    baseline = real.frechet_baseline(real.required_reference_classifier).distance
    curves: Curves = {TUTORIAL: [], OURS: []}
    for folder in theirs:
        points = tutorial_points(folder, rates.tutorial, real, split, arguments.points)
        curves[TUTORIAL].append([_told(folder, point) for point in points])
    last = [_last_within(points, arguments.tutorial_minutes) for points in curves[TUTORIAL]]
    target = Target(
        seconds=statistics.median(point.seconds for point in last),
        accuracy=statistics.median(point.quality.accuracy for point in last),
        frechet=statistics.median(point.quality.frechet for point in last),
    )
    for run in ours:
        judged = JudgedRun(run, rates.ours, real, split, arguments.per_class)
        curves[OURS].append(_curve(run, judged, target, arguments.points))
    report = {
        "data": arguments.data,
        "rates": rates.to_json(),
        **_compared(curves[OURS], target),
        "baseline": baseline,
        "protocol": curves[OURS][0][-1].quality.protocol,
        "curves": {
            name: {
                str(place): [point.to_json() for point in points]
                for place, points in zip(places, curves[name], strict=True)
            }
            for name, places in ((TUTORIAL, theirs), (OURS, ours))
        },
    }
    title = f"{arguments.data}: quality against training time"
    write_atomic(
        arguments.out / "quality-over-time.png",
        chart(
            curves,
            title=title,
            baseline=baseline,
            target=(target.accuracy, target.frechet),
        ),
    )
    write_atomic(
        arguments.out / "quality-over-time.json",
        json.dumps(report, indent=1, ensure_ascii=False) + "\n",
    )
    return report


def bracket(points: Sequence[Point], target: Target) -> tuple[Point | None, Point | None]:
    """When a run was first as good: the last point before, and the point itself; None for none."""
    before = None
    for point in points:
        if target.reached_by(point):
            return before, point
        before = point
    return before, None


def _curve(run: Path, judged: JudgedRun, target: Target, most: int) -> list[Point]:
    """Points spread over the run; then, by bisection, the first checkpoint that is as good."""
    found = {images: _told(run, judged.at(images)) for images in spread(judged.counts, most)}
    while True:
        points = [found[images] for images in sorted(found)]
        before, good = bracket(points, target)
        low, high = (before.images if before else 0), (good.images if good else 0)
        between = [images for images in judged.counts if low < images < high]
        if not between:
            return points
        middle = between[len(between) // 2]
        found[middle] = _told(run, judged.at(middle))


def _last_within(points: Sequence[Point], minutes: float) -> Point:
    """The last point not later than that (by more than 1 %); the first where all are later."""
    within = [point for point in points if point.seconds <= 1.01 * 60 * minutes]
    return within[-1] if within else points[0]


def _compared(ours: Sequence[Sequence[Point]], target: Target) -> dict[str, Any]:
    """How long ours took to the target."""
    brackets = [bracket(points, target) for points in ours]
    taken = statistics.median(good.seconds if good else math.inf for _, good in brackets)
    reached = math.isfinite(taken)
    return {
        "target": target._asdict(),
        "ours_seconds": taken if reached else None,
        "ours_seconds_between": [
            [before.seconds if before else 0.0, good.seconds if good else None]
            for before, good in brackets
        ],
        "ratio": target.seconds / taken if reached else None,
    }


def _real_side(arguments: argparse.Namespace) -> EvaluationData:
    splits = load_data(DataConfig(source=arguments.data, root=arguments.data_root))
    reference_classifier = cached_reference_classifier(splits, flip=splits.flip_keeps_class)
    return real_data(reference_classifier, splits, folder=reference_classifiers_folder())


def _told(place: Path, point: Point) -> Point:
    _say(
        f"{place}: {point.seconds:.1f} s, accuracy {point.quality.accuracy:.3f}, "
        f"Fréchet {point.quality.frechet:.3f}"
    )
    return point


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"{report['data']}: quality against training time")
    table.add_column("run", overflow="fold")
    for heading in (
        "seconds",
        "images",
        "accuracy",
        "Fréchet",
        "frechet_ratio",
        "variance",
        "worst",
    ):
        table.add_column(heading, justify="right")
    for side, runs in report["curves"].items():
        for run, points in runs.items():
            for index, point in enumerate(points):
                table.add_row(
                    f"{side}: {run}" if index == 0 else "",
                    f"{point['seconds']:,.1f}",
                    f"{point['images']:,}",
                    *(
                        _number(point[key])
                        for key in ("accuracy", "frechet", "frechet_ratio", "variance_ratio")
                    ),
                    _number(point["lowest_variance_ratio"]),
                )
            table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    target = report["target"]
    console.print(
        f"the tutorial after {target['seconds']:,.0f} s: accuracy {target['accuracy']:.3f}, "
        f"Fréchet {target['frechet']:.3f}"
    )
    if report["ratio"] is None:
        console.print("ours was not as good in both; train longer")
        return
    between = ", ".join(
        f"{before:.1f} to {'–' if seconds is None else format(seconds, '.1f')}"
        for before, seconds in report["ours_seconds_between"]
    )
    console.print(
        f"ours was as good in both after {report['ours_seconds']:.1f} s "
        f"(between judged checkpoints at {between} s): {report['ratio']:.0f} times as fast"
    )
    start = report["rates"]["start_seconds"]
    if start is not None:
        console.print(
            f"start-up, not counted: the tutorial {start[0]:.1f} s, ours {start[1]:.1f} s"
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="mnist", help="a named set of square gray or color images")
    add("--data-root", help="folder of local copies of named sets")
    add("--out", type=Path, required=True, help="folder of the chart, the figures, trainings")
    add("--tutorial", type=Path, nargs="+", help="folders of the script's snapshots")
    add("--ours", type=Path, nargs="+", help="runs with kept checkpoints")
    add("--rates", type=float, nargs=2, help="images/s of the script and of ours")
    add("--recipe", help="of ours; by default the data's")
    add("--tutorial-minutes", type=float, default=20.0)
    add("--minutes", type=float, default=5.0, help="of ours")
    add("--seeds", type=int, nargs="+", default=[0], help="of ours")
    add("--checkpoint-every", type=int, default=10_000, help="of ours, in images")
    add("--rate-seconds", type=float, default=20.0, help="to measure each rate, in three turns")
    add("--per-class", type=int, default=1000, help="samples a class")
    add("--points", type=int, default=24, help="at most so many a curve")
    add("--part", choices=("test", "validation"), default="test")
    arguments = parser.parse_args(words)
    for name in ("tutorial_minutes", "minutes", "checkpoint_every", "rate_seconds", "per_class"):
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    if arguments.points < 2:
        parser.error("--points must be at least 2")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
