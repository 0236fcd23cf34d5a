"""`acgan train`: from labeled images to a run that draws them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from acgan.cli.output import JsonFlag, result


def train(
    data: Annotated[
        str,
        typer.Argument(
            help="digits (needs no network), mnist, mnist-pairs, fashion-mnist, kmnist, "
            "emnist-letters …, cifar10, cifar100, svhn, stl10; or a folder or zip with one "
            "sub-folder per class.",
            metavar="DATA",
        ),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(help="See `acgan recipes`; chosen from the data by default.", metavar="NAME"),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many real images.", metavar="N")
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="Stop after about so long (measured once, then fixed).", metavar="M"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of all randomness in training.", metavar="N")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="The run's folder [runs/DATA-RECIPE-HASH]; the same command resumes it."),
    ] = None,
    init_from: Annotated[
        Path | None, typer.Option(help="Start from the weights of a run.", metavar="MODEL")
    ] = None,
    classes_per_model: Annotated[
        int | None,
        typer.Option(
            min=2, help="Several models of at most N classes each, used as one.", metavar="N"
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Local copies and downloads of named sets [ACGAN_DATA].", metavar="DIR"),
    ] = None,
    image_size: Annotated[
        str | None, typer.Option(help="Resize: 64, or height x width: 48x64.", metavar="SIZE")
    ] = None,
    bad_files: Annotated[
        str | None,
        typer.Option(help="Files that are no usable image: refuse, or skip.", metavar="WHAT"),
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(help="Use this share of each class.", metavar="F")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Use at most so many of each class.", metavar="N")
    ] = None,
    long_tail: Annotated[
        float | None,
        typer.Option(help="Thin out: the first class F times the last.", metavar="F"),
    ] = None,
    only_class: Annotated[
        list[str] | None, typer.Option(help="Keep this class; repeatable.", metavar="NAME")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or mps.", metavar="DEVICE")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.", metavar="P")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o", help="Any setting of the run: section.key=value; repeatable.", metavar="KEY=VALUE"
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a GAN, with classes or without; the same command goes on with a stopped run."""
    from acgan.data.config import parse_image_size
    from acgan.training.display import make_display
    from acgan.training.train import train as train_run

    data_options: dict[str, Any] = {
        "root": str(data_root) if data_root else None,
        "image_size": parse_image_size(image_size) if image_size else None,
        "bad_files": bad_files,
        "fraction": fraction,
        "per_class": per_class,
        "long_tail": long_tail,
        "only_class": only_class or None,
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
        options=option or (),
        display=make_display(sys.stderr),
        announce=True,
    )
    values = {
        "run": trained.folder,
        "images_seen": trained.images_seen,
        "resumed_at": trained.resumed_at,
        "summary": trained.summary,
    }
    began = (
        "was complete already"
        if trained.resumed_at == trained.images_seen
        else f"complete after {trained.images_seen:,} images"
    )
    model = trained.model
    first = model.classes[0].name
    name = f"'{first}'" if not first.isalnum() else first
    which = f"--class {name} " if model.conditional else ""
    lines = [
        f"{trained.folder} {began}",
        *(f"  {what}: {path}" for what, path in trained.summary.items()),
        "next, draw a class:" if model.conditional else "next, draw:",
        f"  acgan sample {trained.folder} {which}--count 16 --out samples",
        "and ask whether it is any good:",
        f"  acgan evaluate {trained.folder}",
    ]
    result(values, "\n".join(lines), as_json=as_json)
