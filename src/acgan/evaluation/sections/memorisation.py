"""The chapter on memorisation: are samples new, or training images handed back?"""

from __future__ import annotations

from typing import Any

import numpy as np

from acgan.evaluation.copying import NEAR_COPY, nearest_by_l1
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.nearest import Indices
from acgan.evaluation.section import Finding, Picture, Section
from acgan.evaluation.sections.memorisation_figures import FEWEST, memorisation_figures
from acgan.evaluation.sections.memorisation_findings import NearCopies, memorisation_findings
from acgan.evaluation.sections.memorisation_spaces import (
    Queries,
    Space,
    compare,
    looked_at,
)
from acgan.evaluation.sections.neighbour_pictures import distance_chart, neighbour_sheet
from acgan.evaluation.sharpness import laplacian_energy

Spaces = tuple[Space, ...]

_SHOWN = 2  # samples of a class in each picture
_MOST_CLASSES = 12  # in each picture

_EXPLANATION = (
    "A model that hands its training images back gets perfect marks for fidelity, labels and "
    "variety, and is worth nothing. So each sample's nearest training image is looked for, among "
    "all of them: in pixels, in pixels from which a blur has taken all detail, and in the judge's "
    "features. The same is done for held-out real images, which nobody can have copied: they too "
    "lie near some training image, and how near is what to compare with. No number alone detects "
    "copying: look at the pictures. If a sample and its neighbour show the same shirt, not just a "
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


def memorisation_section(evidence: Evidence) -> Section:
    """Near copies, authenticity, the data-copying test, distances, and the pictures beside them."""
    parts = evidence.parts
    few = min(len(evidence.subject.samples), len(parts.test)) < FEWEST or len(parts.train) < 2
    queries = looked_at(evidence)
    spaces = () if few else compare(evidence, queries)
    return Section(
        key="memorisation",
        title="Memorisation",
        explanation=_EXPLANATION,
        figures=memorisation_figures(queries, spaces),
        blocks=() if few else _blocks(evidence, queries, spaces),
        findings=() if few else _findings(evidence, queries, spaces),
        protocols=_protocols(evidence, queries),
        notes=() if evidence.held_out else (_UNKNOWN,),
    )


def _blocks(evidence: Evidence, queries: Queries, spaces: Spaces) -> tuple[Picture, ...]:
    return (
        _closest(evidence, queries, spaces),
        _random(evidence, queries, spaces),
        _chart(spaces),
    )


def _closest(evidence: Evidence, queries: Queries, spaces: Spaces) -> Picture:
    closeness = np.min([space.samples.closeness for space in spaces], axis=0)
    order = np.argsort(closeness, kind="stable")
    which = "For each class the samples" if evidence.subject.conditional else "The samples"
    return Picture(
        "The most suspicious samples",
        _sheet(evidence, queries, spaces, order),
        f"{which} that come nearest to a training image, measured by how far "
        "that one is from the next, whichever comparison finds them; beside each its nearest "
        "training images by squared and by absolute differences of pixels and in "
        "features. Of thousands of samples some will always come near. Look whether they show the "
        "very same thing.",
    )


def _random(evidence: Evidence, queries: Queries, spaces: Spaces) -> Picture:
    order = np.random.default_rng(evidence.seed).permutation(len(queries.samples))
    return Picture(
        "Some random samples",
        _sheet(evidence, queries, spaces, order),
        "The same for samples drawn at random: what the model usually does.",
    )


def _sheet(evidence: Evidence, queries: Queries, spaces: Spaces, order: Indices) -> bytes:
    """The first samples of each class in that order, beside their nearest training images."""
    pixels, _, features = spaces
    training = evidence.parts.train.images
    rows = [index for index in range(len(queries.names)) if (queries.asked == index).any()][
        :_MOST_CLASSES
    ]
    names = [queries.names[index] for index in rows]
    chosen = [order[queries.asked[order] == index][:_SHOWN] for index in rows]
    if not evidence.subject.conditional:
        shown = order[: _SHOWN * _MOST_CLASSES]
        chosen = [shown[start : start + _SHOWN] for start in range(0, len(shown), _SHOWN)]
        names = [""] * len(chosen)
    by_l1 = nearest_by_l1(queries.samples[np.concatenate(chosen)], training)
    l1 = np.split(by_l1, np.cumsum([len(each) for each in chosen])[:-1])
    return neighbour_sheet(
        names,
        [queries.samples[each] for each in chosen],
        [
            ("pixels, L2", [training[pixels.samples.index[each]] for each in chosen]),
            ("pixels, L1", [training[each] for each in l1]),
            (features.name.name, [training[features.samples.index[each]] for each in chosen]),
        ],
    )


def _chart(spaces: Spaces) -> Picture:
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


def _findings(evidence: Evidence, queries: Queries, spaces: Spaces) -> tuple[Finding, ...]:
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
    return memorisation_findings(
        copies,
        samples=len(queries.samples),
        held_out=len(queries.held_out),
        copy_sharpness=_sharpness_of_copies(evidence, queries, worst),
        nearest_ratio=float(np.median(pixels.samples.distance)) / below if below > 0 else None,
    )


def _sharpness_of_copies(evidence: Evidence, queries: Queries, space: Space) -> float | None:
    """Median detail of near copies over that of the training images they resemble."""
    flagged = np.flatnonzero(space.samples.near_copy)
    sources = evidence.parts.train.images[space.samples.index[flagged]]
    above, below = laplacian_energy(queries.samples[flagged]), laplacian_energy(sources)
    known = below > 0
    return float(np.median(above[known] / below[known])) if known.any() else None


def _protocols(evidence: Evidence, queries: Queries) -> dict[str, dict[str, Any]]:
    eye, train = evidence.eye, evidence.parts.train
    protocols = {}
    for name in queries.ways:
        protocol = evidence.protocol(
            eye,
            training_images=len(train),
            training_hash=train.content_hash,
            samples_looked_at=len(queries.samples),
            held_out_looked_at=len(queries.held_out),
            distance="Euclidean",
            near_copy=f"below {NEAR_COPY} of the training image's distance to the next",
            floor="held-out test images; for C_T and distances, one half of them over the other",
            smallest_class=FEWEST,
        )
        if name.key != eye.name:
            pixels = f"none: images are compared at {train.shape}"
            protocol |= {"extractor": name.extractor, "resize": pixels}
            protocol |= {"extractor_weights_hash": None}
        protocols[f"memorisation.{name.key}"] = protocol
    return protocols
