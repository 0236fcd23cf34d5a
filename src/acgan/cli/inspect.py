"""`acgan inspect`: discriminator outputs for a user's own images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acgan.cli.options import JsonFlag, ModelArgument, option
from acgan.cli.output import result, say, table

if TYPE_CHECKING:
    from acgan.model.inspection import Comparison, Inspection
    from acgan.model.model import Model

EXAMPLE = "acgan inspect runs/demo my-image.png"
_SHOWN = 3
_WARNING = (
    "note: discriminator outputs are not calibrated probabilities; the discriminator was trained "
    "only on its training images and on those of its generator"
)

_NOT_COMPARED = (
    "note: this model has no statistics of its training images (an older version of acgan wrote "
    "it), so the images are not compared with them"
)


def inspect(
    model: ModelArgument,
    images: Annotated[list[Path], typer.Argument(help="Image files.", metavar="IMAGE...")],
    invert: Annotated[
        Literal["auto", "always", "never"],
        option(
            "Use the negative of an image; auto: where it is far more like the training images.",
            metavar="WHEN",
        ),
    ] = "never",
    as_json: JsonFlag = False,
) -> None:
    """Show the discriminator's outputs for your own images.

    They say how real an image looks to the discriminator, and of which class. A discriminator that
    takes the class as an input (projection) is evaluated with every class; the column "as" has the
    class for which the image looks most real.

    Images are converted to the model's size and channels first; the last column lists the changes.
    A warning names images that are unlike the training images, and how they differ: the outputs
    for such images mean little.
    """
    from acgan.model.inspection import compare_images, inspect_images, read_images
    from acgan.model.model import load

    trained = load(model)
    pixels, notes = read_images(images, trained.shape, trained.config.data.white_level)
    pixels, compared = compare_images(trained, pixels, invert)
    inspections = inspect_images(trained, pixels)
    comparisons: list[Comparison] | list[None] = compared or [None] * len(images)
    values = []
    for path, note, each, comparison in zip(images, notes, inspections, comparisons, strict=True):
        inverted = invert == "always" if comparison is None else comparison.inverted
        changes = ", ".join(filter(None, (note, "inverted" if inverted else "")))
        values.append(_values(trained, path, changes, each, comparison))
    rows = [_row(value) for value in values]
    say(_WARNING)
    if compared is None:
        say(_NOT_COMPARED)
    for path, comparison in zip(images, comparisons, strict=True):
        if comparison is not None and (sentence := _comparison_sentence(comparison)):
            say(f"{path}: {sentence}")
    first = inspections[0]
    classes = 0 if first.class_probabilities is None else min(_SHOWN, len(trained.classes))
    given = () if first.source_class is None else ("as",)
    header = ("image", "source", "real", *given, *(["class"] * classes), "changes")
    result(values, table(header, rows, ("source", "real")), as_json=as_json)


def _comparison_sentence(comparison: Comparison) -> str:
    """Return what to tell about an image, with every figure; empty if there is nothing."""
    distance, other = comparison.distance, comparison.negative_distance
    said = ""
    if comparison.inverted:
        said = f"inverted (distance to the training images {distance:.1f}, before {other:.1f}). "
    if not comparison.unlike:
        return said.strip()
    reasons = "; ".join(comparison.differences) or "its layout or texture differs"
    said += (
        f"warning: unlike the training images, so the outputs mean little: distance "
        f"{distance:.1f}, and 99 % of real images have at most 1; {reasons}. "
    )
    if comparison.negative_fits:
        return f"{said}Its negative is far more like them ({other:.1f}): use --invert auto"
    return (
        f"{said}What may help: crop it to its object, and give it the background and contrast of "
        "training images"
    )


def _values(
    model: Model,
    path: Path,
    note: str,
    inspection: Inspection,
    comparison: Comparison | None,
) -> dict[str, Any]:
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
        "comparison": None
        if comparison is None
        else {**asdict(comparison), "unlike": comparison.unlike},
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
