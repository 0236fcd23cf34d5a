"""The searches behind the chapter on memorization: who is nearest to whom, in three ways.

The figures of the chapter on memorization, each beside that of held-out real images.

The chapter on memorization: are samples new, or training images handed back?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.data.images import Images, Labels
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.memorization_findings import NearCopies, memorization_findings
from acgan.evaluation.neighbor_images import distance_chart, neighbor_grid
from acgan.metrics.arrays import BoolArray, Int64Array
from acgan.metrics.memorization import (
    NEAR_COPY,
    Proximity,
    blurred,
    copying_test,
    nearest_by_l1,
    proximities,
)
from acgan.metrics.sharpness import laplacian_energy
from acgan.report.section import Aim, Finding, ImageBlock, Metric, Section, defined

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
    "blurred-pixels",
    "blurred pixels",
    "without detail",
    "pixels after a Gaussian blur of a fourteenth of the side",
)


def features_of(extractor: str) -> SpaceName:
    """The way to compare images by an extractor's features."""
    whose = "the reference classifier" if extractor == "reference-classifier" else extractor
    return SpaceName(extractor, extractor, f"in {whose}'s features", extractor)


@final
@dataclass(frozen=True, eq=False)
class Queries:
    """The images that are looked at, and their classes.

    Attributes:
        samples: uint8 (N, C, H, W).
        sample_rows: int64 (N,), their places among all samples.
        target_labels: int64 (N,).
        held_out: uint8 (M, C, H, W), real test images.
        held_out_rows: int64 (M,), their places in the test part.
        labels: int64 (M,).
        half: bool (M,), a random half of the held-out images, to hold against the other.
        names: of the K classes.
        ways: to compare images: by pixels, without their detail, by features.
    """

    samples: Images
    sample_rows: Int64Array
    target_labels: Labels
    held_out: Images
    held_out_rows: Int64Array
    labels: Labels
    half: BoolArray
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


def looked_at(data: EvaluationData) -> Queries:
    """The samples and the test images that are looked at."""
    sample_set, test = data.sample_set, data.splits.test
    some, held_out = (_chosen(len(each), data.seed) for each in (sample_set.samples, test))
    return Queries(
        samples=sample_set.samples[some],
        sample_rows=some,
        target_labels=sample_set.target_labels[some],
        held_out=test.images[held_out],
        held_out_rows=held_out,
        labels=data.split_groups("test")[held_out],
        half=np.random.default_rng(data.seed).permutation(len(held_out)) % 2 == 0,
        names=data.group_names,
        ways=(PIXELS, BLURRED, features_of(data.extractor.name)),
    )


def compare(data: EvaluationData, queries: Queries) -> tuple[Space, ...]:
    """Search the training images, in pixels, without detail, and in features."""
    reference_classifier, training = data.extractor, data.splits.train.images
    sides = (queries.samples, queries.held_out)
    features = (
        data.sample_predictions(reference_classifier).features[queries.sample_rows],
        data.split_predictions(reference_classifier, "test").features[queries.held_out_rows],
    )
    found = []
    for done, name in enumerate(queries.ways):
        data.progress("nearest training images", done, len(queries.ways))
        if name is PIXELS:
            found.append(proximities(training, sides))
        elif name is BLURRED:
            found.append(proximities(blurred(training), [blurred(each) for each in sides]))
        else:
            found.append(
                proximities(
                    data.split_predictions(reference_classifier, "train").features, features
                )
            )
    data.progress("nearest training images", len(queries.ways), len(queries.ways))
    return tuple(Space(name, *each) for name, each in zip(queries.ways, found, strict=True))


def _chosen(total: int, seed: int) -> Int64Array:
    if total <= MOST:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:MOST])


FEWEST = 20
"""Samples and test images, in all or of a class, below which there is no figure."""

Pair = tuple[float, float]
"""A figure and its floor."""

_TOO_FEW = f"It takes {FEWEST} samples, {FEWEST} test images and two training images."


