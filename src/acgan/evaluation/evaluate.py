"""The whole evaluation: every chapter in turn, each with the seconds it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, final

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.section import Section
from acgan.evaluation.sections.diversity import diversity_section
from acgan.evaluation.sections.fidelity import fidelity_section
from acgan.evaluation.sections.labels import labels_section
from acgan.evaluation.sections.latent import latent_section
from acgan.evaluation.sections.memorisation import memorisation_section

Result = TypeVar("Result")
PartDone = Callable[[str, float], None]
"""Told the name of a part of the work and the seconds it took."""


@final
@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Attributes:
        sections: the chapters, in reading order.
        seconds: by part of the work, in the order in which they were done.
    """

    sections: tuple[Section, ...]
    seconds: dict[str, float]


def evaluate(
    evidence: Evidence,
    extractors: Sequence[Extractor],
    *,
    imagenet: Extractor | None = None,
    own_training_part: bool = True,
    done: PartDone = lambda _part, _seconds: None,
) -> Evaluation:
    """Every measure of the samples; the same evidence gives the same figures.

    Args:
        evidence: samples, real parts and judge.
        extractors: in whose features fidelity is measured; answers are computed here.
        imagenet: the one of them that knows ImageNet's classes, for discriminability.
        own_training_part: whether ``evidence.parts.train`` is what the model learned from; copies
            of training images cannot be looked for without it.
        done: told of each part.
    """
    seconds: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        result = work()
        seconds[part] = time.perf_counter() - started
        done(part, seconds[part])
        return result

    for extractor in extractors:
        timed(f"{extractor.name}: samples", partial(evidence.samples_seen_by, extractor))
        timed(f"{extractor.name}: real images", partial(_look_at_real_images, evidence, extractor))
    chapters: list[tuple[str, Callable[[], Section | None]]] = [
        ("fidelity", lambda: fidelity_section(evidence, extractors)),
        ("labels", lambda: labels_section(evidence, imagenet)),
        ("diversity", lambda: diversity_section(evidence)),
    ]
    if own_training_part:
        chapters.append(("memorisation", lambda: memorisation_section(evidence)))
    chapters.append(("latent structure", lambda: latent_section(evidence)))
    sections = [timed(name, chapter) for name, chapter in chapters]
    return Evaluation(tuple(each for each in sections if each is not None), seconds)


def _look_at_real_images(evidence: Evidence, extractor: Extractor) -> None:
    evidence.part_seen_by(extractor, "validation")
    evidence.part_seen_by(extractor, "test")
