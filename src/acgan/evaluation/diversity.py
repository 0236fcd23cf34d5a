"""The diversity chapter: do the samples of a class differ as much as its real images do?

Each metric is one entry of ``_METRICS``: computation, name, aim, protocol and explanation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images, Labels
from acgan.evaluation.charts import similarity_chart
from acgan.evaluation.diversity_findings import diversity_findings
from acgan.evaluation.evaluation_data import EvaluationData, HeldOutSplit, pixel_protocol
from acgan.evaluation.findings import listed
from acgan.metrics.arrays import Array, Float64Array
from acgan.metrics.color import brightness_variance_ratio, color_variance_ratio
from acgan.metrics.ms_ssim import SsimScales, mean_ms_ssim, ssim_scales
from acgan.metrics.sharpness import sharpness_ratio
from acgan.metrics.variance_ratio import (
    NEAR_IDENTICAL,
    duplicate_share,
    typical_distance,
    variance_ratio,
)
from acgan.report.section import Aim, Metric, Section, defined

FEWEST = 10
"""Images of a class per side below which the class has no value."""
_PAIRS = 100  # of images of a class, as in the paper
_MOST_DUPLICATES = 1000  # images of a class that are searched for near-identical pairs

Classes = tuple[Images, ...]
"""Images by class; a class with fewer than ``FEWEST`` images is empty."""
Side = tuple[Array, Labels]
"""Features and classes of images."""


@final
@dataclass(frozen=True, eq=False)
class Values:
    """A metric by class.

    Attributes:
        samples: (K,), of the samples; NaN where undefined.
        baseline: (K,), of real images in their place; NaN where undefined.
        note: for the reader, a sentence.
    """

    samples: Float64Array
    baseline: Float64Array
    note: str = "Mean over the classes"


@final
class ClassImages:
    """Samples, test and validation images by class; all images are one class if there are none."""

    def __init__(self, data: EvaluationData) -> None:
        count, splits = len(data.group_names), data.splits
        self.data = data
        self.samples = by_class(data.sample_set.samples, data.sample_set.target_labels, count)
        self.test = by_class(splits.test.images, data.split_groups("test"), count)
        self.validation = by_class(splits.validation.images, data.split_groups("validation"), count)

    @property
    def scales(self) -> SsimScales:
        """The scales of MS-SSIM that fit into the images."""
        return ssim_scales(*self.data.splits.shape[1:])

    @cached_property
    def ms_ssim(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Mean MS-SSIM within each class of samples, test and validation images, (K,) each."""

        def similarity(images: Images) -> float:
            return mean_ms_ssim(images, pairs=_PAIRS, seed=self.data.seed)

        sides = (self.samples, self.test, self.validation)
        samples, test, validation = (_each(similarity, side) for side in sides)
        return samples, test, validation


def by_class(images: Images, labels: Labels, count: int) -> Classes:
    """Sort images, uint8 (N, C, H, W), by their labels, (N,) in [0, ``count``)."""
    members = [np.flatnonzero(labels == index) for index in range(count)]
    return tuple(images[each if len(each) >= FEWEST else each[:0]] for each in members)


def _each(measure: Callable[..., float], *sides: Classes) -> Float64Array:
    return np.array([measure(*images) for images in zip(*sides, strict=True)])


def _over_real(measure: Callable[[Images, Images], float]) -> Callable[[ClassImages], Values]:
    """Return a computation that compares the samples, then validation images, with test images."""
    return lambda images: Values(
        _each(measure, images.samples, images.test), _each(measure, images.validation, images.test)
    )


def _ms_ssim(images: ClassImages) -> Values:
    samples, test, _ = images.ms_ssim
    return Values(samples, test)


def _below_real_maximum(images: ClassImages) -> Values:
    samples, test, validation = images.ms_ssim
    both = np.isfinite(samples) & np.isfinite(test)
    highest = test[both].max() if both.any() else np.nan
    below, baseline = (
        np.where(valid & both.any(), values < highest, np.nan)
        for values, valid in ((samples, both), (validation, np.isfinite(validation)))
    )
    return Values(below, baseline, f"Highest mean of a real class: {highest:.3f}")


def _variance_ratio(images: ClassImages) -> Values:
    return Values(
        _feature_variance(images.data, *_samples(images.data)),
        _feature_variance(images.data, *_real(images.data, "validation")),
    )


def _samples(data: EvaluationData) -> Side:
    return data.sample_predictions(data.extractor).features, data.sample_set.target_labels


def _real(data: EvaluationData, split: HeldOutSplit) -> Side:
    return data.split_predictions(data.extractor, split).features, data.split_groups(split)


