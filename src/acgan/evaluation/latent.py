"""The latent chapter: interpolations, one seed in all classes, and the model over training time."""

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

CLASSIFIED = 200
"""Samples of every checkpoint that the reference classifier classifies."""
_SHOWN_CLASSES = 10  # in grids
_SHOWN_SEEDS = 12
_PATHS, _STEPS = 8, 11  # interpolations of a model without classes; images of each
_CHECKPOINTS, _CHECKPOINTS_WITHOUT_CLASSES = 8, 10  # besides the model itself
_STYLE_CLASSES, _STYLE_SEEDS = 20, 100

_LATENTS = (
    "A latent is the noise vector that an image is generated from; a seed identifies one. Along an "
    "interpolation path between two latents (on the sphere on which they lie, White 2016){classes} "
    "the image of a well-trained model changes gradually, and the images between the ends look "
    "like data too. Jumps between very different images indicate that the model has memorized "
    "single images (Odena, Olah & Shlens 2017, §4.3). This section shows; it does not measure."
)
_STYLE = (
    "One seed in every class shows what the latent determines and what the label determines. If "
    "the seed determines the style (brightness, slant, color temperature), the label determines "
    "the content alone. Style consistency is a number for this: simple properties of the image are "
    "compared over many seeds between every two classes. It is 1 if a seed has the same style in "
    "all classes and 0 if a seed has no common style across classes. The properties are crude, and "
    "a model can be good without any consistency: it describes the model and does not rate it."
)
_PAST = (
    "The images over training time come from the checkpoints that the run has saved, with the same "
    "seeds at each of them."
)
_NOT_CONDITIONAL = (
    "The model has no class labels: paths between classes, one seed in every class and style "
    "consistency are omitted."
)
_NO_PAST = (
    "There are no earlier checkpoints beside this model, so images over training time are omitted; "
    "they require the run folder, not the model folder alone."
)
_NO_PAST_OF_A_SET = (
    "The models of a set are separate runs with their own checkpoints (members/ in the run folder "
    "of the set): evaluate one of them to see images over training time."
)


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """The model at one time of its training.

    Attributes:
        images_seen: by the discriminator.
        images: uint8 (n, C, H, W): one per shown class with one seed, or one per seed.
        accuracy: GAN-test accuracy; None for a model without classes.
    """

    images_seen: int
    images: Images = field(repr=False)
    accuracy: float | None


def latent_section(data: EvaluationData) -> Section | None:
    """Show interpolations and images over training time; with classes, measure style consistency.

    Returns:
        None for samples without a model.
    """
    model = data.sample_set.model
    if model is None:
        return None
    notes: list[str] = []
    past = tuple(_snapshots(data, model, notes))
    if not model.conditional:
        return Section(
            key="latent",
            title="Latent structure: interpolation between seeds",
            explanation=(_LATENTS.format(classes=""), _PAST),
            blocks=(_seed_paths(data, model), *_past_blocks(data, past)),
            notes=(_NOT_CONDITIONAL, *notes),
        )
    style, names = _measure_style(data, model), data.group_names
    return Section(
        key="latent",
        title="Latent structure: what do the latent and the label determine?",
        explanation=(_LATENTS.format(classes=" or between two classes"), _STYLE, _PAST),
        metrics=(
            Metric(
                measure="style_consistency",
                title="Style consistency across classes, mean correlation over seeds",
                extractor="pixels",
                value=defined(style.mean),
                aim="high",
                protocol="style",
                note="" if np.isfinite(style.mean) else "Requires images that vary in 2 classes",
            ),
        ),
        blocks=(
            _seed_paths(data, model),
            *_class_paths(data, model),
            _fixed_seeds(data, model),
            _style_table(style),
            *_past_blocks(data, past),
        ),
        findings=latent_findings(
            style,
            [(each.images_seen, each.accuracy) for each in past if each.accuracy is not None],
            CLASSIFIED,
        ),
        protocols={
            "style": {
                "model": model.record.content_hash,
                "seeds": _STYLE_SEEDS,
                "first_seed": data.seed,
                "classes": [names[k] for k in spread(len(names), _STYLE_CLASSES)],
                "statistics": list(style.names),
                "shuffles_seed": data.seed,
            },
            "past": {
                "checkpoints": [each.images_seen for each in past],
                "samples_each": CLASSIFIED,
                "first_seed": data.seed,
                "generator": "averaged weights and batch-norm statistics, as saved",
                "last": "the generator of the model folder",
            },
        },
        notes=tuple(notes),
    )


def spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of ``count`` indices, evenly spaced, with the first and the last."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _shown_classes(data: EvaluationData) -> list[int]:
    return spread(len(data.group_names), _SHOWN_CLASSES)


def _snapshots(data: EvaluationData, model: Model, notes: list[str]) -> Iterator[Snapshot]:
    """Yield the saved checkpoints, oldest first, and the model itself; append to the notes."""
    run = data.sample_set.run
    saved = saved_checkpoints(run, before=model.images_seen) if run is not None else ()
    if not saved:
        notes.append(_NO_PAST_OF_A_SET if model.record.members else _NO_PAST)
        return
    most = _CHECKPOINTS if model.conditional else _CHECKPOINTS_WITHOUT_CLASSES
    saved = tuple(saved[index] for index in spread(len(saved), most))
    for done, checkpoint in enumerate(saved):
        data.progress("checkpoints", done, len(saved) + 1)
        try:
            generator = generator_at(model, checkpoint)
        except DataError as error:
            notes.append(f"{error}; this checkpoint is skipped.")
            continue
        yield _snapshot(data, model, generator, checkpoint.images_seen)
    yield _snapshot(data, model, model.generator, model.images_seen)
    data.progress("checkpoints", len(saved) + 1, len(saved) + 1)