def memorization_metrics(queries: Queries, spaces: Sequence[Space]) -> tuple[Metric, ...]:
    """Near copies, authenticity, the data-copying test, and the ratio of distances.

    Args:
        queries: the images that were looked at.
        spaces: what came of it, as `compare` gives it; none where the images are too few.
    """
    by_name = {space.name: space for space in spaces}
    metrics = []
    pixels, _, features = queries.ways
    for name in queries.ways:
        metrics.append(
            _metric(
                "near_copies",
                "Share of near copies",
                "baseline",
                name,
                by_name,
                queries,
                _copies,
            )
        )
    for name in (pixels, features):
        metrics.append(
            _metric(
                "authenticity", "Authentic share", "baseline", name, by_name, queries, _authentic
            )
        )
    for name in (pixels, features):
        metrics.append(_copying_test(name, by_name.get(name), queries))
    for name in (pixels, features):
        metrics.append(
            _metric(
                "nearest_distance_ratio",
                "Median distance to the nearest training image, samples over held-out",
                "one",
                name,
                by_name,
                queries,
                _nearest,
            )
        )
    return tuple(metrics)


def _copies(space: Space, samples: BoolArray, held_out: BoolArray, _half: BoolArray) -> Pair:
    return _means(space.samples.near_copy[samples], space.held_out.near_copy[held_out])


def _authentic(space: Space, samples: BoolArray, held_out: BoolArray, _half: BoolArray) -> Pair:
    return _means(space.samples.authentic[samples], space.held_out.authentic[held_out])


def _nearest(space: Space, samples: BoolArray, held_out: BoolArray, half: BoolArray) -> Pair:
    real = space.held_out.distance

    def ratio(above: float, below: float) -> float:
        return above / below if below > 0 else np.nan

    return (
        ratio(np.median(space.samples.distance[samples]), np.median(real[held_out])),
        ratio(np.median(real[held_out & half]), np.median(real[held_out & ~half])),
    )


def _means(samples: BoolArray, held_out: BoolArray) -> Pair:
    return float(samples.mean()), float(held_out.mean())


def _metric(
    measure: str,
    title: str,
    aim: Aim,
    name: SpaceName,
    spaces: dict[SpaceName, Space],
    queries: Queries,
    compare_sides: Callable[[Space, BoolArray, BoolArray, BoolArray], Pair],
) -> Metric:
    """A measure of all images and of each class's."""
    space = spaces.get(name)
    if space is None:
        return _none(measure, title, aim, name)
    everything = np.ones(len(queries.target_labels), bool), np.ones(len(queries.labels), bool)
    value, baseline = compare_sides(space, *everything, queries.half)
    per_class: list[Pair] = []
    for index in range(len(queries.names)):
        members = queries.target_labels == index, queries.labels == index
        enough = min(each.sum() for each in members) >= FEWEST
        per_class.append(
            compare_sides(space, *members, queries.half) if enough else (np.nan, np.nan)
        )
    return Metric(
        measure=measure,
        title=title,
        extractor=name.key,
        value=defined(value),
        aim=aim,
        protocol=f"memorization.{name.key}",
        baseline=defined(baseline),
        per_class=tuple(defined(each) for each, _ in per_class),
        per_class_baseline=tuple(defined(each) for _, each in per_class),
    )


def _copying_test(name: SpaceName, space: Space | None, queries: Queries) -> Metric:
    measure, title = "data_copying_test", "Data-copying test C_T, in standard deviations"
    if space is None:
        return _none(measure, title, "baseline", name)
    real, half, classes = space.held_out.distance, queries.half, len(queries.names)
    test = copying_test(
        space.samples.distance, queries.target_labels, real, queries.labels, classes, fewest=FEWEST
    )
    baseline = copying_test(
        real[half],
        queries.labels[half],
        real[~half],
        queries.labels[~half],
        classes,
        fewest=FEWEST // 2,
    )
    value = defined(test.pooled)
    return Metric(
        measure=measure,
        title=title,
        extractor=name.key,
        value=value,
        aim="baseline",
        protocol=f"memorization.{name.key}",
        baseline=defined(baseline.pooled),
        per_class=tuple(map(defined, test.per_class.tolist())),
        per_class_baseline=tuple(map(defined, baseline.per_class.tolist())),
        note=f"No class has {FEWEST} samples and {FEWEST} test images." if value is None else "",
    )


