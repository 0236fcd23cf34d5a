"""How good are trained models? Judge's accuracy, Fréchet distance and variance ratio, one row each.

And, of color images, how much the samples' colors vary within a class, over those of real images.

    python benchmarks/quality.py runs/digits --data mnist --data-root ~/data
    python benchmarks/quality.py runs/seed-0 runs/seed-1 runs/seed-2 --data mnist --json out.json

The measures are those of `acgan.evaluation.reference_quality`. The judge is fitted to the real
training part
of --data (minutes the first time, then read from the cache), at the models' own image size. Models
of the embedded `digits` are measured with `--data mnist`. Take --part validation while choosing a
recipe. Add --flip for gray pictures of your own of which a mirrored one is of the same class.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from acgan.classifiers.cache import cached_reference_classifier, reference_classifiers_folder
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels
from acgan.data.load import load_data
from acgan.errors import AcganError, DataError, UsageError
from acgan.evaluation.evaluation_data import real_data
from acgan.evaluation.reference_quality import measure_quality
from acgan.metrics.color import color_variance_ratio
from acgan.model.model import Model, load

FIGURES = (  # heading, JSON key
    ("accuracy", "accuracy"),
    ("worst class", "worst_class_accuracy"),
    ("Fréchet", "frechet"),
    ("frechet_ratio", "frechet_ratio"),
    ("variance", "variance_ratio"),
    ("lowest", "lowest_variance_ratio"),
    ("highest", "highest_variance_ratio"),
    ("color", "color_variance_ratio"),
)


@dataclass(frozen=True)
class Arguments:
    """The command line."""

    models: list[str]
    data: str
    data_root: str | None
    per_class: int
    part: str
    seed: int
    flip: bool
    json: Path | None


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    try:
        report = measure(_arguments(words))
    except AcganError as error:
        print(f"quality: {error}", file=sys.stderr)
        return error.exit_code
    _print(report)
    return 0


def measure(arguments: Arguments) -> dict[str, Any]:
    """All figures of all models, as plain values; written to ``--json`` too.

    Raises:
        UsageError: a model is not there, or --per-class is below 1.
        DataError: the data are not there, or differ from a model's in size or classes.
    """
    if arguments.per_class < 1:
        raise UsageError("--per-class must be at least 1; quoted figures take 1000")
    models = {name: load(name) for name in dict.fromkeys(arguments.models)}
    first = next(iter(models.values()))
    splits = load_data(
        DataConfig(
            source=arguments.data,
            root=arguments.data_root,
            image_size=(first.shape.height, first.shape.width),
            only_class=first.config.data.only_class,
        )
    )
    for name, model in models.items():
        _check_same_kind(name, model, splits)
    started = time.perf_counter()
    flip = arguments.flip or splits.flip_keeps_class
    reference_classifier = cached_reference_classifier(splits, flip=flip, progress=_progress())
    _say(f"judge: {time.perf_counter() - started:.0f} s")
    part: Literal["test", "validation"] = "test" if arguments.part == "test" else "validation"
    data = real_data(reference_classifier, splits, folder=reference_classifiers_folder())
    real = splits.test if part == "test" else splits.validation
    rows: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        started = time.perf_counter()
        samples = model.sample(label="all", count=arguments.per_class, seed=arguments.seed)
        seconds = time.perf_counter() - started
        target_labels = np.repeat(
            np.arange(len(model.classes), dtype=np.int64), arguments.per_class
        )
        rows[name] = {
            **measure_quality(data.with_samples(samples, target_labels), part).to_json(),
            "color_variance_ratio": _color(samples, target_labels, real),
            "sampling_seconds": seconds,
        }
        _say(f"{name}: sampled in {seconds:.0f} s")
    report = {
        "data": splits.name,
        "per_class": arguments.per_class,
        "sample_seed": arguments.seed,
        "models": rows,
        "over_models": _over_models(rows) if len(rows) > 1 else None,
    }
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def _color(samples: Images, target_labels: Labels, real: LabeledImages) -> float | None:
    """The mean over the classes; None where no class has colors."""
    ratios = [
        color_variance_ratio(samples[target_labels == index], real.images[real.labels == index])
        for index in np.unique(target_labels)
    ]
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    return float(np.mean(known)) if known else None


def _check_same_kind(name: str, model: Model, splits: DatasetSplits) -> None:
    if model.shape != splits.shape:
        raise DataError(
            f"{name} draws images of {model.shape}, {splits.name} at this size has {splits.shape}; "
            "measure models of other sizes or colors apart"
        )
    drawn = [each.name for each in model.classes]
    real = [each.name for each in splits.classes]
    if drawn != real:
        raise DataError(
            f"{name} draws the classes {', '.join(drawn)}; {splits.name} has {', '.join(real)}: "
            "measure it with the data it was trained for"
        )


def _over_models(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation (N − 1) of each figure over the models."""
    result: dict[str, dict[str, float | None]] = {}
    for _, key in FIGURES:
        values = [row[key] for row in rows.values() if row[key] is not None]
        whole = len(values) == len(rows)
        result[key] = {
            "mean": float(np.mean(values)) if whole else None,
            "spread": float(np.std(values, ddof=1)) if whole else None,
        }
    return result


