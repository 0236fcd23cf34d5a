"""On a long tail, which classes should fakes be asked for? Trained and judged class by class.

    python benchmarks/long_tail.py fashion-mnist --out long-tail
    python benchmarks/long_tail.py cifar10 --policies frequency uniform batch --out tail-cifar

The training part is thinned out until the first class has --ratio times as many images as the last
(in label order, as `--long-tail` of `acgan train` does it); validation and test stay whole. Every
policy of `training.fake_labels` is trained with every seed, and each run is judged as
`benchmarks/quality.py` does, by a judge that was fitted to the whole, balanced training part. The
same command goes on where it was stopped: runs and the figures of each lie in --out, with
long-tail.md and long-tail.json, renewed after every run. Take --split validation while choosing
settings.
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
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    try:
        print(study(_arguments(words)).to_markdown(), end="")
    except AcganError as error:
        print(f"long_tail: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def study(arguments: argparse.Namespace) -> LongTail:
    """Train and judge everything that is not there yet.

    Raises:
        UsageError: settings contradict each other, or --out holds runs of other settings.
        DataError: the data are not there, or too few for the tail.
        DivergedError: a run diverged beyond its retries.
        DiskError: something cannot be written; what is done is kept.
    """
    for name in ("policies", "seeds"):
        if len(set(getattr(arguments, name))) < len(getattr(arguments, name)):
            raise UsageError(f"--{name} names one twice; name each once")
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
        part=arguments.split,
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
            quality = _judged(trained, arguments)
            result = result.and_run(Run(policy, seed, trained.images_seen, quality))
            _write(result, arguments.out)
    return result


def _judged(trained: TrainedRun, arguments: argparse.Namespace) -> dict[str, Any]:
    """The run's figures: those kept, if they are of this model and were taken in the same way."""
    path = arguments.out / "figures" / f"{trained.folder.name}.json"
    settings = {
        "model": trained.model.record.content_hash,
        "per_class": arguments.per_class,
        "split": arguments.split,
    }
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if kept["settings"] == settings:
            found: dict[str, Any] = kept["quality"]
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
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and figures")
    parser.add_argument("--ratio", type=float, default=50, help="largest class over smallest")
    parser.add_argument(
        "--policies", nargs="+", choices=POLICIES, default=list(POLICIES[:2]), metavar="POLICY"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--images", type=int, help="that each run sees; else the recipe's")
    parser.add_argument("--recipe", help="of all runs; else the data's default")
    parser.add_argument("-o", dest="option", action="append", default=[], metavar="KEY=VALUE")
    add_quality_options(parser)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
