"""`acgan inspect`: what the discriminator answers to a person's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acgan.cli.output import JsonFlag, result, say, table

if TYPE_CHECKING:
    from acgan.model.inspection import Opinion
    from acgan.model.model import Model

_SHOWN = 3
_WARNING = (
    "note: these are the discriminator's opinions of one moment of its training, not calibrated "
    "probabilities; it knows its training images and its generator's, and nothing else"
)


def inspect(
    model: Annotated[Path, typer.Argument(help="A run or its model folder.", metavar="MODEL")],
    images: Annotated[list[Path], typer.Argument(help="Image files.", metavar="IMAGE...")],
    as_json: JsonFlag = False,
) -> None:
    """Ask the discriminator about your own pictures.

    Are they real or drawn, and of which class? A discriminator that has to be told the class (a
    projection) is asked about each, and "as" is the class for which the picture looks most real.

    Pictures are brought to the model's size and channels first; what was changed is said.
    """
    from acgan.model.inspection import opinions, read_pictures
    from acgan.model.model import load

    trained = load(model)
    pixels, notes = read_pictures(images, trained.shape)
    predictions = opinions(trained, pixels)
    values = [
        _values(trained, path, note, answer)
        for path, note, answer in zip(images, notes, predictions, strict=True)
    ]
    rows = [_row(value) for value in values]
    say(_WARNING)
    first = predictions[0]
    classes = 0 if first.class_probabilities is None else min(_SHOWN, len(trained.classes))
    given = () if first.source_class is None else ("as",)
    header = ("image", "source", "real", *given, *(["class"] * classes), "changes")
    result(values, table(header, rows, ("source", "real")), as_json=as_json)


def _values(model: Model, path: Path, note: str, answer: Opinion) -> dict[str, Any]:
    shares = answer.class_probabilities
    classes = None
    if shares is not None:
        order = (-shares).argsort(kind="stable")
        classes = {model.classes[index].name: float(shares[index]) for index in order}
    return {
        "image": path,
        "source_logit": answer.source_logit,
        "source_class": None
        if answer.source_class is None
        else model.classes[answer.source_class].name,
        "source_probability": answer.source_probability,
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