def _print(report: dict[str, Any]) -> None:
    first = next(iter(report["models"].values()))
    protocol, baseline = first["protocol"], first["baseline"]
    reference_classifier = protocol["reference_classifier_accuracy"]
    table = Table(
        title=f"{report['data']}: {report['per_class']} samples a class against "
        f"{protocol['reference_images']} {protocol['reference']} images",
        caption=f"reference classifier: {reference_classifier['test']:.2%} on test, "
        f"weights {protocol['reference_classifier_weights_hash'][:8]}; "
        f"baseline {_number(baseline)} at "
        f"{protocol['baseline_images_per_side']} images a side",
    )
    table.add_column("model", overflow="fold")
    for heading, _ in FIGURES:
        table.add_column(heading, justify="right")
    for name, row in report["models"].items():
        table.add_row(name, *(_number(row[key]) for _, key in FIGURES))
    if report["over_models"]:
        both = [report["over_models"][key] for _, key in FIGURES]
        table.add_row(
            "mean ± spread", *(f"{_number(x['mean'])} ± {_number(x['spread'])}" for x in both)
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for name, row in report["models"].items():
        for note in row["notes"]:
            _say(f"{name}: {note}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _progress() -> Any:
    last = time.perf_counter()

    def tell(predicted: int, total: int, loss: float) -> None:
        nonlocal last
        if time.perf_counter() - last >= 10:
            last = time.perf_counter()
            _say(f"fitting the judge: {predicted} of {total} images, loss {loss:.3f}")

    return tell


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def add_judging_options(parser: argparse.ArgumentParser) -> None:
    """How models are judged: the options of every benchmark that has its runs judged here."""
    parser.add_argument("--data-root", help="folder of local copies of named sets")
    parser.add_argument("--per-class", type=int, default=1000, help="samples a class")
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--flip", action="store_true", help="mirrored images keep their class")


def measure_runs(runs: Sequence[Path], target_labels: argparse.Namespace) -> dict[str, Any]:
    """`measure`, for a benchmark with ``data`` and `add_judging_options` among its options."""
    return measure(
        Arguments(
            models=[str(run) for run in runs],
            data=target_labels.data,
            data_root=target_labels.data_root,
            per_class=target_labels.per_class,
            part=target_labels.part,
            seed=0,
            flip=target_labels.flip,
            json=None,
        )
    )


def _arguments(words: Sequence[str] | None) -> Arguments:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a run or its model/ folder")
    parser.add_argument("--data", required=True, help="a named set, a folder or a zip")
    add_judging_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="first seed of the samples")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return Arguments(**vars(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
