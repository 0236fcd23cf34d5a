"""What a reader of the chapter on variety needs to know of its measures.

The paper's comparison of variety, drawn: MS-SSIM of samples and of real images by class.

A measure of each class on its own, as a figure of the chapter on variety.

The chapter on variety where no class was asked for: all samples are one group.

Its figures have keys of their own: variety within a class and variety of everything are no figures
to be held against each other.

The chapter on variety: do the samples of one class differ as real images of it do?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images, Labels
from acgan.evaluation.diversity_findings import DiversityMetrics, diversity_findings
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.metrics.arrays import Float64Array
from acgan.metrics.color import brightness_variance_ratio, color_variance_ratio
from acgan.metrics.ms_ssim import SsimScales, mean_ms_ssim, ssim_scales
from acgan.metrics.sharpness import sharpness_ratio
from acgan.metrics.variance_ratio import (
    NEAR_IDENTICAL,
    duplicate_share,
    typical_distance,
    variance_ratio,
)
from acgan.plots.charts import paper
from acgan.report.section import Aim, ImageBlock, Metric, Section, defined

EXPLANATION = (
    "A model can draw the right classes sharply and still draw the same picture again and again. "
    "So the samples of each class are compared with one another, and the real test images of that "
    "class with one another: the two should differ equally much.",
    "MS-SSIM (Wang, Simoncelli & Bovik 2003) says how alike two images look over several scales, "
    "1 for equal ones. Its mean over 100 random pairs of one class is low where a class is "
    "varied (Odena, Olah & Shlens 2017, §4.2). The share of classes whose mean lies below the "
    "highest mean of any real class is that paper's figure (84.7 % there, with the maximum .25 of "
    "ImageNet's training images at 128 pixels); it is a lenient one, so read the classes "
    "themselves too. The published measure needs 161 pixels a side; smaller images get as many of "
    "its scales as fit, and the name says how many: figures with different scales do not compare. "
    "Noise lowers MS-SSIM as variety does.",
    "The variance ratio is, per class, the summed variance of the judge's features of the samples "
    "over that of real test images. Near 1 is right, near 0 is a class with one image. Well above "
    "1 is no variety either: noise, or samples of other classes.",
    "Near-identical samples are those nearer to another sample of their class than a tenth of what "
    "two real images of it are typically apart (in pixels). The real images beside them are as "
    "many, since the share grows with the number.",
    "Sharpness is the energy of the finest detail (squared Laplacian) of samples over that of real "
    "images: blur takes it far below 1, grain and checkerboards far above. It sees no shapes: a "
    "sharp picture of nonsense has 1.",
    "Brightness and color: how much the mean level and the mean color (its tint, brightness left "
    "out) differ between images of a class, as variances over those of real images. The judge "
    "hardly looks at colors, so a class may come in one color scheme while its variance ratio is "
    "near 1; here it is near 0.",
    "None of these sees whether the samples cover all that real images of a class show; recall and "
    "coverage in the chapter on fidelity ask that. And a model that returns its training images is "
    "as varied as they are: see memorization.",
)


_MOST_NAMED = 60
_REAL, _SAMPLES, _MAXIMUM = "#0072B2", "#D55E00", "#7F7F7F"


def similarity_chart(
    measure: str, names: tuple[str, ...], samples: Float64Array, real: Float64Array
) -> ImageBlock:
    """A line for each class: MS-SSIM of its real images and of its samples.

    Args:
        measure: name of the measure with its scales.
        names: of the K classes.
        samples: (K,), NaN for a class without.
        real: (K,), likewise; defined with ``samples`` for at least one class.
    """
    known = np.flatnonzero(np.isfinite(samples) & np.isfinite(real))
    rows = np.arange(len(known))
    height = 1.5 + 0.28 * min(len(known), _MOST_NAMED)
    with paper((7, height), dpi=100, font_size=10.5) as (drawing, buffer):
        axes = drawing.subplots()
        axes.hlines(rows, real[known], samples[known], color="#C8C8C8", linewidth=2)
        axes.plot(real[known], rows, "o", color=_REAL, label="real test images")
        axes.plot(samples[known], rows, "o", color=_SAMPLES, label="samples")
        highest = real[known].max()
        axes.axvline(
            highest, color=_MAXIMUM, linewidth=1, linestyle=(0, (4, 2)), label="real maximum"
        )
        named = len(known) <= _MOST_NAMED
        axes.set_yticks(
            rows if named else [],
            [names[index] for index in known] if named else [],
            parse_math=False,  # a "$" in a name is no formula
        )
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlim(0, 1.05 * max(highest, samples[known].max(), 0.1))
        axes.set_xlabel(measure)
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        drawing.legend(loc="outside upper left", ncols=3)
    return ImageBlock(
        "How alike two images of a class are",
        buffer.getvalue(),
        "A line is a class. Samples at the place of the real images are as varied as they are; far "
        "to the right of them they are all alike. Left of the dashed line, the highest real class, "
        "lie the classes that the paper counts.",
    )


Classes = tuple[Images, ...]
"""Images class by class; none of a class that has too few."""

FEWEST = 10
"""Images of a class on a side below which it has no figure."""


def by_class(images: Images, labels: Labels, count: int) -> Classes:
    """Images uint8 (N, C, H, W) sorted by labels (N,) in [0, ``count``)."""
    members = [np.flatnonzero(labels == index) for index in range(count)]
    return tuple(images[each if len(each) >= FEWEST else each[:0]] for each in members)


def class_by_class(measure: Callable[..., float], *sides: Classes) -> Float64Array:
    """The measure of each class, (K,); NaN where it cannot be given."""
    return np.array([measure(*images) for images in zip(*sides, strict=True)])


def metric(
    measure: str,
    title: str,
    aim: Aim,
    per_class: Float64Array,
    baseline: Float64Array,
    extractor: str = "pixels",
) -> Metric:
    """A figure from values a class, (K,), NaN where there is none; overall: their mean."""
    value = mean_of_known(per_class)
    note = f"It takes {FEWEST} samples and {FEWEST} test images of a class."
    return Metric(
        measure=measure,
        title=title,
        extractor=extractor,
        value=value,
        aim=aim,
        protocol=measure,
        baseline=mean_of_known(baseline),
        per_class=optional(per_class),
        per_class_baseline=optional(baseline),
        note="The mean over the classes." if value is not None else note,
    )


def mean_of_known(values: Float64Array) -> float | None:
    """The mean of what is not NaN; None of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def optional(values: Float64Array) -> tuple[float | None, ...]:
    """None in the place of NaN."""
    return tuple(map(defined, values.tolist()))


