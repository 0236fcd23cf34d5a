"""Benefit of unlabeled images: the classifier of an SGAN against one trained without a GAN.

    python benchmarks/semi_supervised.py --data mnist --data-root ~/data --out semi

For each number of labels and each seed, the seed selects a few labeled images. One arm is
`acgan train --recipe sgan-mnist` on all training images, the others without labels. The other arm
is a network like its discriminator, trained on the labeled images alone. The result is the accuracy
of both on the test split, computed as by `acgan evaluate`. The same command resumes a stopped
study. Use --split validation while choosing settings.
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
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    try:
        print(study(_arguments(words)))
    except AcganError as error:
        print(f"semi_supervised: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def study(arguments: argparse.Namespace) -> str:
    """Train what is missing in --out and return the table as Markdown.

    Raises:
        UsageError: the recipe's discriminator has no class head.
    """
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in arguments.seeds:  # by seed, so that a stopped study has complete seeds
        for each in arguments.labels_per_class:
            for arm, accuracy in zip(ARMS, (_sgan, _alone), strict=True):
                found = _cached(arguments, arm, each, seed, accuracy)
                rows.setdefault(str(each), {}).setdefault(arm, []).append(found)
                _log(f"{each} labels per class, seed {seed}, {arm}: {found:.2%}")
    settings = {arm: _settings(arguments, arm) for arm in ARMS}
    values = {"settings": settings, "seeds": arguments.seeds, "accuracy": rows}
    write_atomic(arguments.out / "semi-supervised.json", json.dumps(values, indent=1) + "\n")
    return table(rows)


def table(rows: dict[str, dict[str, list[float]]]) -> str:
    """Return mean ± standard deviation (N − 1) over seeds as a Markdown table."""
    lines = ["| labels per class | SGAN | labeled images alone |", "| --- | --- | --- |"]
    for each, arms in rows.items():
        cells = " | ".join(_cell(arms[arm]) for arm in ARMS)
        lines.append(f"| {each} | {cells} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    mean = f"{np.mean(values):.2%}".removesuffix("%")
    return f"{mean} %" if len(values) < 2 else f"{mean} ± {100 * np.std(values, ddof=1):.2f} %"


def _cached(
    arguments: argparse.Namespace,
    arm: str,
    each: int,
    seed: int,
    accuracy: Callable[[argparse.Namespace, int, int], float],
) -> float:
    """Return the accuracy saved in --out, or compute and save it."""
    path = arguments.out / f"{arm.replace(' ', '-')}-{each}-{seed}.json"
    settings = _settings(arguments, arm)
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["settings"] == settings:
            return float(known["accuracy"])
    found = accuracy(arguments, each, seed)
    write_atomic(path, json.dumps({"settings": settings, "accuracy": found}) + "\n")
    return found


def _settings(arguments: argparse.Namespace, arm: str) -> dict[str, Any]:
    """Return the settings of an arm other than labels and seed."""
    own = ("images", "option") if arm == "sgan" else ("steps",)
    names = ("data", "recipe", "split", "threads", *own)
    return {name: getattr(arguments, name) for name in names}


def _data_options(arguments: argparse.Namespace, each: int, seed: int) -> dict[str, Any]:
    return {"root": arguments.data_root, "labeled_per_class": each, "split_seed": seed}


def _sgan(arguments: argparse.Namespace, each: int, seed: int) -> float:
    """Return the accuracy of the class head of a discriminator trained on all images."""
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
    return class_head_agreement(head, getattr(splits, arguments.split)).overall


def _alone(arguments: argparse.Namespace, each: int, seed: int) -> float:
    """Return the accuracy of the same network with a plain class head on the labeled images."""
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
        shift_pixels=0,  # the SGAN is trained without shifts, too
    )
    fit_classifier(_Classifier(network), splits.labeled, fit, seed=seed)
    return class_head_agreement(network, getattr(splits, arguments.split)).overall


def _config(arguments: argparse.Namespace) -> RunConfig:
    recipe = load_recipe(arguments.recipe)
    return RunConfig.model_validate({**recipe.values, "recipe": recipe.name})


def _splits(arguments: argparse.Namespace, each: int, seed: int) -> DatasetSplits:
    return load_data(DataConfig(source=arguments.data, **_data_options(arguments, each, seed)))


@final
class _Classifier(nn.Module):
    """The class logits of a discriminator for uint8 images."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K) for uint8 images (N, C, H, W)."""
        logits: Tensor | None = self.discriminator(images.float() / 127.5 - 1).class_logits
        assert logits is not None  # it was built with a class head
        return logits


def _log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="mnist", help="a named data set, a folder or a zip")
    parser.add_argument("--data-root", help="folder of local copies of named data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and results")
    parser.add_argument("--labels-per-class", type=int, nargs="+", default=[2, 10, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--recipe", default="sgan-mnist", help="recipe that supports unlabeled images"
    )
    parser.add_argument("--images", type=int, default=60_000, help="training images of each SGAN")
    parser.add_argument(
        "-o", dest="option", action="append", default=[], help="setting of its runs"
    )
    parser.add_argument("--steps", type=int, default=300, help="steps of the network without a GAN")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
