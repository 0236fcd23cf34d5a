"""Quality of trained models: GAN-test accuracy, Fréchet distance and variance ratio, a row each.

    python benchmarks/quality.py runs/digits --data mnist --data-root ~/data
    python benchmarks/quality.py runs/seed-0 runs/seed-1 runs/seed-2 --data mnist --json out.json

The metrics are those of `acgan.evaluation.reference_quality`. For color images, the table also has
the color variance of samples within a class over that of real images. The reference classifier is
fitted to the training split of --data at the models' image size (minutes the first time, then read
from the cache). Use `--data mnist` for models of the embedded `digits`. Use --split validation
while choosing a recipe. Add --flip for your own gray images if a horizontal flip keeps the class.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from acgan.classifiers.cache import cached_reference_classifier, reference_classifiers_folder
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels
from acgan.data.load import load_data
from acgan.errors import AcganError, DataError, UsageError
from acgan.evaluation.evaluation_data import HeldOutSplit, real_data
from acgan.evaluation.reference_quality import measure_quality
from acgan.metrics.color import color_variance_ratio
from acgan.model.model import Model, load

METRICS = (  # heading, JSON key
    ("accuracy", "accuracy"),
    ("worst class", "worst_class_accuracy"),
    ("Fréchet", "frechet"),
    ("Fréchet ratio", "frechet_ratio"),
    ("variance ratio", "variance_ratio"),
    ("lowest", "lowest_variance_ratio"),
    ("highest", "highest_variance_ratio"),
    ("color", "color_variance_ratio"),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    arguments = _arguments(words)
    try:
        report = measure_runs(arguments.models, arguments, seed=arguments.seed)
    except AcganError as error:
        print(f"quality: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _print(report)
    return 0


def add_quality_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every benchmark that calls `measure_runs`."""
    parser.add_argument("--data-root", help="folder of local copies of named data sets")
    parser.add_argument("--per-class", type=int, default=1000, help="samples per class")
    parser.add_argument(
        "--split", choices=("test", "validation"), default="test", help="real images to compare to"
    )
    parser.add_argument("--flip", action="store_true", help="a horizontal flip keeps the class")


def measure_runs(
    runs: Sequence[str | Path], arguments: argparse.Namespace, *, seed: int = 0
) -> dict[str, Any]:
    """Call `measure` with ``data`` and `add_quality_options` of the command line."""
    return measure(
        [str(run) for run in runs],
        arguments.data,
        data_root=arguments.data_root,
        per_class=arguments.per_class,
        split=arguments.split,
        seed=seed,
        flip=arguments.flip,
    )


def measure(
    names: Sequence[str],
    data: str,
    *,
    data_root: str | None,
    per_class: int,
    split: HeldOutSplit,
    seed: int,
    flip: bool,
) -> dict[str, Any]:
    """Return all metrics of all models as plain values.

    Args:
        names: folders of runs or models.
        data: a named data set, a folder or a zip.
        data_root: folder of local copies of named data sets.
        per_class: samples per class.
        split: the split that samples are compared to.
        seed: first seed of the samples.
        flip: whether a horizontal flip of a gray image keeps its class.

    Raises:
        UsageError: a model is missing, or ``per_class`` is below 1.
        DataError: the data is missing, or differs from a model's in image size or classes.
    """
    if per_class < 1:
        raise UsageError("--per-class must be at least 1; quoted results use 1000")
    models = {name: load(name) for name in dict.fromkeys(names)}
    first = next(iter(models.values()))
    splits = load_data(
        DataConfig(
            source=data,
            root=data_root,
            image_size=(first.shape.height, first.shape.width),
            only_class=first.config.data.only_class,
        )
    )
    for name, model in models.items():
        check_compatible(name, model, splits)
    started = time.perf_counter()
    flip = flip or splits.flip_keeps_class
    classifier = cached_reference_classifier(splits, flip=flip, progress=_progress())
    _log(f"reference classifier: {time.perf_counter() - started:.0f} s")
    real = real_data(classifier, splits, folder=reference_classifiers_folder())
    rows: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        started = time.perf_counter()
        samples = model.sample(label="all", count=per_class, seed=seed)
        seconds = time.perf_counter() - started
        target_labels = np.repeat(np.arange(len(model.classes), dtype=np.int64), per_class)
        rows[name] = {
            **measure_quality(real.with_samples(samples, target_labels), split).to_json(),
            "color_variance_ratio": _color(samples, target_labels, getattr(splits, split)),
            "sampling_seconds": seconds,
        }
        _log(f"{name}: sampled in {seconds:.0f} s")
    return {
        "data": splits.name,
        "per_class": per_class,
        "sample_seed": seed,
        "models": rows,
        "over_models": _over_models(rows) if len(rows) > 1 else None,
    }


