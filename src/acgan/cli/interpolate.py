"""`acgan interpolate`: the way from one picture to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from acgan.cli.output import JsonFlag, result
from acgan.errors import UsageError

_FRAME_MILLISECONDS = 100


def interpolate(
    model: Annotated[Path, typer.Argument(help="A run or its model folder.", metavar="MODEL")],
    out: Annotated[
        Path, typer.Option(help="strip.png for a strip, anim.gif for an animation.", metavar="FILE")
    ],
    label: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="Start at this class (a model without classes needs none).",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    to_label: Annotated[
        str | None,
        typer.Option(
            "--to-class", help="Go to this class.", metavar="NAME", show_default="the same"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Start at this seed.", metavar="N")] = 0,
    to_seed: Annotated[
        int | None,
        typer.Option(help="Go to this seed.", metavar="N", show_default="the same"),
    ] = None,
    steps: Annotated[int, typer.Option(help="Pictures, both ends included.", metavar="N")] = 9,
    truncation: Annotated[
        float | None,
        typer.Option(help="As in `acgan sample`.", metavar="T"),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], typer.Option(help="As in `acgan sample`.")
    ] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Draw the way between two seeds or two classes.

    Both may change at once. Latents move on the sphere, a class on the line between two
    embeddings.
    """
    if out.suffix.lower() not in {".png", ".gif"}:
        raise UsageError(f"--out {out}: let its name end in .png (a strip) or .gif (an animation)")
    if to_label is None and to_seed is None:
        raise UsageError("say where to go: --to-class NAME, --to-seed N, or both")

    from acgan.model.model import load
    from acgan.plots.animation import animation
    from acgan.plots.grid import png_bytes, strip
    from acgan.storage.disk import disk_errors
    from acgan.storage.files import write_atomic

    trained = load(model)
    if trained.conditional and label is None:
        raise UsageError("say at which class to start: --class NAME")
    images = trained.interpolate(
        label,
        to_label,
        seed=seed,
        to_seed=to_seed,
        steps=steps,
        truncation=truncation,
        precision=precision,
    )
    if out.suffix.lower() == ".png":
        content = png_bytes(strip(images, columns=min(steps, 50)))
    else:
        frames = [strip(images[index : index + 1]) for index in range(steps)]
        content = animation(frames, frame_milliseconds=_FRAME_MILLISECONDS)
    with disk_errors(out, option="--out"):
        write_atomic(out, content)
    values = {"file": out, "steps": steps, "precision": trained.sampling_precision(precision)}
    result(values, f"{steps} steps: {out}", as_json=as_json)
