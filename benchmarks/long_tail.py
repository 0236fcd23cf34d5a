"""Target labels of fakes on long-tailed data: policies compared class by class.

    python benchmarks/long_tail.py fashion-mnist --out long-tail
    python benchmarks/long_tail.py cifar10 --policies frequency uniform batch --out tail-cifar

The training split is reduced until the first class has --ratio times as many images as the last (in
label order, as by `acgan train --long-tail`). Validation and test splits stay complete. Each policy
of `training.fake_labels` is trained with each seed. Runs are evaluated as by
`benchmarks/quality.py`, with a reference classifier that was fitted to the full, balanced training
split. Runs, their metrics, long-tail.md and long-tail.json are in --out and updated after every
run; the same command resumes a stopped study. Use --split validation while choosing settings.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from long_tail_result import LongTail, Run
from quality import add_quality_options, measure_runs

from acgan.errors import AcganError, UsageError
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, write_atomic
from acgan.training.display import make_display
from acgan.training.run import TrainedRun
from acgan.training.train import prepare_run, train

POLICIES = ("frequency", "uniform", "batch")


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    try:
        print(study(_arguments(words)).to_markdown(), end="")
    except AcganError as error:
        print(f"long_tail: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def study(arguments: argparse.Namespace) -> LongTail:
    """Train and evaluate what is missing in --out.

    Raises:
        UsageError: settings contradict each other, or --out holds runs of other settings.
        DataError: the data is missing or too small for the tail.
        DivergedError: a run diverged beyond its retries.
        DiskError: a file cannot be written; finished runs are kept.
    """
    for name in ("policies", "seeds"):
        if len(set(getattr(arguments, name))) < len(getattr(arguments, name)):
            raise UsageError(f"--{name} has a duplicate; name each once")
    if arguments.ratio < 2:
        raise UsageError("--ratio must be at least 2; below that no class is rare")
    settings: dict[str, Any] = {
        "recipe": arguments.recipe,
        "images": arguments.images,
        "data_options": {"root": arguments.data_root, "long_tail": arguments.ratio},
    }
    _, _, splits, _ = prepare_run(arguments.data, options=arguments.option, **settings)
    result = LongTail(
        data=splits.name,
        ratio=arguments.ratio,
        split=arguments.split,
        per_class=arguments.per_class,
        training_images={
            each.name: int(count)
            for each, count in zip(splits.classes, splits.train.class_counts, strict=True)
        },
        runs=(),
    )
    for seed in arguments.seeds:
        for policy in arguments.policies:
            trained = train(
                arguments.data,
                seed=seed,
                run=arguments.out / f"{policy}-s{seed}",
                options=(*arguments.option, f"training.fake_labels={policy}"),
                display=make_display(sys.stderr),
                **settings,
            )
            quality = _quality(trained, arguments)
            result = result.and_run(Run(policy, seed, trained.images_seen, quality))
            _write(result, arguments.out)
    return result


def _quality(trained: TrainedRun, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the metrics of a run: saved ones if model and settings match, or new ones."""
    path = arguments.out / "metrics" / f"{trained.folder.name}.json"
    settings = {
        "model": trained.model.record.content_hash,
        "per_class": arguments.per_class,
        "split": arguments.split,
    }
    if path.exists():
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if saved["settings"] == settings:
            found: dict[str, Any] = saved["quality"]
            return found
    report = measure_runs([trained.folder], arguments)
    quality: dict[str, Any] = report["models"][str(trained.folder)]
    with disk_errors(path, option="--out"):
        make_folder(path.parent)
        write_atomic(path, _text({"settings": settings, "quality": quality}))
    return quality


def _write(result: LongTail, folder: Path) -> None:
    with disk_errors(folder, option="--out"):
        write_atomic(folder / "long-tail.json", _text(result.to_json()))
        write_atomic(folder / "long-tail.md", result.to_markdown())


def _text(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", default="fashion-mnist", metavar="DATA")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and metrics")
    parser.add_argument(
        "--ratio", type=float, default=50, help="size of the largest class over the smallest"
    )
    parser.add_argument(
        "--policies", nargs="+", choices=POLICIES, default=list(POLICIES[:2]), metavar="POLICY"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument(
        "--images", type=int, help="training images of each run; by default the recipe's"
    )
    parser.add_argument("--recipe", help="recipe of all runs; by default that of the data")
    parser.add_argument("-o", dest="option", action="append", default=[], metavar="KEY=VALUE")
    add_quality_options(parser)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
