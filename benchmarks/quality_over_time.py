r"""Quality over training time of the popular MNIST script and of a recipe of acgan, in a chart.

    python benchmarks/quality_over_time.py --data mnist --data-root ~/data --out quality
    python benchmarks/quality_over_time.py --data mnist --data-root ~/data --out quality \
        --tutorial tutorial --runs runs/seed-0 runs/seed-1 runs/seed-2 --rates 215 6200

The first command trains both: the script for --tutorial-minutes, and the default recipe (or
--recipe) for --minutes with each seed of --seeds. Finished trainings in --out are reused. The
second evaluates existing results of `benchmarks/tutorial.py` and of
`acgan train … -o reporting.keep_checkpoints=1000`.

Training time is images seen ÷ images per second. Both rates are measured in turns at the start
unless --rates gives them (the tutorial's first). Snapshots, checkpoints and start-up therefore cost
no time on either side; start-up is reported separately. Quality is measured as by
`benchmarks/quality.py`, against the test split (use --split validation while choosing). The target
is the script's last snapshot within --tutorial-minutes. The reported time of acgan is that of its
first checkpoint that is at least as good in both accuracy and Fréchet distance; the checkpoint
before it is not. No values are interpolated.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.ticker import FuncFormatter, PercentFormatter
from quality import format_number
from quality_runs import (
    EvaluatedRun,
    Point,
    Rates,
    log_spaced,
    train_acgan,
    train_tutorial,
    tutorial_points,
)
from rich.console import Console
from rich.table import Table
from step_sides import SideError

from acgan.classifiers.cache import cached_reference_classifier, reference_classifiers_folder
from acgan.data.config import DataConfig
from acgan.data.load import load_data
from acgan.errors import AcganError
from acgan.evaluation.evaluation_data import EvaluationData, real_data
from acgan.plots.charts import COLORS, paper
from acgan.storage.files import write_atomic

Curves = dict[str, list[list[Point]]]
TUTORIAL, ACGAN = "tutorial script", "acgan"
_COLUMNS = (  # heading, JSON key
    ("accuracy", "accuracy"),
    ("Fréchet", "frechet"),
    ("Fréchet ratio", "frechet_ratio"),
    ("variance ratio", "variance_ratio"),
    ("lowest", "lowest_variance_ratio"),
)
_TIME_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200)


class Target(NamedTuple):
    """Quality that the tutorial script reached.

    Attributes:
        seconds: seconds of its training.
        accuracy: GAN-test accuracy, in [0, 1].
        frechet: Fréchet distance in the features of the reference classifier.
    """

    seconds: float
    accuracy: float
    frechet: float

    def reached_by(self, point: Point) -> bool:
        """Return whether a point is at least as good in both measures."""
        quality = point.quality
        return quality.accuracy >= self.accuracy and quality.frechet <= self.frechet


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
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
    """Return all results as plain values; write them and the chart to --out.

    Raises:
        UsageError: a run or the snapshots are missing.
        DataError: the data is missing, or a run has other classes or another image size.
        DiskError: --out cannot be written.
        SideError: a rate could not be measured or a training failed; its message was printed.
    """
    rates = Rates.measure(arguments) if arguments.rates is None else Rates(*arguments.rates)
    _log(f"rates: tutorial script {rates.tutorial:.0f}, acgan {rates.acgan:.0f} images/s")
    folders = {
        TUTORIAL: arguments.tutorial or [train_tutorial(arguments, rates)],
        ACGAN: arguments.runs or train_acgan(arguments, rates),
    }
    real, split = _real_data(arguments), arguments.split
    baseline = real.frechet_baseline(real.required_reference_classifier).distance
    curves: Curves = {TUTORIAL: [], ACGAN: []}
    for folder in folders[TUTORIAL]:
        points = tutorial_points(folder, rates.tutorial, real, split, arguments.points)
        curves[TUTORIAL].append([_logged(folder, point) for point in points])
    last = [_last_within(points, arguments.tutorial_minutes) for points in curves[TUTORIAL]]
    target = Target(
        seconds=statistics.median(point.seconds for point in last),
        accuracy=statistics.median(point.quality.accuracy for point in last),
        frechet=statistics.median(point.quality.frechet for point in last),
    )
    for folder in folders[ACGAN]:
        run = EvaluatedRun(folder, rates.acgan, real, split, arguments.per_class)
        curves[ACGAN].append(_curve(folder, run, target, arguments.points))
    report = {
        "data": arguments.data,
        "rates": rates.to_json(),
        **_comparison(curves[ACGAN], target),
        "baseline": baseline,
        "protocol": curves[ACGAN][0][-1].quality.protocol,
        "curves": {
            side: {
                str(folder): [point.to_json() for point in points]
                for folder, points in zip(folders[side], runs, strict=True)
            }
            for side, runs in curves.items()
        },
    }
    title = f"{arguments.data}: quality over training time"
    write_atomic(arguments.out / "quality-over-time.png", chart(curves, title, baseline, target))
    write_atomic(
        arguments.out / "quality-over-time.json",
        json.dumps(report, indent=1, ensure_ascii=False) + "\n",
    )
    return report


def bracket(points: Sequence[Point], target: Target) -> tuple[Point | None, Point | None]:
    """Return the first point that reaches the target and the one before it, in order of time.

    Either is None if there is none.
    """
    before = None
    for point in points:
        if target.reached_by(point):
            return before, point
        before = point
    return before, None


def _curve(folder: Path, run: EvaluatedRun, target: Target, most: int) -> list[Point]:
    """Evaluate points across the run, then bisect for the first one that reaches the target."""
    found = {images: _logged(folder, run.at(images)) for images in log_spaced(run.counts, most)}
    while True:
        points = [found[images] for images in sorted(found)]
        before, reached = bracket(points, target)
        low, high = (before.images if before else 0), (reached.images if reached else 0)
        between = [images for images in run.counts if low < images < high]
        if not between:
            return points
        middle = between[len(between) // 2]
        found[middle] = _logged(folder, run.at(middle))


def _last_within(points: Sequence[Point], minutes: float) -> Point:
    """Return the last point within that time (and 1 % more), or the first if all are later."""
    within = [point for point in points if point.seconds <= 1.01 * 60 * minutes]
    return within[-1] if within else points[0]


def _comparison(curves: Sequence[Sequence[Point]], target: Target) -> dict[str, Any]:
    """Return the training time of acgan to the target."""
    brackets = [bracket(points, target) for points in curves]
    seconds = statistics.median(point.seconds if point else math.inf for _, point in brackets)
    reached = math.isfinite(seconds)
    return {
        "target": target._asdict(),
        "acgan_seconds": seconds if reached else None,
        "acgan_seconds_between": [
            [before.seconds if before else 0.0, point.seconds if point else None]
            for before, point in brackets
        ],
        "ratio": target.seconds / seconds if reached else None,
    }


def _real_data(arguments: argparse.Namespace) -> EvaluationData:
    splits = load_data(DataConfig(source=arguments.data, root=arguments.data_root))
    classifier = cached_reference_classifier(splits, flip=splits.flip_keeps_class)
    return real_data(classifier, splits, folder=reference_classifiers_folder())


def chart(
    curves: Mapping[str, Sequence[Sequence[Point]]], title: str, baseline: float, target: Target
) -> bytes:
    """Return a PNG with two panels: accuracy and Fréchet distance over logarithmic time.

    Args:
        curves: by side, the curves of its runs; runs of a side have the same color.
        title: title of the figure.
        baseline: real-vs-real Fréchet distance.
        target: marked by dashed lines.
    """
    with paper((7.2, 6.4), dpi=150, font_size=10) as (figure, buffer):
        figure.suptitle(title, x=0.02, ha="left")
        above, below = figure.subplots(2, 1, sharex=True)
        for color, (side, runs) in zip(COLORS, curves.items(), strict=False):
            style = {"marker": "o", "markersize": 4, "linewidth": 1.6, "color": color}
            for index, points in enumerate(runs):
                seconds = [point.seconds for point in points]
                label = side if index == 0 else None
                accuracies = [point.quality.accuracy for point in points]
                above.plot(seconds, accuracies, label=label, **style)
                distances = [point.quality.frechet for point in points]
                below.plot(seconds, distances, label=label, **style)
        for axes, value in ((above, target.accuracy), (below, target.frechet)):
            axes.axhline(value, color="#7F7F7F", linewidth=1, linestyle=(0, (4, 3)))
            axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        below.axhline(baseline, color="#222222", linewidth=1, linestyle=(0, (1, 2)))
        below.annotate(
            "real-vs-real baseline",
            (0.01, baseline),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8.5,
        )
        below.set_xscale("log")
        below.set_yscale("log")
        below.set_xticks(_TIME_TICKS, minor=False)
        below.xaxis.set_major_formatter(FuncFormatter(_format_time))
        below.minorticks_off()
        times = [point.seconds for runs in curves.values() for points in runs for point in points]
        below.set_xlim(min(times) / 1.2, max(times) * 1.2)
        above.set_ylim(0, 1.02)
        above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.set_ylabel("GAN-test accuracy")
        below.set_ylabel("Fréchet distance")
        below.set_xlabel(f"training time; dashed: final quality of the {TUTORIAL}")
        above.legend(loc="lower right")
    return buffer.getvalue()


def _format_time(seconds: float, _position: object) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min"


def _logged(folder: Path, point: Point) -> Point:
    _log(
        f"{folder}: {point.seconds:.1f} s, accuracy {point.quality.accuracy:.3f}, "
        f"Fréchet distance {point.quality.frechet:.3f}"
    )
    return point


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"{report['data']}: quality over training time")
    table.add_column("run", overflow="fold")
    for heading in ("seconds", "images", *(heading for heading, _ in _COLUMNS)):
        table.add_column(heading, justify="right")
    for side, runs in report["curves"].items():
        for run, points in runs.items():
            for index, point in enumerate(points):
                table.add_row(
                    f"{side}: {run}" if index == 0 else "",
                    f"{point['seconds']:,.1f}",
                    f"{point['images']:,}",
                    *(format_number(point[key]) for _, key in _COLUMNS),
                )
            table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    target = report["target"]
    console.print(
        f"{TUTORIAL} after {target['seconds']:,.0f} s: accuracy {target['accuracy']:.3f}, "
        f"Fréchet distance {target['frechet']:.3f}"
    )
    if report["ratio"] is None:
        console.print("acgan did not reach this quality in both measures; increase --minutes")
        return
    between = ", ".join(
        f"{before:.1f} and {'–' if seconds is None else format(seconds, '.1f')}"
        for before, seconds in report["acgan_seconds_between"]
    )
    console.print(
        f"acgan reached this quality after {report['acgan_seconds']:.1f} s (between the "
        f"checkpoints at {between} s), {report['ratio']:.0f} times as fast"
    )
    start = report["rates"]["start_seconds"]
    if start is not None:
        console.print(
            f"start-up, not included: {TUTORIAL} {start[0]:.1f} s, acgan {start[1]:.1f} s"
        )


def _log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="mnist", help="a named data set of square gray or color images")
    add("--data-root", help="folder of local copies of named data sets")
    add("--out", type=Path, required=True, help="folder of the chart, the results and trainings")
    add("--tutorial", type=Path, nargs="+", help="folders of the script's snapshots")
    add("--runs", type=Path, nargs="+", help="runs of acgan with saved checkpoints")
    add("--rates", type=float, nargs=2, help="images/s of the script and of acgan")
    add("--recipe", help="recipe of acgan; by default that of the data")
    add("--tutorial-minutes", type=float, default=20.0, help="training time of the script")
    add("--minutes", type=float, default=5.0, help="training time of acgan")
    add("--seeds", type=int, nargs="+", default=[0], help="seeds of acgan, one run each")
    add("--checkpoint-every", type=int, default=10_000, help="images between checkpoints of acgan")
    add("--rate-seconds", type=float, default=20.0, help="time to measure each rate, in 3 turns")
    add("--per-class", type=int, default=1000, help="samples per class")
    add("--points", type=int, default=24, help="largest number of points per curve")
    add("--split", choices=("test", "validation"), default="test", help="real images to compare to")
    arguments = parser.parse_args(words)
    for name in ("tutorial_minutes", "minutes", "checkpoint_every", "rate_seconds", "per_class"):
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    if arguments.points < 2:
        parser.error("--points must be at least 2")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