def _none(measure: str, title: str, aim: Aim, name: SpaceName) -> Metric:
    return Metric(
        measure=measure,
        title=title,
        extractor=name.key,
        value=None,
        aim=aim,
        protocol=f"memorization.{name.key}",
        note=_TOO_FEW,
    )


Spaces = tuple[Space, ...]

_SHOWN = 2  # samples of a class in each picture
_MOST_CLASSES = 12  # in each picture

_EXPLANATION = (
    "A model that hands its training images back gets perfect marks for fidelity, labels and "
    "variety, and is worth nothing. So each sample's nearest training image is looked for, among "
    "all of them: in pixels, in pixels from which a blur has taken all detail, and in the judge's "
    "features. The same is done for held-out real images, which nobody can have copied: they too "
    "lie near some training image, and how near is what to compare with. No number alone detects "
    "copying: look at the pictures. If a sample and its neighbor show the same shirt, not just a "
    "shirt, it is copied.",
    "Near copies are samples whose distance to their training image is less than 0.7 of the "
    "distance from that training image to its own nearest other training image. Real images come "
    "that near now and then, more often in data with duplicates. Blur and noise hide a copy in "
    "pixels; with the detail blurred away on all sides, a blurred copy meets its source again "
    "while a merely blurry model's samples do not. A shifted or mirrored copy escapes both; "
    "the judge's features find some of those.",
    "The authentic share (Alaa et al. 2022, §3) counts the samples farther from their training "
    "image than that one is from the next: 0 for copies, and for new images what it is for the "
    "held-out ones, which is less than 1.",
    "The data-copying test C_T (Meehan, Chaudhuri & Dasgupta 2020) asks within each class whether "
    "samples lie nearer to the training images than held-out images do (Mann and Whitney's z, the "
    "classes weighted by their held-out images). Far below 0 is copying, far above is samples that "
    "are not like the data. It counts how sure a difference is, not how large: with thousands of "
    "images a harmless one gives −10. Smooth and typical samples give negative values too. The "
    "ratio of median distances beside it says how large.",
    "The judge learned from the training images, so their features are not like those of unseen "
    "images. That is why its figures too compare samples with held-out images, neither of which "
    "it has seen, and mean nothing without that comparison.",
)
_UNKNOWN = (
    "Nobody knows whether the samples' maker learned from the held-out images too, or from these "
    "training images at all. The comparison says only whether these training images were copied."
)


def memorization_section(data: EvaluationData) -> Section:
    """Near copies, authenticity, the data-copying test, distances, and the pictures beside them."""
    splits = data.splits
    few = min(len(data.sample_set.samples), len(splits.test)) < FEWEST or len(splits.train) < 2
    queries = looked_at(data)
    spaces = () if few else compare(data, queries)
    return Section(
        key="memorization",
        title="Memorization",
        explanation=_EXPLANATION,
        metrics=memorization_metrics(queries, spaces),
        blocks=() if few else _blocks(data, queries, spaces),
        findings=() if few else _findings(data, queries, spaces),
        protocols=_protocols(data, queries),
        notes=() if data.held_out else (_UNKNOWN,),
    )


def _blocks(data: EvaluationData, queries: Queries, spaces: Spaces) -> tuple[ImageBlock, ...]:
    return (
        _closest(data, queries, spaces),
        _random(data, queries, spaces),
        _chart(spaces),
    )


def _closest(data: EvaluationData, queries: Queries, spaces: Spaces) -> ImageBlock:
    closeness = np.min([space.samples.closeness for space in spaces], axis=0)
    order = np.argsort(closeness, kind="stable")
    which = "For each class the samples" if data.sample_set.conditional else "The samples"
    return ImageBlock(
        "The most suspicious samples",
        _grid(data, queries, spaces, order),
        f"{which} that come nearest to a training image, measured by how far "
        "that one is from the next, whichever comparison finds them; beside each its nearest "
        "training images by squared and by absolute differences of pixels and in "
        "features. Of thousands of samples some will always come near. Look whether they show the "
        "very same thing.",
    )


