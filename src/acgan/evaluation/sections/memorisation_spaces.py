"""The searches behind the chapter on memorisation: who is nearest to whom, in three ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.data.images import Images, Labels
from acgan.evaluation.copying import Flags, Proximity, blurred, proximities
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.nearest import Indices

MOST = 10_000
"""Samples and held-out images that are looked at; of more, a random choice."""


@final
@dataclass(frozen=True)
class SpaceName:
    """A way to compare images, and how it is called.

    Attributes:
        key: end of its figures' keys.
        name: in figures' names.
        where: in sentences.
        extractor: in protocols.
    """

    key: str
    name: str
    where: str
    extractor: str


PIXELS = SpaceName("pixels", "pixels", "in pixels", "pixels, 0 to 255")
BLURRED = SpaceName(
    "blurred",
    "blurred pixels",
    "without detail",
    "pixels after a Gaussian blur of a fourteenth of the side",
)


def features_of(extractor: str) -> SpaceName:
    """The way to compare images by an extractor's features."""
    whose = "the judge" if extractor == "judge" else extractor
    return SpaceName(extractor, extractor, f"in {whose}'s features", extractor)


@final
@dataclass(frozen=True, eq=False)
class Queries:
    """The images that are looked at, and their classes.

    Attributes:
        samples: uint8 (N, C, H, W).
        sample_rows: int64 (N,), their places among all samples.
        asked: int64 (N,).
        held_out: uint8 (M, C, H, W), real test images.
        held_out_rows: int64 (M,), their places in the test part.
        labels: int64 (M,).
        half: bool (M,), a random half of the held-out images, to hold against the other.
        names: of the K classes.
        ways: to compare images: by pixels, without their detail, by features.
    """

    samples: Images
    sample_rows: Indices
    asked: Labels
    held_out: Images
    held_out_rows: Indices
    labels: Labels
    half: Flags
    names: tuple[str, ...]
    ways: tuple[SpaceName, SpaceName, SpaceName]


@final
@dataclass(frozen=True, eq=False)
class Space:
    """What came of one way to compare.

    Attributes:
        name: of the way.
        samples: how near each sample comes to the training images.
        held_out: how near each held-out image comes.
    """

    name: SpaceName
    samples: Proximity
    held_out: Proximity


def looked_at(evidence: Evidence) -> Queries:
    """The samples and the test images that are looked at."""
    subject, test = evidence.subject, evidence.parts.test
    some, held_out = (_chosen(len(each), evidence.seed) for each in (subject.samples, test))
    return Queries(
        samples=subject.samples[some],
        sample_rows=some,
        asked=subject.asked[some],
        held_out=test.images[held_out],
        held_out_rows=held_out,
        labels=evidence.groups("test")[held_out],
        half=np.random.default_rng(evidence.seed).permutation(len(held_out)) % 2 == 0,
        names=evidence.names,
        ways=(PIXELS, BLURRED, features_of(evidence.eye.name)),
    )


def compare(evidence: Evidence, queries: Queries) -> tuple[Space, ...]:
    """Search the training images, in pixels, without detail, and in features."""
    judge, training = evidence.eye, evidence.parts.train.images
    sides = (queries.samples, queries.held_out)
    features = (
        evidence.samples_seen_by(judge).features[queries.sample_rows],
        evidence.part_seen_by(judge, "test").features[queries.held_out_rows],
    )
    found = []
    for done, name in enumerate(queries.ways):
        evidence.progress("nearest training images", done, len(queries.ways))
        if name is PIXELS:
            found.append(proximities(training, sides))
        elif name is BLURRED:
            found.append(proximities(blurred(training), [blurred(each) for each in sides]))
        else:
            found.append(proximities(evidence.part_seen_by(judge, "train").features, features))
    evidence.progress("nearest training images", len(queries.ways), len(queries.ways))
    return tuple(Space(name, *each) for name, each in zip(queries.ways, found, strict=True))


def _chosen(total: int, seed: int) -> Indices:
    if total <= MOST:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:MOST])