def _snapshot(
    data: EvaluationData, model: Model, generator: Generator, images_seen: int
) -> Snapshot:
    seed = data.seed
    if not model.conditional:
        seeds = range(seed, seed + _SHOWN_SEEDS)
        return Snapshot(images_seen, sample_images(generator, None, seeds), None)
    classes, shown = len(data.group_names), _shown_classes(data)
    labels = np.arange(CLASSIFIED, dtype=np.int64) % classes
    images = sample_images(generator, labels, seed + np.arange(CLASSIFIED) // classes)
    logits = data.required_reference_classifier.predict(images).logits
    return Snapshot(
        images_seen,
        sample_images(generator, shown, [seed] * len(shown)),
        class_agreement(logits, labels).overall,
    )


def _past_blocks(data: EvaluationData, past: Sequence[Snapshot]) -> Iterator[ImageBlock | Table]:
    """Yield the same images at every snapshot, and the accuracies if there are classes."""
    if len(past) < 2:
        return
    conditional = past[0].accuracy is not None
    columns = "Each column is one seed."
    if conditional:
        names = ", ".join(data.group_names[k] for k in _shown_classes(data))
        columns = f"The columns are {names}, all with one seed."
    rows = [f"{each.images_seen:,} images" for each in past]
    yield ImageBlock(
        "The same seed over training time" if conditional else "The same seeds over training time",
        png_bytes(class_grid([each.images for each in past], rows)),
        "Each row is the model after this number of real images; the last row is the model itself. "
        f"{columns}",
    )
    if conditional:
        yield Table(
            title="Accuracy over training time (reference classifier)",
            header=("images seen", f"GAN-test accuracy of {CLASSIFIED} samples"),
            rows=tuple((each.images_seen, each.accuracy) for each in past),
            caption="The saved checkpoints; the last row is the model itself. The accuracy alone "
            "does not identify the best of them: diversity may fall while it rises.",
        )


def _seed_paths(data: EvaluationData, model: Model) -> ImageBlock:
    """Show interpolations between two seeds, of one class each if there are classes."""
    seed = data.seed
    if model.conditional:
        shown = _shown_classes(data)
        names = [data.group_labels[k] for k in shown]
        ends = [((k, k), (seed + n, seed + n + 1)) for n, k in enumerate(shown)]
    else:
        names = [""] * _PATHS
        ends = [((0, 0), (seed + 2 * n, seed + 2 * n + 1)) for n in range(_PATHS)]
    strips = [interpolate(model.generator, labels, seeds, _STEPS) for labels, seeds in ends]
    return ImageBlock(
        "Interpolation between two seeds" + (" of each class" if model.conditional else ""),
        png_bytes(class_grid(strips, names)),
        "The left and right images are samples of two seeds; between them the latent changes in "
        "equal steps. The change should be gradual, and the images between should be as good as "
        "the ends.",
    )


def _class_paths(data: EvaluationData, model: Model) -> Iterator[ImageBlock]:
    """Show interpolations between two classes with one seed."""
    # The models of a set have at least two classes, so each class has a neighbor in its model.
    pairs = [
        (a, next(k for k in (b, a + 1, a - 1) if has_path(model.generator, a, k)))
        for a, b in pairwise(_shown_classes(data))
    ]
    if pairs:
        seeds, names = (data.seed, data.seed), data.group_labels
        strips = [interpolate(model.generator, pair, seeds, _STEPS) for pair in pairs]
        yield ImageBlock(
            "Interpolation between two classes with one seed",
            png_bytes(class_grid(strips, [f"{names[a]} → {names[b]}" for a, b in pairs])),
            "The latent is constant and the class changes in equal steps. The style is what stays "
            "the same along the path. Classes between two classes do not occur in the data, so a "
            "jump is not a fault here.",
        )


def _fixed_seeds(data: EvaluationData, model: Model) -> ImageBlock:
    shown = _shown_classes(data)
    images = _every_seed_of(model, shown, data.seed, _SHOWN_SEEDS)
    return ImageBlock(
        "One seed in every class",
        png_bytes(class_grid(images, [data.group_labels[k] for k in shown])),
        "Each column is one seed, each row a class. If the style is consistent, the images of a "
        "column share brightness, slant or colors, and differ in them from other columns.",
    )


def _measure_style(data: EvaluationData, model: Model) -> StyleConsistency:
    data.progress("style over classes", 0, 1)
    classes = spread(len(data.group_names), _STYLE_CLASSES)
    images = _every_seed_of(model, classes, data.seed, _STYLE_SEEDS)
    style = style_consistency(images.swapaxes(0, 1), seed=data.seed)
    data.progress("style over classes", 1, 1)
    return style


def _every_seed_of(model: Model, classes: Sequence[int], first_seed: int, count: int) -> Images:
    """Return samples of each class with the same seeds, (classes, seeds, C, H, W)."""
    seeds = np.arange(first_seed, first_seed + count)
    # Class after class: a set of models then generates batches of one model's classes.
    images = sample_images(model.generator, np.repeat(classes, count), np.tile(seeds, len(classes)))
    by_class: Images = images.reshape(len(classes), count, *images.shape[1:])
    return by_class


def _style_table(style: StyleConsistency) -> Table:
    values = (map(defined, each) for each in (style.correlations, style.shuffled))
    return Table(
        title="Style consistency by property",
        header=("property", "correlation between two classes", "95 % quantile of shuffled seeds"),
        rows=tuple(zip(style.names, *values, strict=True)),
        caption="Mean correlation over seeds between every two classes. A correlation up to the "
        "last column, the 95 % quantile over 100 shuffles of the seeds, is chance.",
    )