def _random(data: EvaluationData, queries: Queries, spaces: Spaces) -> ImageBlock:
    order = np.random.default_rng(data.seed).permutation(len(queries.samples))
    return ImageBlock(
        "Some random samples",
        _grid(data, queries, spaces, order),
        "The same for samples drawn at random: what the model usually does.",
    )


def _grid(data: EvaluationData, queries: Queries, spaces: Spaces, order: Int64Array) -> bytes:
    """The first samples of each class in that order, beside their nearest training images."""
    pixels, _, features = spaces
    training = data.splits.train.images
    rows = [index for index in range(len(queries.names)) if (queries.target_labels == index).any()][
        :_MOST_CLASSES
    ]
    names = [queries.names[index] for index in rows]
    chosen = [order[queries.target_labels[order] == index][:_SHOWN] for index in rows]
    if not data.sample_set.conditional:
        shown = order[: _SHOWN * _MOST_CLASSES]
        chosen = [shown[start : start + _SHOWN] for start in range(0, len(shown), _SHOWN)]
        names = [""] * len(chosen)
    by_l1 = nearest_by_l1(queries.samples[np.concatenate(chosen)], training)
    l1 = np.split(by_l1, np.cumsum([len(each) for each in chosen])[:-1])
    return neighbor_grid(
        names,
        [queries.samples[each] for each in chosen],
        [
            ("pixels, L2", [training[pixels.samples.index[each]] for each in chosen]),
            ("pixels, L1", [training[each] for each in l1]),
            (features.name.name, [training[features.samples.index[each]] for each in chosen]),
        ],
    )


def _chart(spaces: Spaces) -> ImageBlock:
    return distance_chart(
        [
            (
                space.name.name[0].upper() + space.name.name[1:],
                space.samples.closeness,
                space.held_out.closeness,
            )
            for space in spaces
        ]
    )


def _findings(data: EvaluationData, queries: Queries, spaces: Spaces) -> tuple[Finding, ...]:
    copies = tuple(
        NearCopies(
            space.name.where,
            float(space.samples.near_copy.mean()),
            float(space.held_out.near_copy.mean()),
        )
        for space in spaces
    )
    worst = max(zip(copies, spaces, strict=True), key=lambda each: each[0].excess)[1]
    pixels = spaces[0]
    below = float(np.median(pixels.held_out.distance))
    return memorization_findings(
        copies,
        samples=len(queries.samples),
        held_out=len(queries.held_out),
        copy_sharpness=_sharpness_of_copies(data, queries, worst),
        nearest_ratio=float(np.median(pixels.samples.distance)) / below if below > 0 else None,
    )


def _sharpness_of_copies(data: EvaluationData, queries: Queries, space: Space) -> float | None:
    """Median detail of near copies over that of the training images they resemble."""
    flagged = np.flatnonzero(space.samples.near_copy)
    sources = data.splits.train.images[space.samples.index[flagged]]
    above, below = laplacian_energy(queries.samples[flagged]), laplacian_energy(sources)
    known = below > 0
    return float(np.median(above[known] / below[known])) if known.any() else None


def _protocols(data: EvaluationData, queries: Queries) -> dict[str, dict[str, Any]]:
    extractor, train = data.extractor, data.splits.train
    protocols = {}
    for name in queries.ways:
        protocol = data.protocol(
            extractor,
            training_images=len(train),
            training_hash=train.content_hash,
            samples_looked_at=len(queries.samples),
            held_out_looked_at=len(queries.held_out),
            distance="Euclidean",
            near_copy=f"below {NEAR_COPY} of the training image's distance to the next",
            baseline="held-out test images; for C_T and distances, one half of them over the other",
            smallest_class=FEWEST,
        )
        if name.key != extractor.name:
            pixels = f"none: images are compared at {train.shape}"
            protocol |= {"extractor": name.extractor, "resize": pixels}
            protocol |= {"extractor_weights_hash": None}
        protocols[f"memorization.{name.key}"] = protocol
    return protocols
