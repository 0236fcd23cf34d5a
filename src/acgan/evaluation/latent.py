"""Samples over training time, from the checkpoints that a run has kept.

The chapter on latent structure for a model without classes: ways between seeds, and the past.

The chapter on latent structure: ways between images, one seed in all classes, and the past.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

import numpy as np

from acgan.data.images import Images
from acgan.errors import DataError
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.latent_findings import latent_findings
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.style import StyleConsistency, style_consistency
from acgan.model.model import Model, generator_at
from acgan.networks.interface import Generator
from acgan.plots.grid import class_grid, png_bytes
from acgan.report.section import ImageBlock, Metric, Section, Table, defined
from acgan.runs.checkpoint import saved_checkpoints
from acgan.sampling.interpolation import has_path, interpolate
from acgan.sampling.sampler import sample_images

SHOWN_CLASSES = 10
"""Classes that pictures show at most."""
JUDGED = 200
"""Samples that the judge reads of every checkpoint."""
_MOST_CHECKPOINTS = 8  # besides the model itself


@final
@dataclass(frozen=True, eq=False)
class Moment:
    """The model at one time.

    Attributes:
        images_seen: by the discriminator.
        accuracy: the judge's share of samples read as the class asked for.
        images: uint8 (n, C, H, W), one of each class that is shown, all of one seed.
    """

    images_seen: int
    accuracy: float
    images: Images = field(repr=False)


def moments_of(data: EvaluationData, model: Model, notes: list[str]) -> Iterator[Moment]:
    """The kept checkpoints, oldest first, and the model itself; what is missing goes to notes."""
    run = data.sample_set.run
    kept = saved_checkpoints(run, before=model.images_seen) if run is not None else ()
    if not kept:
        notes.append(
            "The past of a set is its members', each of which is a run with checkpoints of its own "
            "(members/ in the set's run): evaluate one of them to see it."
            if model.record.members
            else "No earlier checkpoints lie beside this model, so its past cannot be shown; that "
            "takes the run's folder, not the model folder alone."
        )
        return
    if len(kept) > _MOST_CHECKPOINTS:
        kept = tuple(kept[i] for i in spread(len(kept), _MOST_CHECKPOINTS))
    for done, checkpoint in enumerate(kept):
        data.progress("checkpoints", done, len(kept) + 1)
        try:
            generator = generator_at(model, checkpoint)
        except DataError as error:
            notes.append(f"{error}; it is left out.")
            continue
        yield _moment(data, generator, checkpoint.images_seen)
    yield _moment(data, model.generator, model.images_seen)
    data.progress("checkpoints", len(kept) + 1, len(kept) + 1)


def _moment(data: EvaluationData, generator: Generator, images_seen: int) -> Moment:
    classes, seed = len(data.group_names), data.seed
    labels = np.arange(JUDGED, dtype=np.int64) % classes
    images = sample_images(generator, labels, seed + np.arange(JUDGED) // classes)
    agreement = class_agreement(data.required_reference_classifier.predict(images).logits, labels)
    shown = spread(classes, SHOWN_CLASSES)
    return Moment(
        images_seen, agreement.overall, sample_images(generator, shown, [seed] * len(shown))
    )


def past_blocks(data: EvaluationData, moments: Sequence[Moment]) -> Iterator[ImageBlock | Table]:
    """The same images at every moment, and the accuracies."""
    shown = [data.group_names[k] for k in spread(len(data.group_names), SHOWN_CLASSES)]
    yield ImageBlock(
        "The same seed over training time",
        png_bytes(
            class_grid(
                [each.images for each in moments],
                [f"{each.images_seen:,} images" for each in moments],
            )
        ),
        f"Every row is the model after so many real images, the last as it is now; the columns are "
        f"{', '.join(shown)}, all with one seed.",
    )
    yield Table(
        title="Accuracy over training time (judge)",
        header=("images seen", f"read as the class asked for, of {JUDGED}"),
        rows=tuple((each.images_seen, each.accuracy) for each in moments),
        caption="By the kept checkpoints; the last row is the model itself. Accuracy alone does "
        "not say which of them is the best: variety may fall while it rises.",
    )


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` indices, evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


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


def latent_of_all_section(data: EvaluationData) -> Section | None:
    """Interpolations and samples over training time.

    Returns:
        None for samples without a model.
    """
    model = data.sample_set.model
    if model is None:
        return None
    notes = [_LEFT_OUT]
    return Section(
        key="latent",
        title="Latent structure: from one seed to another",
        explanation=_EXPLANATION,
        blocks=(_ways(model, data.seed), *_past(data, model, notes)),
        notes=tuple(notes),
    )


def _ways(model: Model, seed: int) -> ImageBlock:
    ends = [(seed + 2 * n, seed + 2 * n + 1) for n in range(_WAYS)]
    strips = [interpolate(model.generator, (0, 0), each, _STEPS) for each in ends]
    return ImageBlock(
        "From one seed to another",
        png_bytes(class_grid(strips, [""] * len(strips))),
        "Left and right are samples of two seeds, between them the latent moves in equal steps. "
        "Look for gradual change, and for images between that are as good as the ends.",
    )


def _past(data: EvaluationData, model: Model, notes: list[str]) -> Iterator[ImageBlock]:
    run = data.sample_set.run
    kept = saved_checkpoints(run, before=model.images_seen) if run is not None else ()
    seeds = range(data.seed, data.seed + _SEEDS)
    rows, names = [], []
    for checkpoint in [kept[index] for index in spread(len(kept), _MOMENTS)]:
        try:
            rows.append(sample_images(generator_at(model, checkpoint), None, seeds))
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
    yield ImageBlock(
        "The same seeds over training time",
        png_bytes(class_grid(rows, names)),
        "Every row is the model after so many real images, the last as it is now; every column is "
        "one seed.",
    )


_MEASURED_CLASSES = 20  # for the style
_LATENT_STEPS = 11  # of an interpolation
_SHOWN_SEEDS = 12
_STYLE_SEEDS = 100

_LATENT_EXPLANATION = (
    "A latent is the noise that an image is made from; a seed names one. On the way from one "
    "latent to another (along the sphere on which they lie, White 2016) or from one class to "
    "another, a model that has understood its data changes the image gradually, and what lies "
    "between looks like data too. Jumps from one picture to a quite different one point to a model "
    "that has learned single images by heart (Odena, Olah & Shlens 2017, §4.3). To be seen, not "
    "measured.",
    "One seed drawn in every class shows what the model keeps in the latent and what in the class. "
    "If the seed decides the style (how bright, how slanted, how warm), the label decides the "
    "content alone. As a number: simple properties of the image are compared over many seeds "
    "between every two classes; 1 means that a seed has the same style in all classes, 0 that it "
    "means nothing across classes. The properties are crude, and a model may be good without "
    "keeping any: it is a property of the model, not a mark.",
    "The past of the model is drawn from the checkpoints that its run has kept: the same seed and "
    "classes at each of them.",
)


def latent_section(data: EvaluationData) -> Section | None:
    """Interpolations, one seed across classes, and samples over training time.

    Returns:
        None for samples without a model.
    """
    model = data.sample_set.model
    if model is None:
        return None
    style = _style(data, model)
    notes: list[str] = []
    moments = tuple(moments_of(data, model, notes))
    blocks: list[ImageBlock | Table] = [*_latent_ways(data, model), _fixed_seeds(data, model)]
    blocks.append(_style_table(style))
    if len(moments) > 1:
        blocks += past_blocks(data, moments)
    return Section(
        key="latent",
        title="Latent structure: what the noise decides, and what the class",
        explanation=_LATENT_EXPLANATION,
        metrics=(_style_figure(style),),
        blocks=tuple(blocks),
        findings=latent_findings(
            style, [(each.images_seen, each.accuracy) for each in moments], JUDGED
        ),
        protocols={
            "style": {
                "model": model.record.content_hash,
                "seeds": _STYLE_SEEDS,
                "first_seed": data.seed,
                "classes": [
                    data.group_names[k] for k in spread(len(data.group_names), _MEASURED_CLASSES)
                ],
                "statistics": list(style.names),
                "shuffles_seed": data.seed,
            },
            "past": {
                "checkpoints": [each.images_seen for each in moments],
                "samples_each": JUDGED,
                "first_seed": data.seed,
                "generator": "averaged weights and batch-norm statistics, as saved",
                "last": "the model folder's own generator",
            },
        },
        notes=tuple(notes),
    )


def _latent_ways(data: EvaluationData, model: Model) -> Iterator[ImageBlock]:
    """Strips between two seeds of one class, and between two classes at one seed."""
    shown, seed = spread(len(data.group_names), SHOWN_CLASSES), data.seed
    names = [data.group_names[k] for k in shown]
    strips = [
        interpolate(model.generator, (k, k), (seed + n, seed + n + 1), _LATENT_STEPS)
        for n, k in enumerate(shown)
    ]
    yield ImageBlock(
        "From one seed to another, class by class",
        png_bytes(class_grid(strips, names)),
        "Left and right are samples of two seeds, between them the latent moves in equal steps. "
        "Look for gradual change, and for images between that are as good as the ends.",
    )
    if len(shown) < 2:
        return
    pairs = _neighbors(model, shown)
    yield ImageBlock(
        "From one class to the next, with one seed",
        png_bytes(
            class_grid(
                [interpolate(model.generator, pair, (seed, seed), _LATENT_STEPS) for pair in pairs],
                [f"{data.group_names[a]} → {data.group_names[b]}" for a, b in pairs],
            )
        ),
        "The latent stays, the class moves in equal steps. What remains of the image on the way is "
        "its style. Classes between two classes do not exist in the data, so a jump is no fault "
        "here.",
    )


def _neighbors(model: Model, shown: list[int]) -> list[tuple[int, int]]:
    """Each class that is shown and the next; where two networks draw these, the next that one does.

    Members of a set have two classes at least, so one beside it there is.
    """
    pairs = []
    for first, after in pairwise(shown):
        beside = (after, first + 1, first - 1)
        ways = (last for last in beside if has_path(model.generator, first, last))
        pairs.append((first, next(ways)))
    return pairs


def _fixed_seeds(data: EvaluationData, model: Model) -> ImageBlock:
    shown = spread(len(data.group_names), SHOWN_CLASSES)
    seeds = range(data.seed, data.seed + _SHOWN_SEEDS)
    labels = np.repeat(shown, len(seeds))
    images = sample_images(model.generator, labels, list(seeds) * len(shown))
    grid = class_grid(
        images.reshape(len(shown), len(seeds), *images.shape[1:]),
        [data.group_names[k] for k in shown],
    )
    return ImageBlock(
        "One seed in every class",
        png_bytes(grid),
        "Every column is one seed, every row a class. Look down a column: if the style is kept, "
        "its images share brightness, slant or colors; other columns have others.",
    )


def _style(data: EvaluationData, model: Model) -> StyleConsistency:
    measured = spread(len(data.group_names), _MEASURED_CLASSES)
    seeds = np.arange(data.seed, data.seed + _STYLE_SEEDS)
    data.progress("style over classes", 0, 1)
    # class after class: a set of models draws batches of one member's classes in one pass
    images = sample_images(
        model.generator, np.repeat(measured, len(seeds)), np.tile(seeds, len(measured))
    )
    by_class = images.reshape(len(measured), len(seeds), *images.shape[1:])
    kept = style_consistency(by_class.swapaxes(0, 1), seed=data.seed)
    data.progress("style over classes", 1, 1)
    return kept


def _style_figure(style: StyleConsistency) -> Metric:
    value = defined(style.mean)
    return Metric(
        measure="style_consistency",
        extractor="pixels",
        title="Style kept across classes (mean correlation over seeds)",
        value=value,
        aim="high",
        protocol="style",
        note="the images of fewer than two classes vary" if value is None else "",
    )


def _style_table(style: StyleConsistency) -> Table:
    return Table(
        title="Style kept across classes, property by property",
        header=("property", "correlation between two classes", "shuffled seeds stay below"),
        rows=tuple(
            (name, defined(float(found)), defined(float(chance)))
            for name, found, chance in zip(
                style.names, style.correlations, style.shuffled, strict=True
            )
        ),
        caption="Mean correlation over seeds between every two classes. The last column is what 95 "
        "of 100 shuffles of the seeds stay below: no more than that is chance.",
    )
