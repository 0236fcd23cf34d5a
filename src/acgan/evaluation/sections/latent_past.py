"""Samples over training time, from the checkpoints that a run has kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from acgan.data.images import Images
from acgan.errors import DataError
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.labels import class_agreement
from acgan.evaluation.section import Picture, Table
from acgan.kept_checkpoints import generator_at, kept_checkpoints
from acgan.model import Model
from acgan.networks.interface import Generator
from acgan.pictures.sheet import class_sheet, png_bytes
from acgan.sampling import sample_images

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


def moments_of(evidence: Evidence, model: Model, notes: list[str]) -> Iterator[Moment]:
    """The kept checkpoints, oldest first, and the model itself; what is missing goes to notes."""
    run = evidence.subject.run
    kept = kept_checkpoints(run, before=model.images_seen) if run is not None else ()
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
        evidence.progress("checkpoints", done, len(kept) + 1)
        try:
            generator = generator_at(checkpoint, model)
        except DataError as error:
            notes.append(f"{error}; it is left out.")
            continue
        yield _moment(evidence, generator, checkpoint.images_seen)
    yield _moment(evidence, model.generator, model.images_seen)
    evidence.progress("checkpoints", len(kept) + 1, len(kept) + 1)


def _moment(evidence: Evidence, generator: Generator, images_seen: int) -> Moment:
    classes, seed = len(evidence.names), evidence.seed
    labels = np.arange(JUDGED, dtype=np.int64) % classes
    images = sample_images(generator, labels, seed + np.arange(JUDGED) // classes)
    agreement = class_agreement(evidence.the_judge.answers(images).logits, labels)
    shown = spread(classes, SHOWN_CLASSES)
    return Moment(
        images_seen, agreement.overall, sample_images(generator, shown, [seed] * len(shown))
    )


def past_blocks(evidence: Evidence, moments: Sequence[Moment]) -> Iterator[Picture | Table]:
    """The same images at every moment, and the accuracies."""
    shown = [evidence.names[k] for k in spread(len(evidence.names), SHOWN_CLASSES)]
    yield Picture(
        "The same seed over training time",
        png_bytes(
            class_sheet(
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
