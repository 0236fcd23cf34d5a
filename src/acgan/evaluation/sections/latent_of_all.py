"""The chapter on latent structure for a model without classes: ways between seeds, and the past."""

from __future__ import annotations

from collections.abc import Iterator

from acgan.errors import DataError
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.section import Picture, Section
from acgan.evaluation.sections.latent_past import spread
from acgan.interpolation import interpolate
from acgan.kept_checkpoints import generator_at, kept_checkpoints
from acgan.model import Model
from acgan.pictures.sheet import class_sheet, png_bytes
from acgan.sampling import sample_images

_WAYS, _STEPS = 8, 11
_MOMENTS, _SEEDS = 10, 12

_EXPLANATION = (
    "A latent is the noise that an image is made from; a seed names one. On the way from one "
    "latent to another (along the sphere on which they lie, White 2016) a model that has "
    "understood its data changes the image gradually, and what lies between looks like data too. "
    "Jumps from one picture to a quite different one point to a model that has learned single "
    "images by heart (Odena, Olah & Shlens 2017, §4.3). To be seen, not measured.",
    "The past of the model is drawn from the checkpoints that its run has kept: the same seeds at "
    "each of them.",
)
_LEFT_OUT = (
    "The model is asked for no class, so that ways between classes, one seed in every class and "
    "the style kept across classes are left out."
)


def latent_of_all_section(evidence: Evidence) -> Section | None:
    """Interpolations and samples over training time.

    Returns:
        None for samples without a model.
    """
    model = evidence.subject.model
    if model is None:
        return None
    notes = [_LEFT_OUT]
    return Section(
        key="latent",
        title="Latent structure: from one seed to another",
        explanation=_EXPLANATION,
        blocks=(_ways(model, evidence.seed), *_past(evidence, model, notes)),
        notes=tuple(notes),
    )


def _ways(model: Model, seed: int) -> Picture:
    ends = [(seed + 2 * n, seed + 2 * n + 1) for n in range(_WAYS)]
    strips = [interpolate(model.generator, (0, 0), each, _STEPS) for each in ends]
    return Picture(
        "From one seed to another",
        png_bytes(class_sheet(strips, [""] * len(strips))),
        "Left and right are samples of two seeds, between them the latent moves in equal steps. "
        "Look for gradual change, and for images between that are as good as the ends.",
    )


def _past(evidence: Evidence, model: Model, notes: list[str]) -> Iterator[Picture]:
    run = evidence.subject.run
    kept = kept_checkpoints(run, before=model.images_seen) if run is not None else ()
    seeds = range(evidence.seed, evidence.seed + _SEEDS)
    rows, names = [], []
    for checkpoint in [kept[index] for index in spread(len(kept), _MOMENTS)]:
        try:
            rows.append(sample_images(generator_at(checkpoint, model), None, seeds))
            names.append(f"{checkpoint.images_seen:,} images")
        except DataError as error:
            notes.append(f"{error}; it is left out.")
    if not rows:
        notes.append(
            "No earlier checkpoints lie beside this model, so its past cannot be shown; that takes "
            "the run's folder, not the model folder alone."
        )
        return
    rows.append(sample_images(model.generator, None, seeds))
    names.append(f"{model.images_seen:,} images")
    yield Picture(
        "The same seeds over training time",
        png_bytes(class_sheet(rows, names)),
        "Every row is the model after so many real images, the last as it is now; every column is "
        "one seed.",
    )
