"""`acgan train`: train a model on images, or continue a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acgan.cli.options import (
    BUDGET,
    DATA,
    EXECUTION,
    BadFiles,
    DataRoot,
    JsonFlag,
    RecipeOption,
    Settings,
    option,
    within,
)
from acgan.cli.output import command_lines, result
from acgan.errors import argument, counted, wrapped

if TYPE_CHECKING:
    from acgan.model.model import Model

_BUDGET_SETTINGS = {f"training.{name}" for name in ("total_images", "total_epochs", "max_minutes")}

EXAMPLE = "acgan train digits --run runs/demo"


def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            help="digits (needs no network), mnist, mnist-pairs, fashion-mnist, kmnist, "
            "emnist-letters …, cifar10, cifar100, svhn, stl10; or a folder or zip with one "
            "sub-folder per class.",
            metavar="DATA",
        ),
    ],
    recipe: RecipeOption = None,
    seed: Annotated[int | None, option("Seed of all randomness in training.", "N", min=0)] = None,
    run: Annotated[
        Path | None,
        option(
            "Folder of the run; the same command continues it.",
            "DIR",
            default="runs/DATA-RECIPE-HASH",
        ),
    ] = None,
    init_from: Annotated[
        Path | None, option("Start from the weights of this model.", "MODEL")
    ] = None,
    classes_per_model: Annotated[
        int | None,
        option("Train several models of at most N classes each, used as one.", "N", min=2),
    ] = None,
    settings: Settings = None,
    images: Annotated[int | None, option("Real images to train on.", "N", BUDGET, min=1)] = None,
    max_minutes: Annotated[
        float | None,
        option(
            "Minutes to train, converted to images once by a measurement at the start.",
            "M",
            BUDGET,
            callback=within(0, open_end=True),
        ),
    ] = None,
    data_root: DataRoot = None,
    image_size: Annotated[
        str | None, option("Resize images: 64, or height x width as 48x64.", "SIZE", DATA)
    ] = None,
    bad_files: BadFiles = None,
    fraction: Annotated[
        float | None,
        option("Use this fraction of each class.", "F", DATA, callback=within(0, 1, open_end=True)),
    ] = None,
    per_class: Annotated[
        int | None, option("Use at most N images of each class.", "N", DATA, min=1)
    ] = None,
    long_tail: Annotated[
        float | None,
        option(
            "Thin out classes to a long tail: the first class has F times the images of the last.",
            "F",
            DATA,
            callback=within(1),
        ),
    ] = None,
    only_class: Annotated[
        list[str] | None, option("Use only this class; repeatable.", "NAME", DATA)
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None,
        option("auto, cpu, cuda or mps.", "DEVICE", EXECUTION, default="auto"),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None,
        option("auto, fp32 or bf16.", "P", EXECUTION, default="auto"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a GAN, with classes or without; the same command continues a stopped run."""
    from acgan.data.config import parse_image_size
    from acgan.training.display import make_display
    from acgan.training.train import train as train_run

    data_options = {
        "root": str(data_root) if data_root else None,
        "image_size": parse_image_size(image_size) if image_size else None,
        **{"bad_files": bad_files, "fraction": fraction, "per_class": per_class},
        **{"long_tail": long_tail, "only_class": only_class or None},
    }
    trained = train_run(
        data,
        recipe=recipe,
        images=images,
        max_minutes=max_minutes,
        seed=seed,
        run=run,
        init_from=init_from,
        classes_per_model=classes_per_model,
        data_options=data_options,
        execution={"device": device, "precision": precision},
        options=settings or (),
        display=make_display(sys.stderr),
        announce=True,
    )
    values = {
        "run": trained.folder,
        "images_seen": trained.images_seen,
        "resumed_at": trained.resumed_at,
        "summary": trained.summary,
    }
    state = f"complete after {counted(trained.images_seen, 'image')}"
    if trained.resumed_at == trained.images_seen:
        state = "was complete already"
    lines = [
        f"{trained.folder} {state}",
        *(f"  {name}: {path}" for name, path in trained.summary.items()),
    ]
    again: list[str] = []
    if check := trained.check:
        same_rates = trained.model.config.optimizer.schedule == "constant"
        again = _command_again(context, check.changes, same_rates and "recipe" not in check.changes)
        values["check"] = {**asdict(check), "findings": check.findings(), "command": again}
        lines.append(f"quick check: {check.figures}")
        lines += (f"  {sentence}" for sentence in check.findings())
    lines = list(map(wrapped, lines)) + _next_commands(trained.folder, trained.model, again)
    result(values, "\n".join(lines), as_json=as_json)


def _command_again(
    context: typer.Context, changes: Mapping[str, Any], continues: bool
) -> list[str]:
    """Return the command line with other arguments; an empty list without changes.

    A folder that it names gets a suffix, unless the run continues with these changes.
    """
    if not changes:
        return []
    values = {**context.params, "images": None, "max_minutes": None, "as_json": False, **changes}
    values["settings"] = [
        each
        for each in values["settings"] or ()
        if each.split("=")[0].strip() not in _BUDGET_SETTINGS
    ]
    if values["run"] and not continues:
        values["run"] = f"{values['run']}-{'-'.join(map(str, changes.values()))}"
    data = values["data"]
    words = ["acgan", "train", argument(Path(data)) if data.startswith("-") else data]
    for parameter in context.command.params:
        value = values.get(parameter.name or "")
        for each in value if isinstance(value, list | tuple) else [value]:
            if parameter.param_type_name == "option" and each not in (None, False):
                name = parameter.opts[0]
                words += [f"{name}={each}"] if name.startswith("--") else [name, str(each)]
    return words


def _next_commands(folder: Path, model: Model, again: list[str]) -> list[str]:
    """Return the commands for what comes next."""
    run = argument(folder)
    sample = ["acgan", "sample", run]
    if model.conditional:
        sample.append(f"--class={model.classes[0].name}")
    sample += ["--count", "16", "--out", "samples"]
    return [
        *(["to fix that:", *command_lines(again)] if again else ()),
        "to generate images of a class:" if model.conditional else "to generate images:",
        *command_lines(sample),
        "to measure their quality:",
        *command_lines(["acgan", "evaluate", run]),
    ]