_NAMES = {
    "ms_ssim": ("mean over pairs of a class", "mean over pairs"),
    "variance_ratio": ("Variance within a class", "Variance"),
    "near_identical_samples": ("near-identical samples of a class", "near-identical samples"),
    "sharpness_ratio": ("", ""),
    "brightness_variance_ratio": (" within a class", ""),
    "color_variance_ratio": (" within a class", ""),
}
_NOTES = (
    "No class was asked for: samples are compared with all other samples, and real images with all "
    "other real images. The texts on the measures speak of classes; read them so.",
    "The share of classes below the real maximum is left out: it takes asked classes.",
)


def of_all_samples(section: Section) -> Section:
    """The chapter with figures, made of one group, that say so."""
    metrics = [_of_all(each) for each in section.metrics if each.measure in _NAMES]
    return replace(
        section,
        title="Variety",
        metrics=tuple(metrics),
        notes=(*_NOTES, *section.notes),
    )


def _of_all(metric: Metric) -> Metric:
    return replace(
        metric,
        measure=f"{metric.measure}_all_samples",
        title=metric.title.replace(*_NAMES[metric.measure]),
        per_class=(),
        per_class_baseline=(),
        note="" if metric.value is not None else metric.note,
    )


_PAIRS = 100  # of images of a class, as in the paper
_LOOKS: Mapping[str, tuple[Callable[[Images, Images], float], str]] = {
    "sharpness_ratio": (sharpness_ratio, "Sharpness over that of real images"),
    "brightness_variance_ratio": (
        brightness_variance_ratio,
        "Variance of brightness within a class over that of real images",
    ),
    "color_variance_ratio": (
        color_variance_ratio,
        "Variance of color within a class over that of real images",
    ),
}
_MOST = 1000  # images of a class among which near-identical ones are looked for


def diversity_section(data: EvaluationData) -> Section:
    """MS-SSIM within classes, variance ratio, near-identical samples, sharpness and colors."""
    sample_set, splits, seed = data.sample_set, data.splits, data.seed
    count = len(data.group_names)
    samples = by_class(sample_set.samples, sample_set.target_labels, count)
    real = by_class(splits.test.images, data.split_groups("test"), count)
    validation = by_class(splits.validation.images, data.split_groups("validation"), count)
    scales, extractor = ssim_scales(*splits.shape[1:]), data.extractor.name

    def similarity(images: Classes) -> Float64Array:
        return class_by_class(lambda one: mean_ms_ssim(one, pairs=_PAIRS, seed=seed), images)

    alike, real_alike = similarity(samples), similarity(real)
    variance, by_seen, variance_baseline = _variances(data)
    duplicates, duplicates_baseline = _duplicates(samples, real, seed)
    looks = {
        key: (class_by_class(ratio, samples, real), class_by_class(ratio, validation, real))
        for key, (ratio, _) in _LOOKS.items()
    }
    metrics = (
        metric(
            "ms_ssim",
            f"{scales.name}, mean over pairs of a class",
            "baseline",
            alike,
            real_alike,
        ),
        _share_below(scales, alike, real_alike, similarity(validation)),
        metric(
            "variance_ratio",
            "Variance within a class over that of real images",
            "one",
            variance,
            variance_baseline,
            extractor,
        ),
        metric(
            "near_identical_samples",
            "Share of near-identical samples of a class",
            "baseline",
            duplicates,
            duplicates_baseline,
        ),
        *(
            metric(key, _LOOKS[key][1], "one", *values)
            for key, values in looks.items()
            if key != "color_variance_ratio"
            or np.isfinite(values[0]).any()  # gray images have none
        ),
    )
    diversity = DiversityMetrics(
        classes=data.group_names,
        variance=optional(variance),
        variance_by_seen_class=mean_of_known(by_seen),
        duplicates=optional(duplicates),
        similarity=optional(alike),
        real_similarity=optional(real_alike),
        sharpness=mean_of_known(looks["sharpness_ratio"][0]),
        color=optional(looks["color_variance_ratio"][0]),
        conditional=sample_set.conditional,
    )
    charted = sample_set.conditional and np.isfinite(alike + real_alike).any()
    section = Section(
        key="diversity",
        title="Variety inside a class",
        explanation=EXPLANATION,
        metrics=metrics,
        blocks=(similarity_chart(scales.name, data.group_names, alike, real_alike),)
        if charted
        else (),
        findings=diversity_findings(diversity),
        protocols=_protocols(data, scales),
        notes=_notes(data, samples, real, validation),
    )
    return section if sample_set.conditional else of_all_samples(section)


