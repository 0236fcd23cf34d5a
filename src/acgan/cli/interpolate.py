"""`acgan interpolate`: the interpolation path from one image to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from acgan.cli.options import (
    OUTPUT,
    JsonFlag,
    ModelArgument,
    Precision,
    Truncation,
    complete_classes,
    option,
)
from acgan.cli.output import result, write
from acgan.errors import UsageError, counted

EXAMPLE = "acgan interpolate runs/demo --class one --to-class seven --out path.gif"
_FRAME_MILLISECONDS = 100


def interpolate(
    model: ModelArgument,
    out: Annotated[
        Path, option("A name in .png for a strip, in .gif for an animation.", "FILE", OUTPUT)
    ],
    label: Annotated[
        str | None,
        option(
            "The first class; not for models without classes.",
            "NAME",
            name="--class",
            default=False,
            complete=complete_classes,
        ),
    ] = None,
    to_label: Annotated[
        str | None,
        option(
            "The last class.",
            "NAME",
            name="--to-class",
            default="the same",
            complete=complete_classes,
        ),
    ] = None,
    seed: Annotated[int, option("The first seed.", "N")] = 0,
    to_seed: Annotated[int | None, option("The last seed.", "N", default="the same")] = None,
    steps: Annotated[int, option("Number of images, both ends included.", "N")] = 9,
    truncation: Truncation = None,
    precision: Precision = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Generate the interpolation path between two seeds, two classes, or both.

    Latents move on the sphere, a class on the line between two embeddings.
    """
    if out.suffix.lower() not in {".png", ".gif"}:
        raise UsageError(f"--out {out}: end its name in .png (a strip) or .gif (an animation)")
    if to_label is None and to_seed is None:
        raise UsageError("name the end of the path: --to-class NAME, --to-seed N")

    from acgan.model.model import load
    from acgan.plots.animation import animation
    from acgan.plots.grid import png_bytes, strip

    trained = load(model)
    if trained.conditional and label is None:
        raise UsageError("name the class that the path starts at: --class NAME")
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
    write(out, content)
    values = {"file": out, "steps": steps, "precision": trained.sampling_precision(precision)}
    result(values, f"{counted(steps, 'image')}: {out}", as_json=as_json)
