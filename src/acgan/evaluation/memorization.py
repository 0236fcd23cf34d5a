"""The memorization chapter: are the samples new, or does the model reproduce training images?

Every metric compares samples with held-out real images, in pixels, blurred pixels and features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.evaluation.charts import distance_chart, neighbor_grid
from acgan.evaluation.evaluation_data import EvaluationData, pixel_protocol
from acgan.evaluation.memorization_findings import NearCopies, memorization_findings
from acgan.metrics.arrays import Array, BoolArray, Float64Array, Int64Array
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
class Search:
    """Samples and held-out images, at most ``MOST`` each, and their nearest training images.

    Attributes:
        data: samples and real splits.
        samples, target_labels: uint8 (N, C, H, W) and int64 (N,).
        held_out, labels: real test images, uint8 (M, C, H, W) and int64 (M,).
        half: bool (M,), a random half of the held-out images, to be compared with the other.
        spaces: pixels, blurred pixels, features.
        found: by space, the training images nearest to the samples and to the held-out images;
            empty if there are too few images.
    """

    def __init__(self, data: EvaluationData) -> None:
        sample_set, splits = data.sample_set, data.splits
        rows, test_rows = (
            _rows(len(each), data.seed) for each in (sample_set.samples, splits.test)
        )
        self.data = data
        self.samples, self.target_labels = sample_set.samples[rows], sample_set.target_labels[rows]
        self.held_out = splits.test.images[test_rows]
        self.labels = data.split_groups("test")[test_rows]
        self.half = np.random.default_rng(data.seed).permutation(len(test_rows)) % 2 == 0
        name = data.extractor.name
        whose = "the reference classifier" if data.reference_classifier is not None else name
        self.spaces = (PIXELS, BLURRED, Space(name, f"in the features of {whose}"))
        self.found: dict[Space, Neighbors] = {}
        if min(len(rows), len(test_rows)) < FEWEST or len(splits.train) < 2:
            return
        images = (splits.train.images, self.samples, self.held_out)
        for done, space in enumerate(self.spaces):
            data.progress("nearest training images", done, len(self.spaces))
            compared: list[Array] = [*images]
            if space is BLURRED:
                compared = [blurred(each) for each in images]
            elif space is not PIXELS:
                compared = [
                    data.split_predictions(data.extractor, "train").features,
                    data.sample_predictions(data.extractor).features[rows],
                    data.split_predictions(data.extractor, "test").features[test_rows],
                ]
            samples, held_out = proximities(compared[0], compared[1:])
            self.found[space] = samples, held_out
        data.progress("nearest training images", len(self.spaces), len(self.spaces))


def _rows(total: int, seed: int) -> Int64Array:
    if total <= MOST:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:MOST])


def memorization_section(data: EvaluationData) -> Section:
    """Measure near copies, authenticity, the data-copying test and distances; show neighbors."""
    search = Search(data)
    return Section(
        key="memorization",
        title="Memorization",
        explanation=_EXPLANATION,
        # In blurred pixels, the share of near copies alone.
        metrics=tuple(
            _metric(measure, space, search)
            for measure in _MEASURES
            for space in search.spaces
            if space is not BLURRED or measure == "near_copies"
        ),
        blocks=_blocks(search) if search.found else (),
        findings=_findings(search) if search.found else (),
        protocols={f"memorization[{each.key}]": _protocol(each, search) for each in search.spaces},
        notes=() if data.held_out else (_UNKNOWN,),
    )


Neighbors = tuple[Proximity, Proximity]
"""The training images nearest to the samples, and those nearest to the held-out images."""
Pair = tuple[float, float]
"""A metric of the samples and its baseline, NaN if undefined."""
Computation = Callable[[Neighbors, Search], Sequence[Pair]]
"""Computes the pair of all images, then those of the classes."""


def _by_class(pair: Callable[..., Pair]) -> Computation:
    """Compute a pair for all images and for the samples and held-out images of each class."""

    def compute(found: Neighbors, search: Search) -> Sequence[Pair]:
        everything = np.ones(len(search.samples), bool), np.ones(len(search.held_out), bool)
        pairs = [pair(*found, *everything, search.half)]
        for index in range(len(search.data.group_names)):
            members = search.target_labels == index, search.labels == index
            enough = min(each.sum() for each in members) >= FEWEST
            pairs.append(pair(*found, *members, search.half) if enough else (np.nan, np.nan))
        return pairs

    return compute


def _share(of: Callable[[Proximity], BoolArray]) -> Callable[..., Pair]:
    return lambda samples, held_out, sampled, real, _half: (
        float(of(samples)[sampled].mean()),
        float(of(held_out)[real].mean()),
    )


def _distance_ratio(
    samples: Proximity, held_out: Proximity, sampled: BoolArray, real: BoolArray, half: BoolArray
) -> Pair:
    def ratio(above: Float64Array, below: Float64Array) -> float:
        return np.median(above) / median if (median := np.median(below)) > 0 else np.nan

    distance = held_out.distance
    return (
        ratio(samples.distance[sampled], distance[real]),
        ratio(distance[real & half], distance[real & ~half]),
    )


def _data_copying_test(found: Neighbors, search: Search) -> Sequence[Pair]:
    real, half, labels = found[1].distance, search.half, search.labels
    count = len(search.data.group_names)
    tests = (
        copying_test(found[0].distance, search.target_labels, real, labels, count, fewest=FEWEST),
        copying_test(
            real[half], labels[half], real[~half], labels[~half], count, fewest=FEWEST // 2
        ),
    )
    return list(zip(*([test.pooled, *test.per_class.tolist()] for test in tests), strict=True))


_MEASURES: dict[str, tuple[str, Aim, Computation, str]] = {
    "near_copies": (
        "Share of near copies",
        "baseline",
        _by_class(_share(lambda each: each.near_copy)),
        "",
    ),
    "authenticity": (
        "Authentic share",
        "baseline",
        _by_class(_share(lambda each: each.authentic)),
        "",
    ),
    "data_copying_test": (
        "Data-copying test C_T, z",
        "baseline",
        _data_copying_test,
        f"Requires a class with {FEWEST} samples and {FEWEST} test images",
    ),
    "nearest_distance_ratio": (
        "Median distance to the nearest training image, samples over held-out images",
        "one",
        _by_class(_distance_ratio),
        "Undefined: more than half of the test images occur among the training images",
    ),
}
"""Title, aim, computation and reason why the value is undefined, by measure."""


def _metric(measure: str, space: Space, search: Search) -> Metric:
    title, aim, compute, note = _MEASURES[measure]
    if space in search.found:
        (value, baseline), *classes = compute(search.found[space], search)
    else:
        value, baseline, classes = np.nan, np.nan, []
        note = f"Requires {FEWEST} samples, {FEWEST} test images and 2 training images"
    return Metric(
        measure=measure,
        title=title,
        extractor=space.key,
        value=defined(value),
        aim=aim,
        protocol=f"memorization[{space.key}]",
        baseline=defined(baseline),
        per_class=tuple(defined(pair[0]) for pair in classes),
        per_class_baseline=tuple(defined(pair[1]) for pair in classes),
        note="" if np.isfinite(value) else note,
    )


def _blocks(search: Search) -> tuple[ImageBlock, ...]:
    data, found = search.data, search.found.values()
    closest = np.argsort(np.min([each.closeness for each, _ in found], axis=0), kind="stable")
    random = np.random.default_rng(data.seed).permutation(len(search.samples))
    of_each = " of each class" if data.sample_set.conditional else ""
    return (
        ImageBlock(
            "The samples closest to training images",
            _grid(search, closest),
            f"The samples{of_each} with the smallest relative distance to a training image in any "
            "space: the distance to it, divided by the distance from it to its own nearest other "
            "training image. Beside each sample are its nearest training images by squared and by "
            "absolute differences of pixels and in features. Among thousands of samples some are "
            "always close. Check whether both show the very same object.",
        ),
        ImageBlock(
            "Random samples",
            _grid(search, random),
            "The same for random samples: the typical behavior of the model.",
        ),
        distance_chart(
            [
                (space.key, samples.closeness, held_out.closeness)
                for space, (samples, held_out) in search.found.items()
            ]
        ),
    )


def _grid(search: Search, order: Int64Array) -> bytes:
    """Show the first samples of each class in this order, beside their nearest training images."""
    pixels, _, features = search.spaces
    training = search.data.splits.train.images
    present = np.unique(search.target_labels)[:_MOST_CLASSES]
    names = [search.data.group_labels[index] for index in present]
    chosen = [order[search.target_labels[order] == index][:_SHOWN] for index in present]
    if not search.data.sample_set.conditional:
        shown = order[: _SHOWN * _MOST_CLASSES]
        chosen = [shown[start : start + _SHOWN] for start in range(0, len(shown), _SHOWN)]
        names = [""] * len(chosen)
    by_l1 = nearest_by_l1(search.samples[np.concatenate(chosen)], training)
    l1 = np.split(by_l1, np.cumsum([len(each) for each in chosen])[:-1])
    by_l2, by_feature = (search.found[space][0].index for space in (pixels, features))
    return neighbor_grid(
        names,
        [search.samples[each] for each in chosen],
        [
            ("pixels, L2", [training[by_l2[each]] for each in chosen]),
            ("pixels, L1", [training[each] for each in l1]),
            (features.key, [training[by_feature[each]] for each in chosen]),
        ],
    )


def _findings(search: Search) -> tuple[Finding, ...]:
    copies = [
        NearCopies(space.where, float(samples.near_copy.mean()), float(held_out.near_copy.mean()))
        for space, (samples, held_out) in search.found.items()
    ]
    worst = max(zip(copies, search.found.values(), strict=True), key=lambda each: each[0].excess)
    samples, held_out = search.found[PIXELS]
    median = float(np.median(held_out.distance))
    return memorization_findings(
        copies,
        samples=len(search.samples),
        held_out=len(search.held_out),
        copy_sharpness=_sharpness_of_copies(search, worst[1][0]),
        nearest_ratio=float(np.median(samples.distance)) / median if median > 0 else None,
    )


def _sharpness_of_copies(search: Search, samples: Proximity) -> float | None:
    """Return the median detail of near copies, relative to their nearest training images."""
    copies = np.flatnonzero(samples.near_copy)
    sources = search.data.splits.train.images[samples.index[copies]]
    above, below = laplacian_energy(search.samples[copies]), laplacian_energy(sources)
    known = below > 0
    return float(np.median(above[known] / below[known])) if known.any() else None


def _protocol(space: Space, search: Search) -> dict[str, Any]:
    train = search.data.splits.train
    protocol = search.data.protocol(
        search.data.extractor,
        training_images=len(train),
        training_hash=train.content_hash,
        samples_searched=len(search.samples),
        held_out_searched=len(search.held_out),
        distance="Euclidean",
        near_copy=f"below {NEAR_COPY} of the training image's distance to the next",
        baseline="held-out test images; for C_T and distances, one half against the other",
        smallest_class=FEWEST,
    )
    described = pixel_protocol(space.description, train.shape)
    return protocol | described if space.description else protocol
