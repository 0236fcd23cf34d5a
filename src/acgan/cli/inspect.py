"""`acgan inspect`: discriminator outputs for a user's own images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acgan.cli.options import JsonFlag, ModelArgument
from acgan.cli.output import result, say, table

if TYPE_CHECKING:
    from acgan.model.inspection import Inspection
    from acgan.model.model import Model

EXAMPLE = "acgan inspect runs/demo my-image.png"
_SHOWN = 3
_WARNING = (
    "note: discriminator outputs are not calibrated probabilities; the discriminator was trained "
    "only on its training images and on those of its generator"
)


def inspect(
    model: ModelArgument,
    images: Annotated[list[Path], typer.Argument(help="Image files.", metavar="IMAGE...")],
    as_json: JsonFlag = False,
) -> None:
    """Show the discriminator's outputs for your own images.

    They say how real an image looks to the discriminator, and of which class. A discriminator that
    takes the class as an input (projection) is evaluated with every class; the column "as" has the
    class for which the image looks most real.

    Images are converted to the model's size and channels first; the last column lists the changes.
    """
    from acgan.model.inspection import inspect_images, read_images
    from acgan.model.model import load

    trained = load(model)
    pixels, notes = read_images(images, trained.shape)
    inspections = inspect_images(trained, pixels)
    values = [
        _values(trained, path, note, each)
        for path, note, each in zip(images, notes, inspections, strict=True)
    ]
    rows = [_row(value) for value in values]
    say(_WARNING)
    first = inspections[0]
    classes = 0 if first.class_probabilities is None else min(_SHOWN, len(trained.classes))
    given = () if first.source_class is None else ("as",)
    header = ("image", "source", "real", *given, *(["class"] * classes), "changes")
    result(values, table(header, rows, ("source", "real")), as_json=as_json)


def _values(model: Model, path: Path, note: str, inspection: Inspection) -> dict[str, Any]:
    shares, source_class = inspection.class_probabilities, inspection.source_class
    classes = None
    if shares is not None:
        order = (-shares).argsort(kind="stable")
        classes = {model.classes[index].name: float(shares[index]) for index in order}
    return {
        "image": path,
        "source_logit": inspection.source_logit,
        "source_class": None if source_class is None else model.classes[source_class].name,
        "source_probability": inspection.source_probability,
        "class_probabilities": classes,
        "changes": note,
    }


def _row(value: dict[str, Any]) -> tuple[str, ...]:
    probability = value["source_probability"]
    best = list((value["class_probabilities"] or {}).items())[:_SHOWN]
    return (
        str(value["image"]),
        f"{value['source_logit']:+.2f}",
        "–" if probability is None else f"{probability:.3f}",
        *([] if value["source_class"] is None else [value["source_class"]]),
        *(f"{name} {share:.3f}" for name, share in best),
        value["changes"],
    )
