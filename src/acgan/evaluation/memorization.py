"""The memorization chapter: are the samples new, or does the model reproduce training images?

Every metric compares samples with held-out real images, in pixels, blurred pixels and features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.data.images import Images, Labels
from acgan.evaluation.charts import distance_chart, neighbor_grid
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.memorization_findings import NearCopies, memorization_findings
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
"""Samples and held-out images that are searched for; of more, a random subset."""
FEWEST = 20
"""Samples and test images, in all or of a class, below which there is no value."""
_SHOWN = 2  # samples of a class in each grid
_MOST_CLASSES = 12  # in each grid

_EXPLANATION = (
    "A model that reproduces its training images gets perfect values for fidelity, labels and "
    "diversity, and is useless. This chapter therefore finds the nearest training image of each "
    "sample: in pixels, in pixels without fine detail (after a blur), and in the features of the "
    "extractor. The same search for held-out real images, which cannot be copies, shows how close "
    "new images come to the training images. No number alone proves memorization: compare the "
    "images. A sample that shows the same shirt as its neighbor, not only a shirt, is a copy.",
    f"A near copy is a sample whose distance to its nearest training image is below {NEAR_COPY} of "
    "the distance from that training image to its own nearest other training image. Real images "
    "are near copies now and then, more often in data with duplicates. Blur and noise hide a copy "
    "in pixels. After the blur of all images a blurred copy is again close to its source, while "
    "samples of a model that is merely blurry are not. A shifted or flipped copy escapes both; "
    "features find some of those.",
    "The authentic share (Alaa et al. 2022, §3) counts the samples whose distance to their nearest "
    "training image exceeds the distance from that image to its own nearest other training image. "
    "It is 0 for copies; for new images it equals the share of held-out images, which is below 1.",
    "The data-copying test C_T (Meehan, Chaudhuri & Dasgupta 2020) tests within each class whether "
    "samples are closer to the training images than held-out images are (z of Mann and Whitney, "
    "the classes weighted by their held-out images). Values far below 0 indicate copies, values "
    "far above 0 samples unlike the data. C_T states the significance of a difference, not its "
    "size: with thousands of images, a harmless difference gives −10. Smooth and typical samples "
    "have negative values too. The ratio of median distances states the size.",
    "The reference classifier was trained on the training images, so their features differ from "
    "those of other images. For this reason its values, too, compare samples with held-out images, "
    "neither of which it was trained on; without this comparison they have no meaning.",
)
_UNKNOWN = (
    "It is unknown whether the model that generated the samples was trained on the held-out images "
    "or on these training images. The comparison only tells whether the samples are copies of "
    "these training images."
)


@final
@dataclass(frozen=True)
class Space:
    """A space in which images are compared.

    Attributes:
        key: name in metrics and protocols.
        where: name in sentences.
        description: of pixel spaces, for protocols; empty for an extractor's features.
    """

    key: str
    where: str
    description: str = ""


PIXELS = Space("pixels", "in pixels", "pixels, 0 to 255")
BLURRED = Space(
    "blurred-pixels",
    "in blurred pixels",
    "pixels after a Gaussian blur of a fourteenth of the side",
)


@final
@dataclass(frozen=True, eq=False)
class Queries:
    """The images whose nearest training images are searched for.

    Attributes:
        samples: uint8 (N, C, H, W).
        sample_rows: int64 (N,), their rows among all samples.
        target_labels: int64 (N,).
        held_out: uint8 (M, C, H, W), real test images.
        held_out_rows: int64 (M,), their rows in the test split.
        labels: int64 (M,).
        half: bool (M,), a random half of the held-out images, to be compared with the other.
        names: of the K classes.
        spaces: pixels, blurred pixels, features.
    """

    samples: Images
    sample_rows: Int64Array
    target_labels: Labels
    held_out: Images
    held_out_rows: Int64Array
    labels: Labels
    half: BoolArray
    names: tuple[str, ...]
    spaces: tuple[Space, Space, Space]


@final
@dataclass(frozen=True, eq=False)
class Distances:
    """Nearest training images of samples and of held-out images, and their distances."""

    space: Space
    samples: Proximity
    held_out: Proximity


def memorization_section(data: EvaluationData) -> Section:
    """Measure near copies, authenticity, the data-copying test and distances; show neighbors."""
    splits = data.splits
    few = min(len(data.sample_set.samples), len(splits.test)) < FEWEST or len(splits.train) < 2
    queries = select_queries(data)
    found = () if few else search(data, queries)
    return Section(
        key="memorization",
        title="Memorization",
        explanation=_EXPLANATION,
        metrics=memorization_metrics(queries, found),
        blocks=() if few else _blocks(data, queries, found),
        findings=() if few else _findings(data, queries, found),
        protocols=_protocols(data, queries),
        notes=() if data.held_out else (_UNKNOWN,),
    )


def select_queries(data: EvaluationData) -> Queries:
    """Select the samples and the test images that are searched for."""
    sample_set, test = data.sample_set, data.splits.test
    some, held_out = (_rows(len(each), data.seed) for each in (sample_set.samples, test))
    name = data.extractor.name
    whose = "the reference classifier" if data.reference_classifier is not None else name
    return Queries(
        samples=sample_set.samples[some],
        sample_rows=some,
        target_labels=sample_set.target_labels[some],
        held_out=test.images[held_out],
        held_out_rows=held_out,
        labels=data.split_groups("test")[held_out],
        half=np.random.default_rng(data.seed).permutation(len(held_out)) % 2 == 0,
        names=data.group_names,
        spaces=(PIXELS, BLURRED, Space(name, f"in the features of {whose}")),
    )


def _rows(total: int, seed: int) -> Int64Array:
    if total <= MOST:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:MOST])


def search(data: EvaluationData, queries: Queries) -> tuple[Distances, ...]:
    """Find the nearest training images in every space."""
    extractor, training = data.extractor, data.splits.train.images
    images = (queries.samples, queries.held_out)
    found = []
    for done, space in enumerate(queries.spaces):
        data.progress("nearest training images", done, len(queries.spaces))
        if space is PIXELS:
            pair = proximities(training, images)
        elif space is BLURRED:
            pair = proximities(blurred(training), [blurred(each) for each in images])
        else:
            pair = proximities(
                data.split_predictions(extractor, "train").features,
                (
                    data.sample_predictions(extractor).features[queries.sample_rows],
                    data.split_predictions(extractor, "test").features[queries.held_out_rows],
                ),
            )
        found.append(Distances(space, *pair))
    data.progress("nearest training images", len(queries.spaces), len(queries.spaces))
    return tuple(found)


Pair = tuple[float, float]
"""A metric of the samples and its baseline, NaN if undefined."""


Computation = Callable[[Distances, Queries], tuple[Pair, Sequence[Pair]]]
"""Computes the pair of all images, and the pairs of the classes."""


@final
@dataclass(frozen=True)
class _Measure:
    """A metric of the chapter: name, direction, computation, why undefined."""

    title: str
    aim: Aim
    compute: Computation
    undefined: str = ""


def _by_class(pair: Callable[..., Pair]) -> Computation:
    """Compute a pair for all images and for the samples and held-out images of each class."""

    def compute(found: Distances, queries: Queries) -> tuple[Pair, Sequence[Pair]]:
        all_images = np.ones(len(queries.target_labels), bool), np.ones(len(queries.labels), bool)
        per_class: list[Pair] = []
        for index in range(len(queries.names)):
            members = queries.target_labels == index, queries.labels == index
            enough = min(each.sum() for each in members) >= FEWEST
            per_class.append(pair(found, *members, queries.half) if enough else (np.nan, np.nan))
        return pair(found, *all_images, queries.half), per_class

    return compute


def _share(of: Callable[[Proximity], BoolArray]) -> Callable[..., Pair]:
    return lambda found, samples, held_out, _half: (
        float(of(found.samples)[samples].mean()),
        float(of(found.held_out)[held_out].mean()),
    )


def _distance_ratio(
    found: Distances, samples: BoolArray, held_out: BoolArray, half: BoolArray
) -> Pair:
    real = found.held_out.distance

    def ratio(above: float, below: float) -> float:
        return above / below if below > 0 else np.nan

    return (
        ratio(np.median(found.samples.distance[samples]), np.median(real[held_out])),
        ratio(np.median(real[held_out & half]), np.median(real[held_out & ~half])),
    )


def _data_copying_test(found: Distances, queries: Queries) -> tuple[Pair, Sequence[Pair]]:
    real, half, labels = found.held_out.distance, queries.half, queries.labels
    count = len(queries.names)
    test = copying_test(
        found.samples.distance, queries.target_labels, real, labels, count, fewest=FEWEST
    )
    baseline = copying_test(
        real[half], labels[half], real[~half], labels[~half], count, fewest=FEWEST // 2
    )
    per_class = list(zip(test.per_class.tolist(), baseline.per_class.tolist(), strict=True))
    return (test.pooled, baseline.pooled), per_class


_MEASURES = {
    "near_copies": _Measure(
        "Share of near copies", "baseline", _by_class(_share(lambda each: each.near_copy))
    ),
    "authenticity": _Measure(
        "Authentic share", "baseline", _by_class(_share(lambda each: each.authentic))
    ),
    "data_copying_test": _Measure(
        "Data-copying test C_T, z",
        "baseline",
        _data_copying_test,
        f"Requires a class with {FEWEST} samples and {FEWEST} test images",
    ),
    "nearest_distance_ratio": _Measure(
        "Median distance to the nearest training image, samples over held-out images",
        "one",
        _by_class(_distance_ratio),
        "Undefined: more than half of the test images occur among the training images",
    ),
}


def memorization_metrics(queries: Queries, found: Sequence[Distances]) -> tuple[Metric, ...]:
    """Return the metrics in every space; in blurred pixels, the share of near copies alone.

    Args:
        queries: the images that were searched for.
        found: the result of `search`; empty if there are too few images.
    """
    by_space = {each.space: each for each in found}
    return tuple(
        _metric(measure, each, space, by_space, queries)
        for measure, each in _MEASURES.items()
        for space in queries.spaces
        if space is not BLURRED or measure == "near_copies"
    )


def _metric(
    measure: str,
    each: _Measure,
    space: Space,
    by_space: Mapping[Space, Distances],
    queries: Queries,
) -> Metric:
    value, baseline = np.nan, np.nan
    per_class: Sequence[Pair] = ()
    note = f"Requires {FEWEST} samples, {FEWEST} test images and 2 training images"
    if space in by_space:
        (value, baseline), per_class = each.compute(by_space[space], queries)
        note = each.undefined
    return Metric(
        measure=measure,
        title=each.title,
        extractor=space.key,
        value=defined(value),
        aim=each.aim,
        protocol=f"memorization[{space.key}]",
        baseline=defined(baseline),
        per_class=tuple(defined(pair[0]) for pair in per_class),
        per_class_baseline=tuple(defined(pair[1]) for pair in per_class),
        note="" if np.isfinite(value) else note,
    )


def _blocks(
    data: EvaluationData, queries: Queries, found: Sequence[Distances]
) -> tuple[ImageBlock, ...]:
    closest = np.argsort(np.min([each.samples.closeness for each in found], axis=0), kind="stable")
    random = np.random.default_rng(data.seed).permutation(len(queries.samples))
    of_each = " of each class" if data.sample_set.conditional else ""
    return (
        ImageBlock(
            "The samples closest to training images",
            _grid(data, queries, found, closest),
            f"The samples{of_each} with the smallest relative distance to a training image in any "
            "space: the distance to it, divided by the distance from it to its own nearest other "
            "training image. Beside each sample are its nearest training images by squared and by "
            "absolute differences of pixels and in features. Among thousands of samples some are "
            "always close. Check whether both show the very same object.",
        ),
        ImageBlock(
            "Random samples",
            _grid(data, queries, found, random),
            "The same for random samples: the typical behavior of the model.",
        ),
        distance_chart(
            [(each.space.key, each.samples.closeness, each.held_out.closeness) for each in found]
        ),
    )


def _grid(
    data: EvaluationData, queries: Queries, found: Sequence[Distances], order: Int64Array
) -> bytes:
    """Show the first samples of each class in this order, beside their nearest training images."""
    pixels, _, features = found
    training = data.splits.train.images
    present = [k for k in range(len(queries.names)) if (queries.target_labels == k).any()]
    rows = present[:_MOST_CLASSES]
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
            (features.space.key, [training[features.samples.index[each]] for each in chosen]),
        ],
    )


def _findings(
    data: EvaluationData, queries: Queries, found: Sequence[Distances]
) -> tuple[Finding, ...]:
    copies = [
        NearCopies(
            each.space.where,
            float(each.samples.near_copy.mean()),
            float(each.held_out.near_copy.mean()),
        )
        for each in found
    ]
    worst = max(zip(copies, found, strict=True), key=lambda each: each[0].excess)[1]
    pixels = found[0]
    median = float(np.median(pixels.held_out.distance))
    return memorization_findings(
        copies,
        samples=len(queries.samples),
        held_out=len(queries.held_out),
        copy_sharpness=_sharpness_of_copies(data, queries, worst.samples),
        nearest_ratio=float(np.median(pixels.samples.distance)) / median if median > 0 else None,
    )


def _sharpness_of_copies(
    data: EvaluationData, queries: Queries, samples: Proximity
) -> float | None:
    """Return the median detail of near copies, relative to their nearest training images."""
    copies = np.flatnonzero(samples.near_copy)
    sources = data.splits.train.images[samples.index[copies]]
    above, below = laplacian_energy(queries.samples[copies]), laplacian_energy(sources)
    known = below > 0
    return float(np.median(above[known] / below[known])) if known.any() else None


def _protocols(data: EvaluationData, queries: Queries) -> dict[str, dict[str, Any]]:
    train = data.splits.train
    protocols = {}
    for space in queries.spaces:
        protocol = data.protocol(
            data.extractor,
            training_images=len(train),
            training_hash=train.content_hash,
            samples_searched=len(queries.samples),
            held_out_searched=len(queries.held_out),
            distance="Euclidean",
            near_copy=f"below {NEAR_COPY} of the training image's distance to the next",
            baseline="held-out test images; for C_T and distances, one half against the other",
            smallest_class=FEWEST,
        )
        if space.description:
            protocol |= {
                "extractor": space.description,
                "resize": f"none: images are compared at {train.shape}",
                "extractor_weights_hash": None,
            }
        protocols[f"memorization[{space.key}]"] = protocol
    return protocols