def check_compatible(name: str | Path, model: Model, splits: DatasetSplits) -> None:
    """Check that a model generates images and classes of this data.

    Raises:
        DataError: it does not.
    """
    if model.shape != splits.shape:
        raise DataError(
            f"{name} generates images of {model.shape}, but {splits.name} has {splits.shape}; "
            "measure models of different image sizes or channels separately"
        )
    generated = [each.name for each in model.classes]
    real = [each.name for each in splits.classes]
    if generated != real:
        raise DataError(
            f"{name} generates the classes {', '.join(generated)}, but {splits.name} has "
            f"{', '.join(real)}; measure it with the data it was trained on"
        )


def _color(samples: Images, target_labels: Labels, real: LabeledImages) -> float | None:
    """Return the mean color variance ratio over the classes; None if no class has colors."""
    ratios = [
        color_variance_ratio(samples[target_labels == index], real.images[real.labels == index])
        for index in np.unique(target_labels)
    ]
    defined = [ratio for ratio in ratios if np.isfinite(ratio)]
    return float(np.mean(defined)) if defined else None


def _over_models(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return mean and standard deviation (N − 1) of each metric over the models."""
    result: dict[str, dict[str, float | None]] = {}
    for _, key in METRICS:
        values = [row[key] for row in rows.values() if row[key] is not None]
        complete = len(values) == len(rows)
        result[key] = {
            "mean": float(np.mean(values)) if complete else None,
            "std": float(np.std(values, ddof=1)) if complete else None,
        }
    return result


def _print(report: dict[str, Any]) -> None:
    first = next(iter(report["models"].values()))
    protocol = first["protocol"]
    table = Table(
        title=f"{report['data']}: {report['per_class']} samples per class, compared to "
        f"{protocol['reference_images']} {protocol['reference']} images",
        caption="reference classifier: "
        f"{protocol['reference_classifier_accuracy']['test']:.2%} on test images, "
        f"weights {protocol['reference_classifier_weights_hash'][:8]}; real-vs-real baseline "
        f"{format_number(first['baseline'])} with {protocol['baseline_images_per_side']} images "
        "per side",
    )
    table.add_column("model", overflow="fold")
    for heading, _ in METRICS:
        table.add_column(heading, justify="right")
    for name, row in report["models"].items():
        table.add_row(name, *(format_number(row[key]) for _, key in METRICS))
    if report["over_models"]:
        both = [report["over_models"][key] for _, key in METRICS]
        cells = (f"{format_number(x['mean'])} ± {format_number(x['std'])}" for x in both)
        table.add_row("mean ± std", *cells)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for name, row in report["models"].items():
        for note in row["notes"]:
            _log(f"{name}: {note}")


def format_number(value: float | None) -> str:
    """Format a metric with three decimals; undefined ones are a dash."""
    return "–" if value is None else f"{value:.3f}"


def _progress() -> Any:
    last = time.perf_counter()

    def on_progress(images_seen: int, total: int, loss: float) -> None:
        nonlocal last
        if time.perf_counter() - last >= 10:
            last = time.perf_counter()
            _log(f"fitting the reference classifier: image {images_seen}/{total}, loss {loss:.3f}")

    return on_progress


def _log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a run or its model/ folder")
    parser.add_argument("--data", required=True, help="a named data set, a folder or a zip")
    add_quality_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="first seed of the samples")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
