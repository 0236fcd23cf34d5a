"""The chapter on variety: do the samples of one class differ as real images of it do?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images, Labels
from acgan.evaluation.colour import brightness_variance_ratio, colour_variance_ratio
from acgan.evaluation.diversity import (
    NEAR_IDENTICAL,
    duplicate_share,
    typical_distance,
    variance_ratio,
)
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.section import Figure, Section
from acgan.evaluation.sections.diversity_chart import similarity_chart
from acgan.evaluation.sections.diversity_findings import Variety, diversity_findings
from acgan.evaluation.sections.diversity_of_all import of_all_samples
from acgan.evaluation.sections.diversity_per_class import (
    FEWEST,
    Classes,
    Float64s,
    by_class,
    class_by_class,
    figure,
    mean_of_known,
    optional,
)
from acgan.evaluation.sections.diversity_text import EXPLANATION
from acgan.evaluation.sharpness import sharpness_ratio
from acgan.evaluation.ssim import SsimScales, mean_ms_ssim, ssim_scales

_PAIRS = 100  # of images of a class, as in the paper
_LOOKS: Mapping[str, tuple[Callable[[Images, Images], float], str]] = {
    "sharpness": (sharpness_ratio, "Sharpness over that of real images"),
    "brightness": (
        brightness_variance_ratio,
        "Variance of brightness within a class over that of real images",
    ),
    "colour": (
        colour_variance_ratio,
        "Variance of colour within a class over that of real images",
    ),
}
_MOST = 1000  # images of a class among which near-identical ones are looked for


def diversity_section(evidence: Evidence) -> Section:
    """MS-SSIM within classes, variance ratio, near-identical samples, sharpness and colours."""
    subject, parts, seed = evidence.subject, evidence.parts, evidence.seed
    count = len(evidence.names)
    samples = by_class(subject.samples, subject.asked, count)
    real = by_class(parts.test.images, evidence.groups("test"), count)
    validation = by_class(parts.validation.images, evidence.groups("validation"), count)
    scales, eye = ssim_scales(*parts.shape[1:]), evidence.eye.name

    def similarity(images: Classes) -> Float64s:
        return class_by_class(lambda one: mean_ms_ssim(one, pairs=_PAIRS, seed=seed), images)

    alike, real_alike = similarity(samples), similarity(real)
    variance, by_seen, variance_floor = _variances(evidence)
    duplicates, duplicates_floor = _duplicates(samples, real, seed)
    looks = {
        key: (class_by_class(ratio, samples, real), class_by_class(ratio, validation, real))
        for key, (ratio, _) in _LOOKS.items()
    }
    figures = (
        figure(
            "diversity.ms_ssim",
            f"{scales.name}, mean over pairs of a class",
            "floor",
            alike,
            real_alike,
        ),
        _share_below(scales, alike, real_alike, similarity(validation)),
        figure(
            f"diversity.variance.{eye}",
            f"Variance within a class over that of real images ({eye})",
            "one",
            variance,
            variance_floor,
        ),
        figure(
            "diversity.duplicates",
            "Share of near-identical samples of a class",
            "floor",
            duplicates,
            duplicates_floor,
        ),
        *(
            figure(f"diversity.{key}", _LOOKS[key][1], "one", *values)
            for key, values in looks.items()
            if key != "colour" or np.isfinite(values[0]).any()  # grey images have none
        ),
    )
    variety = Variety(
        classes=evidence.names,
        variance=optional(variance),
        variance_by_seen_class=mean_of_known(by_seen),
        duplicates=optional(duplicates),
        similarity=optional(alike),
        real_similarity=optional(real_alike),
        sharpness=mean_of_known(looks["sharpness"][0]),
        colour=optional(looks["colour"][0]),
        conditional=subject.conditional,
    )
    charted = subject.conditional and np.isfinite(alike + real_alike).any()
    section = Section(
        key="diversity",
        title="Variety inside a class",
        explanation=EXPLANATION,
        figures=figures,
        blocks=(similarity_chart(scales.name, evidence.names, alike, real_alike),)
        if charted
        else (),
        findings=diversity_findings(variety),
        protocols=_protocols(evidence, scales),
        notes=_notes(evidence, samples, real, validation),
    )
    return section if subject.conditional else of_all_samples(section)


def _variances(evidence: Evidence) -> tuple[Float64s, Float64s, Float64s]:
    """By the class asked for, by the class that the judge sees, and of validation images."""
    eye, subject, count = evidence.eye, evidence.subject, len(evidence.names)
    seen = evidence.samples_seen_by(eye)
    test = evidence.part_seen_by(eye, "test").features
    validation = evidence.part_seen_by(eye, "validation").features
    of_test, of_validation = evidence.groups("test"), evidence.groups("validation")

    def ratio(features: npt.NDArray[Any], labels: Labels) -> Float64s:
        result = variance_ratio(features, labels, test, of_test, count)
        few = np.minimum(_counts(labels, count), _counts(of_test, count)) < FEWEST
        return np.where(few, np.nan, result)

    return (
        ratio(seen.features, subject.asked),
        ratio(seen.features, seen.logits.argmax(axis=1))
        if subject.conditional
        else np.full(count, np.nan),
        ratio(validation, of_validation),
    )


def _duplicates(samples: Classes, real: Classes, seed: int) -> tuple[Float64s, Float64s]:
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
    scales: SsimScales, samples: Float64s, real: Float64s, validation: Float64s
) -> Figure:
    both = np.isfinite(samples) & np.isfinite(real)
    highest = real[both].max() if both.any() else np.nan
    of_samples, of_real = samples[both], validation[np.isfinite(validation)]
    return Figure(
        key="diversity.ms_ssim_share",
        name=f"Share of classes below the real maximum ({scales.name})",
        value=float((of_samples < highest).mean()) if both.any() else None,
        aim="high",
        protocol="diversity.ms_ssim",
        floor=float((of_real < highest).mean()) if both.any() and len(of_real) else None,
        note=f"The highest mean of a real class is {highest:.3f}."
        if both.any()
        else f"It takes {FEWEST} samples and {FEWEST} test images of a class.",
    )


def _protocols(evidence: Evidence, scales: SsimScales) -> dict[str, dict[str, Any]]:
    pixels = {
        **evidence.protocol(evidence.eye),
        "extractor": "pixels",
        "extractor_weights_hash": None,
        "resize": f"none: images are compared at {evidence.parts.shape}",
        "smallest_class": FEWEST,
    }
    within = {"floor": "the same of test images", "pairs_per_class": _PAIRS}
    similarity = {**pixels, **within, "weights": list(scales.weights), "window": scales.window}
    return {
        "diversity.ms_ssim": similarity,
        f"diversity.variance.{evidence.eye.name}": {
            **evidence.protocol(evidence.eye, smallest_class=FEWEST),
            "floor": "validation over test",
            "floor_images": len(evidence.parts.validation),
        },
        "diversity.duplicates": {
            **pixels,
            "floor": "the same of as many test images",
            "most_per_class": _MOST,
            "near_identical": f"below {NEAR_IDENTICAL} of the median distance of real pairs",
        },
        **{
            f"diversity.{measure}": {**pixels, "floor": "validation over test"}
            for measure in _LOOKS
        },
    }


def _notes(evidence: Evidence, *sides: Classes) -> tuple[str, ...]:
    notes = []
    for name, images in zip(("samples", "test images", "validation images"), sides, strict=True):
        few = [each for each, found in zip(evidence.names, images, strict=True) if not len(found)]
        if few:
            notes.append(f"Fewer than {FEWEST} {name} of {_listed(few)}: no figures of these.")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _chosen(total: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


def _counts(labels: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    return np.bincount(labels, minlength=count).astype(np.int64)
