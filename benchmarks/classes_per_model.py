"""Quality of sets of models that divide the classes among them, at equal cost per class.

    python benchmarks/classes_per_model.py fashion-mnist --data-root ~/data --out per-model
    python benchmarks/classes_per_model.py cifar10 --seeds 0 1 2 --out per-model-cifar

Odena, Olah & Shlens 2017 (§4.5) trained 100 models of 10 classes each, because quality decreased
with more classes per model. Here, one model of all classes and sets of several models are trained
on the same number of images in total. Each class is used equally often, and a step costs the same
(the networks have the same size), so the sets have more weights but no more computation. Models are
evaluated as by `benchmarks/quality.py`; results are means and standard deviations over seeds. A
table as Markdown and all results are written to --out; the same command resumes a stopped study.
Use --split validation while choosing settings.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from quality import METRICS, add_quality_options, measure_runs

from acgan.errors import AcganError, UsageError
from acgan.storage.files import write_atomic
from acgan.training.display import make_display
from acgan.training.train import train


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    try:
        print(compare(_arguments(words)), end="")
    except AcganError as error:
        print(f"classes_per_model: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def compare(arguments: argparse.Namespace) -> str:
    """Train and evaluate what is missing in --out; return the table as Markdown.

    Raises:
        UsageError: settings contradict each other.
        DataError: the data is missing.
        DiskError: a file cannot be written.
    """
    if len(set(arguments.per_model)) < len(arguments.per_model):
        raise UsageError("--per-model has a duplicate; name each number once")
    runs: dict[int, list[Path]] = {number: [] for number in arguments.per_model}
    trained: dict[str, int] = {}
    for seed in arguments.seeds:
        for number, paths in runs.items():
            path = arguments.out / f"{number}-per-model-seed-{seed}"
            run = train(
                arguments.data,
                recipe=arguments.recipe,
                images=arguments.images,
                seed=seed,
                run=path,
                classes_per_model=number,
                data_options={"root": arguments.data_root},
                options=arguments.option,
                display=make_display(sys.stderr),
            )
            paths.append(path)
            trained[str(path)] = run.images_seen
    report = measure_runs([path for paths in runs.values() for path in paths], arguments)
    members = {number: _members(paths[0]) for number, paths in runs.items()}
    report |= {"images_seen": trained, "members": members, "seeds": arguments.seeds}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(arguments.out / "classes-per-model.json", text)
    names = {number: [str(path) for path in paths] for number, paths in runs.items()}
    result = table(report["models"], names, members, trained)
    write_atomic(arguments.out / "classes-per-model.md", result)
    return result


def table(
    metrics: Mapping[str, Mapping[str, Any]],
    runs: Mapping[int, Sequence[str]],
    members: Mapping[int, int],
    images_seen: Mapping[str, int],
) -> str:
    """Return a Markdown table with means and standard deviations for each number of classes.

    Args:
        metrics: metrics of each run from `quality.measure`.
        runs: names of the runs, by classes per model.
        members: models in a set, by classes per model.
        images_seen: training images of each run, for all its models together.
    """
    header = ["classes per model", "models", "images", *(heading for heading, _ in METRICS)]
    lines = [header, ["---"] * len(header)]
    for number, names in runs.items():
        images = np.mean([images_seen[name] for name in names])
        cells = [_cell([metrics[name][key] for name in names]) for _, key in METRICS]
        lines.append([str(number), str(members[number]), f"{images:,.0f}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _members(run: Path) -> int:
    return len(list((run / "members").iterdir()))


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "–"
    spread = f" ± {np.std(known, ddof=1):.3f}" if len(known) > 1 else ""
    return f"{np.mean(known):.3f}{spread}"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA", help="a named data set, a folder or a zip")
    parser.add_argument("--per-model", type=int, nargs="+", default=[2, 5, 10], metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument(
        "--images", type=int, help="training images of all models of a set; by default the recipe's"
    )
    parser.add_argument("--recipe", help="recipe of all sets; by default that of the data")
    parser.add_argument("-o", dest="option", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and results")
    add_quality_options(parser)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