def _feature_variance(data: EvaluationData, features: Array, labels: Labels) -> Float64Array:
    """Return the variance ratio of features and test images, (K,); NaN for too few images."""
    test, count = _real(data, "test"), len(data.group_names)
    ratios = variance_ratio(features, labels, *test, count)
    smaller = np.minimum(*(np.bincount(each, minlength=count) for each in (labels, test[1])))
    return np.where(smaller < FEWEST, np.nan, ratios)


def _near_identical(images: ClassImages) -> Values:
    """Compute both shares among equally many images: a share grows with their number."""
    seed = images.data.seed
    shares = np.full((2, len(images.samples)), np.nan)
    for index, sides in enumerate(zip(images.samples, images.test, strict=True)):
        count = min(_MOST_DUPLICATES, *map(len, sides))
        if count:
            typical = typical_distance(sides[1], seed=seed)
            shares[:, index] = [
                duplicate_share(each[_subset(len(each), count, seed)], typical) for each in sides
            ]
    return Values(shares[0], shares[1])


def _subset(total: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


def _ms_ssim_protocol(images: ClassImages) -> dict[str, Any]:
    return {
        "baseline": "the same metric of test images",
        "pairs_per_class": _PAIRS,
        "weights": list(images.scales.weights),
        "window": images.scales.window,
    }


@final
@dataclass(frozen=True)
class DiversityMetric:
    """A metric of the chapter.

    Attributes:
        key: name of the measure.
        title: name in the report; ``{ms_ssim}`` stands for MS-SSIM and its number of scales.
        aim: which way is better.
        compute: its values by class.
        explanation: what it is, its source, and what it does not tell; empty if another
            metric's explanation covers it.
        protocol: parameters that a second computation needs.
        pixels: whether it compares pixels; else the features of the evaluation's extractor.
        classes_needed: whether it is undefined without classes.
        per_class: whether the report lists the values by class.
        omitted_if_undefined: whether the report omits it if no class has a value.
    """

    key: str
    title: str
    aim: Aim
    compute: Callable[[ClassImages], Values]
    explanation: str
    protocol: Callable[[ClassImages], Mapping[str, Any]] = lambda _images: {
        "baseline": "validation images over test images"
    }
    pixels: bool = True
    classes_needed: bool = False
    per_class: bool = True
    omitted_if_undefined: bool = False


_METRICS = (
    DiversityMetric(
        "ms_ssim",
        "{ms_ssim}, mean over pairs",
        "baseline",
        _ms_ssim,
        "MS-SSIM (Wang, Simoncelli & Bovik 2003) measures the similarity of two images over "
        "several scales; it is 1 for equal images. Its mean over 100 random pairs of a class is "
        "low if the class is diverse (Odena, Olah & Shlens 2017, §4.2). The published measure "
        "requires images of at least 161 × 161 pixels. Smaller images use as many of its scales as "
        "fit, and the metric's name states the number: values with different scales are not "
        "comparable. Noise lowers MS-SSIM as diversity does.",
        _ms_ssim_protocol,
    ),
    DiversityMetric(
        "ms_ssim_below_real_maximum",
        "Share of classes below the real maximum, {ms_ssim}",
        "high",
        _below_real_maximum,
        "The share of classes whose mean MS-SSIM is below the highest mean of any real class is "
        "the paper's summary (0.847 there; the maximum of ImageNet's training images at 128 pixels "
        "is 0.25). It is a lenient summary, so read the values by class too.",
        _ms_ssim_protocol,
        classes_needed=True,
        per_class=False,
    ),
    DiversityMetric(
        "variance_ratio",
        "Variance ratio",
        "one",
        _variance_ratio,
        "The variance ratio is the summed variance of the samples' features, divided by that of "
        "the real test images of the class. A ratio near 1 is right; a ratio near 0 means that all "
        "samples of the class are the same image. A ratio well above 1 does not mean more "
        "diversity but noise, or samples of other classes.",
        lambda images: {
            "baseline": "validation images over test images",
            "baseline_images": len(images.data.splits.validation),
        },
        pixels=False,
    ),
    DiversityMetric(
        "near_identical_share",
        "Share of near-identical samples",
        "baseline",
        _near_identical,
        "A sample is near-identical if its pixel distance to another sample of its class is below "
        "a tenth of the median distance between two real images of the class. The baseline uses "
        "the same number of real images, because the share grows with the number.",
        lambda _images: {
            "baseline": "the same share of as many test images",
            "most_per_class": _MOST_DUPLICATES,
            "near_identical": f"below {NEAR_IDENTICAL} of the median distance of real pairs",
        },
    ),
    DiversityMetric(
        "sharpness_ratio",
        "Sharpness ratio",
        "one",
        _over_real(sharpness_ratio),
        "The sharpness ratio is the energy of the finest detail (squared Laplacian) of the "
        "samples, divided by that of real images. Blur moves it far below 1; grain and "
        "checkerboard patterns move it far above 1. It does not measure shapes: a sharp image "
        "without any meaning has a ratio of 1.",
    ),
    DiversityMetric(
        "brightness_variance_ratio",
        "Brightness variance ratio",
        "one",
        _over_real(brightness_variance_ratio),
        "The brightness and color variance ratios state how much the mean level and the mean color "
        "(without brightness) differ between the images of a class, relative to real images. A "
        "classifier's features depend little on color, so a class can have a variance ratio near "
        "1 although all its samples share one color scheme; its color variance ratio is then near "
        "0.",
    ),
    DiversityMetric(
        "color_variance_ratio",
        "Color variance ratio",
        "one",
        _over_real(color_variance_ratio),
        "",
        omitted_if_undefined=True,  # grayscale images have no color
    ),
)

_INTRODUCTION = (
    "A model can generate sharp images of the right classes and still repeat the same few images. "
    "This chapter compares the samples of each class with each other, and the real test images of "
    "the class with each other: both should differ equally much."
)
_LIMITS = (
    "None of these metrics tells whether the samples cover everything that the real images of a "
    "class show; see recall and coverage in the fidelity chapter. A model that reproduces its "
    "training images is as diverse as they are; see the memorization chapter."
)
_NOT_CONDITIONAL = (
    "The samples have no target labels: they are compared with all other samples, and real images "
    "with all other real images. The explanations refer to classes; here all images are one class.",
    "The share of classes below the real maximum is omitted because it requires target labels.",
)


def diversity_section(data: EvaluationData) -> Section:
    """Measure the diversity of the samples within each class, or of all samples without classes."""
    conditional = data.sample_set.conditional
    images = ClassImages(data)
    computed = [
        (each, each.compute(images)) for each in _METRICS if conditional or not each.classes_needed
    ]
    measured = [
        (each, values, _metric(each, values, images))
        for each, values in computed
        if not each.omitted_if_undefined or np.isfinite(values.samples).any()
    ]
    explanations = (_INTRODUCTION, *(each.explanation for each, _, _ in measured), _LIMITS)
    variance_by_predicted_class = None
    if conditional:
        predictions = data.sample_predictions(data.extractor)
        variance_by_predicted_class = _mean(
            _feature_variance(data, predictions.features, predictions.logits.argmax(axis=1))
        )
    similarity, real, _ = images.ms_ssim
    charted = conditional and np.isfinite(similarity + real).any()
    return Section(
        key="diversity",
        title="Diversity within classes" if conditional else "Diversity of all samples",
        explanation=tuple(filter(None, explanations)),
        metrics=tuple(metric for _, _, metric in measured),
        blocks=(similarity_chart(images.scales.name, data.group_labels, similarity, real),)
        if charted
        else (),
        findings=diversity_findings(
            data.group_names,
            {each.key: (values.samples, values.baseline) for each, values, _ in measured},
            conditional=conditional,
            variance_by_predicted_class=variance_by_predicted_class,
        ),
        protocols={
            metric.protocol: {**_base_protocol(each, data), **each.protocol(images)}
            for each, _, metric in measured
        },
        notes=(*(() if conditional else _NOT_CONDITIONAL), *_notes(images)),
    )


def _metric(each: DiversityMetric, values: Values, images: ClassImages) -> Metric:
    """Return the metric with the mean over the classes as its overall value."""
    conditional = images.data.sample_set.conditional
    measure = each.key if conditional else f"{each.key}_all_samples"
    extractor = "pixels" if each.pixels else images.data.extractor.name
    value = _mean(values.samples)
    of_a_class = " of a class" if conditional else ""
    too_few = f"Requires at least {FEWEST} samples and {FEWEST} test images{of_a_class}"
    sides = (values.samples, values.baseline)
    per_class, per_class_baseline = (
        tuple(map(defined, side)) if conditional and each.per_class else () for side in sides
    )
    return Metric(
        measure=measure,
        title=each.title.format(ms_ssim=images.scales.name),
        extractor=extractor,
        value=value,
        aim=each.aim,
        protocol=f"{measure}[{extractor}]",
        baseline=_mean(values.baseline),
        per_class=per_class,
        per_class_baseline=per_class_baseline,
        note=too_few if value is None else values.note if conditional else "",
    )


def _mean(values: Float64Array) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _base_protocol(each: DiversityMetric, data: EvaluationData) -> dict[str, Any]:
    protocol = data.protocol(data.extractor, smallest_class=FEWEST)
    return protocol | pixel_protocol("pixels", data.splits.shape) if each.pixels else protocol


def _notes(images: ClassImages) -> Iterator[str]:
    sides = (
        ("samples", images.samples),
        ("test images", images.test),
        ("validation images", images.validation),
    )
    for side, classes in sides:
        names = zip(images.data.group_names, classes, strict=True)
        if few := [name for name, found in names if not len(found)]:
            yield f"Fewer than {FEWEST} {side} of {listed(few, 5)}: no values for these."
