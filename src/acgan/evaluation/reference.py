"""The real side of every comparison: one judge's view of the parts that it has not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from acgan.classifiers.cache import kept_answers
from acgan.classifiers.extractor import Floats
from acgan.classifiers.judge import Judge
from acgan.data.images import DataParts, LabelledImages
from acgan.errors import DataError
from acgan.evaluation.fidelity import frechet_floor
from acgan.evaluation.labels import class_agreement

PartName = Literal["validation", "test"]


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """The real side of a comparison, computed once for any number of models; `reference` makes it.

    Attributes:
        judge: who looked.
        part: name of the real part that samples are held against.
        real: that part.
        features: float32 (N, 128), the judge's features of it.
        floor: Fréchet distance between the two real parts that the judge has not seen, at equal
            counts; NaN where they are too small.
        floor_count: images on either side of the floor.
        floor_draws: subsets of the larger part over which it is averaged.
        floor_seed: of these subsets.
        accuracy: the judge's on validation and test.
    """

    judge: Judge
    part: PartName
    real: LabelledImages
    features: Floats
    floor: float
    floor_count: int
    floor_draws: int
    floor_seed: int
    accuracy: dict[PartName, float]


def reference(
    judge: Judge,
    parts: DataParts,
    *,
    part: PartName = "test",
    seed: int = 0,
    folder: Path | None = None,
) -> Reference:
    """Look at the real parts: the reference, and the floor between validation and test.

    Args:
        judge: fitted to ``parts.train``.
        parts: of one data set.
        part: what samples are held against: ``test``, or ``validation`` while choosing a recipe.
        seed: of the floor's subsets.
        folder: where the judge's answers to the real parts are kept for the next time; None to
            compute them.

    Raises:
        DataError: the judge learned from other images, or a part is empty.
        DiskError: the answers cannot be written.
    """
    if judge.record.train_hash != parts.train.content_hash:
        raise DataError(
            f"the judge was fitted to other images than the training part of {parts.name}; what "
            "it says of held-out images would not be unseen: fit a judge to this data"
        )
    if not len(parts.validation) or not len(parts.test):
        raise DataError(f"{parts.name} lacks a validation or test part; raise its share")
    real: dict[PartName, LabelledImages] = {"validation": parts.validation, "test": parts.test}
    seen = {
        name: kept_answers(judge, data, folder) if folder else judge.answers(data.images)
        for name, data in real.items()
    }
    floor = frechet_floor(seen["validation"].features, seen["test"].features, seed=seed)
    return Reference(
        judge=judge,
        part=part,
        real=real[part],
        features=seen[part].features,
        floor=floor.distance,
        floor_count=floor.count,
        floor_draws=floor.draws,
        floor_seed=floor.seed,
        accuracy={
            name: class_agreement(seen[name].logits, data.labels).overall
            for name, data in real.items()
        },
    )