def _variances(data: EvaluationData) -> tuple[Float64Array, Float64Array, Float64Array]:
    """By the class asked for, by the class that the judge sees, and of validation images."""
    extractor, sample_set, count = data.extractor, data.sample_set, len(data.group_names)
    predicted = data.sample_predictions(extractor)
    test = data.split_predictions(extractor, "test").features
    validation = data.split_predictions(extractor, "validation").features
    of_test, of_validation = data.split_groups("test"), data.split_groups("validation")

    def ratio(features: npt.NDArray[Any], labels: Labels) -> Float64Array:
        result = variance_ratio(features, labels, test, of_test, count)
        few = np.minimum(_counts(labels, count), _counts(of_test, count)) < FEWEST
        return np.where(few, np.nan, result)

    return (
        ratio(predicted.features, sample_set.target_labels),
        ratio(predicted.features, predicted.logits.argmax(axis=1))
        if sample_set.conditional
        else np.full(count, np.nan),
        ratio(validation, of_validation),
    )


def _duplicates(samples: Classes, real: Classes, seed: int) -> tuple[Float64Array, Float64Array]:
    """Shares of near-identical samples and of near-identical real images, equally many a class."""
    shares = np.full((2, len(samples)), np.nan)
    for index, sides in enumerate(zip(samples, real, strict=True)):
        count = min(_MOST, *map(len, sides))
        if count:
            typical = typical_distance(sides[1], seed=seed)
            shares[:, index] = [
                duplicate_share(images[_chosen(len(images), count, seed)], typical)
                for images in sides
            ]
    return shares[0], shares[1]


def _share_below(
    scales: SsimScales, samples: Float64Array, real: Float64Array, validation: Float64Array
) -> Metric:
    both = np.isfinite(samples) & np.isfinite(real)
    highest = real[both].max() if both.any() else np.nan
    of_samples, of_real = samples[both], validation[np.isfinite(validation)]
    return Metric(
        measure="ms_ssim_below_real_maximum",
        extractor="pixels",
        title=f"Share of classes below the real maximum ({scales.name})",
        value=float((of_samples < highest).mean()) if both.any() else None,
        aim="high",
        protocol="ms_ssim",
        baseline=float((of_real < highest).mean()) if both.any() and len(of_real) else None,
        note=f"The highest mean of a real class is {highest:.3f}."
        if both.any()
        else f"It takes {FEWEST} samples and {FEWEST} test images of a class.",
    )


def _protocols(data: EvaluationData, scales: SsimScales) -> dict[str, dict[str, Any]]:
    pixels = {
        **data.protocol(data.extractor),
        "extractor": "pixels",
        "extractor_weights_hash": None,
        "resize": f"none: images are compared at {data.splits.shape}",
        "smallest_class": FEWEST,
    }
    within = {"baseline": "the same of test images", "pairs_per_class": _PAIRS}
    similarity = {**pixels, **within, "weights": list(scales.weights), "window": scales.window}
    return {
        "ms_ssim": similarity,
        "variance_ratio": {
            **data.protocol(data.extractor, smallest_class=FEWEST),
            "baseline": "validation over test",
            "baseline_images": len(data.splits.validation),
        },
        "near_identical_samples": {
            **pixels,
            "baseline": "the same of as many test images",
            "most_per_class": _MOST,
            "near_identical": f"below {NEAR_IDENTICAL} of the median distance of real pairs",
        },
        **{measure: {**pixels, "baseline": "validation over test"} for measure in _LOOKS},
    }


def _notes(data: EvaluationData, *sides: Classes) -> tuple[str, ...]:
    notes = []
    for name, images in zip(("samples", "test images", "validation images"), sides, strict=True):
        few = [each for each, found in zip(data.group_names, images, strict=True) if not len(found)]
        if few:
            notes.append(f"Fewer than {FEWEST} {name} of {_listed(few)}: no figures of these.")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _chosen(total: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


def _counts(labels: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    return np.bincount(labels, minlength=count).astype(np.int64)
