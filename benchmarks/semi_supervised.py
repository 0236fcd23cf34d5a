"""What images without labels buy: the classifier of an SGAN against one that learns without a GAN.

    python benchmarks/semi_supervised.py --data mnist --data-root ~/data --out semi

For every number of labels and every seed: the same few labeled images (chosen by the seed), once
for an `acgan train --recipe sgan-mnist` that sees all training images, the others without labels,
and once for a network like its discriminator that learns from the labeled images alone. What
counts is how many images of the test part each classifies rightly, as `acgan evaluate` has it of a
run. The same command goes on where it was killed. Take --part validation while choosing settings.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from acgan import train
from acgan.classifiers.fit import FitConfig, fit_classifier
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import AcganError
from acgan.evaluation.class_head import class_head_agreement
from acgan.model.model import load
from acgan.networks.interface import Discriminator, Heads
from acgan.recipes.recipe import load_recipe
from acgan.runs.config import RunConfig
from acgan.storage.files import write_atomic

ARMS = ("sgan", "labeled alone")


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code is that of `acgan`'s errors."""
    try:
        print(study(_arguments(words)))
    except AcganError as error:
        print(f"semi_supervised: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def study(arguments: argparse.Namespace) -> str:
    """Everything that is missing in --out, and the table of all of it as Markdown.

    Raises:
        UsageError: the recipe's discriminator has no class head.
    """
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in arguments.seeds:  # seed after seed, so that a study cut short has whole ones
        for each in arguments.labels_per_class:
            for arm, accuracy in zip(ARMS, (_sgan, _alone), strict=True):
                found = _kept(arguments, arm, each, seed, accuracy)
                rows.setdefault(str(each), {}).setdefault(arm, []).append(found)
                _say(f"{each} labels a class, seed {seed}, {arm}: {found:.2%}")
    target_labels = {arm: _asked(arguments, arm) for arm in ARMS}
    values = {"asked": target_labels, "seeds": arguments.seeds, "accuracy": rows}
    write_atomic(arguments.out / "semi-supervised.json", json.dumps(values, indent=1) + "\n")
    return table(rows)


def table(rows: dict[str, dict[str, list[float]]]) -> str:
    """Mean ± standard deviation (N − 1) over seeds, as Markdown."""
    lines = ["| labels a class | SGAN | labeled images alone |", "| --- | --- | --- |"]
    for each, arms in rows.items():
        cells = " | ".join(_cell(arms[arm]) for arm in ARMS)
        lines.append(f"| {each} | {cells} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    mean = f"{np.mean(values):.2%}".removesuffix("%")
    return f"{mean} %" if len(values) < 2 else f"{mean} ± {100 * np.std(values, ddof=1):.2f} %"


def _kept(
    arguments: argparse.Namespace,
    arm: str,
    each: int,
    seed: int,
    accuracy: Callable[[argparse.Namespace, int, int], float],
) -> float:
    """The accuracy in --out, or found now and left there."""
    path = arguments.out / f"{arm.replace(' ', '-')}-{each}-{seed}.json"
    target_labels = _asked(arguments, arm)
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["asked"] == target_labels:
            return float(known["accuracy"])
    found = accuracy(arguments, each, seed)
    write_atomic(path, json.dumps({"asked": target_labels, "accuracy": found}) + "\n")
    return found


def _asked(arguments: argparse.Namespace, arm: str) -> dict[str, Any]:
    """What an arm's accuracy depends on, besides labels and seed."""
    own = ("images", "option") if arm == "sgan" else ("steps",)
    names = ("data", "recipe", "part", "threads", *own)
    return {name: getattr(arguments, name) for name in names}


def _data_options(arguments: argparse.Namespace, each: int, seed: int) -> dict[str, Any]:
    return {"root": arguments.data_root, "labeled_per_class": each, "split_seed": seed}


def _sgan(arguments: argparse.Namespace, each: int, seed: int) -> float:
    """Of the class head of a discriminator that saw all images, few of them with a label."""
    data = _data_options(arguments, each, seed)
    run = train(
        arguments.data,
        recipe=arguments.recipe,
        images=arguments.images,
        seed=seed,
        run=arguments.out / f"run-{each}-{seed}",
        data_options=data,
        execution={"threads": arguments.threads},
        options=arguments.option,
    )
    splits = _splits(arguments, each, seed)
    head = load(run.folder).discriminator
    return class_head_agreement(head, getattr(splits, arguments.part)).overall


def _alone(arguments: argparse.Namespace, each: int, seed: int) -> float:
    """Of the same network with a plain class head, fitted to the labeled images."""
    splits = _splits(arguments, each, seed)
    config = _config(arguments)
    torch.manual_seed(seed)
    network = config.discriminator.build(splits.shape, len(splits.classes), Heads(classes="plain"))
    size = min(config.training.batch_size, len(splits.labeled))
    fit = FitConfig(
        flip=False,
        images=arguments.steps * size,
        batch_size=size,
        label_smoothing=0,
        shift_pixels=0,  # the SGAN is shown images as they are, too
    )
    fit_classifier(_Classifier(network), splits.labeled, fit, seed=seed)
    return class_head_agreement(network, getattr(splits, arguments.part)).overall


def _config(arguments: argparse.Namespace) -> RunConfig:
    recipe = load_recipe(arguments.recipe)
    return RunConfig.model_validate({**recipe.values, "recipe": recipe.name})


def _splits(arguments: argparse.Namespace, each: int, seed: int) -> DatasetSplits:
    return load_data(DataConfig(source=arguments.data, **_data_options(arguments, each, seed)))


@final
class _Classifier(nn.Module):
    """Bytes to a discriminator's class logits."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        """Uint8 (N, C, H, W) to (N, K)."""
        logits: Tensor | None = self.discriminator(images.float() / 127.5 - 1).class_logits
        assert logits is not None  # it was built with a class head
        return logits


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="mnist", help="a named set, a folder or a zip")
    parser.add_argument("--data-root", help="folder of local copies of named sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and results")
    parser.add_argument("--labels-per-class", type=int, nargs="+", default=[2, 10, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", default="sgan-mnist", help="whose objective takes unlabeled")
    parser.add_argument("--images", type=int, default=60_000, help="that each SGAN sees")
    parser.add_argument("-o", dest="option", action="append", default=[], help="of its runs")
    parser.add_argument("--steps", type=int, default=300, help="of the network without a GAN")
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
