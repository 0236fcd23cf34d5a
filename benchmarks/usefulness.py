"""Usefulness of a model's samples as training data: the complete study of one run.

    python benchmarks/usefulness.py runs/fashion-tenth --out useful-tenth
    python benchmarks/usefulness.py runs/fashion-tenth --out useful-tenth --json tenth.json

The real arms use the run's own training split (including a fraction or a long tail in its config)
and are tested on its test split. Each fit is appended to --out/fits.jsonl, so the same command
resumes a stopped study. Charts, tables as Markdown and all results are written to --out. Use
--split validation while choosing settings.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acgan.data.load import load_data
from acgan.errors import AcganError
from acgan.model.model import load
from acgan.report.section import ImageBlock, Section, Table
from acgan.storage.files import write_atomic
from acgan.studies.arms import FIT_IMAGES, model_samples, usefulness_config
from acgan.studies.usefulness import usefulness
from acgan.studies.usefulness_findings import comparisons
from acgan.studies.usefulness_report import usefulness_section


def main(words: Sequence[str] | None = None) -> int:
    """Run the study and return its exit code: 0, or that of an `AcganError`."""
    try:
        print(study(_arguments(words)))
    except AcganError as error:
        print(f"usefulness: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def study(arguments: argparse.Namespace) -> str:
    """Run the study, write its files and return the report as Markdown."""
    model = load(arguments.run)
    data = model.config.data
    if arguments.data_root is not None:
        data = data.model_copy(update={"root": arguments.data_root})
    splits = load_data(data)
    flip = arguments.flip or splits.flip_keeps_class
    result = usefulness(
        splits,
        model_samples(model),
        config=usefulness_config(splits.train, flip=flip, images=arguments.images),
        seeds=tuple(arguments.seeds),
        folder=arguments.out,
        split=arguments.split,
        progress=_progress(),
    )
    section = usefulness_section(result)
    values = {
        **result.to_json(),
        "comparisons": [asdict(each) for each in comparisons(result)],
        "findings": [asdict(each) for each in section.findings],
    }
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(arguments.json or arguments.out / "usefulness.json", text)
    charts = [block for block in section.blocks if isinstance(block, ImageBlock)]
    for name, chart in zip(("accuracy.png", "rare-recall.png"), charts, strict=False):
        write_atomic(arguments.out / name, chart.png)
    report = markdown(section)
    write_atomic(arguments.out / "usefulness.md", report)
    return report


def markdown(section: Section) -> str:
    """Format the findings, tables and notes of a section as Markdown."""
    lines = [f"- **{each.key}** ({each.level}): {each.sentence}" for each in section.findings]
    for block in section.blocks:
        if isinstance(block, Table):
            lines += ["", f"**{block.title}.** {block.caption}", "", *_table(block)]
    return "\n".join([*lines, "", *(f"- {note}" for note in section.notes)]) + "\n"


def _table(table: Table) -> list[str]:
    rows = [table.header, ["---"] * len(table.header), *table.rows]
    return [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _progress() -> Any:
    last = ("", 0.0)

    def on_progress(stage: str, done: int, _total: int) -> None:
        nonlocal last
        if stage != last[0] or time.perf_counter() - last[1] > 60:
            last = (stage, time.perf_counter())
            print(f"{done:3} % {stage}", file=sys.stderr, flush=True)

    return on_progress


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a run or its model/ folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of fits and results")
    parser.add_argument("--data-root", help="folder of local copies of named data sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--images", type=int, default=FIT_IMAGES, help="training images of each fit"
    )
    parser.add_argument("--flip", action="store_true", help="a horizontal flip keeps the class")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--json", type=Path, help="file of all results instead of the one in --out")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
