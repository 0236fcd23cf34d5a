"""The measures of fidelity in one extractor's features, overall and per class, beside the floor.

What stands behind every figure on fidelity: enough to measure it again.

The chapter on fidelity: how close the samples come to real images that nobody learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.fidelity_findings import fidelity_findings
from acgan.evaluation.fidelity_measured import REPLICATES, Beside, Measured, measured
from acgan.metrics.frechet import baseline_subsets, smallest_count
from acgan.metrics.inception_score import SMALLEST_SCORE_COUNT
from acgan.metrics.kid import SMALLEST_KERNEL_COUNT
from acgan.metrics.prdc import NEIGHBORS, SMALLEST_MANIFOLD_COUNT
from acgan.plots.charts import class_bars
from acgan.report.section import Finding, ImageBlock, Metric, Section, Table


def fidelity_protocols(
    data: EvaluationData, extractor: Extractor, result: Measured
) -> dict[str, dict[str, Any]]:
    """By the keys that the figures of one extractor name."""
    name, validation = result.extractor, data.splits.validation
    base = {
        **data.protocol(extractor),
        "baseline": "validation against test",
        "validation_images": len(validation),
        "validation_hash": validation.content_hash,
    }
    return {
        f"frechet.{name}": {
            **base,
            "features": result.features,
            "covariance": "unbiased (N − 1), float64",
            "overall": "all samples against all test images",
            "baseline_images_per_side": result.baseline_count,
            "baseline_subsets": result.baseline_subsets,
            "per_class": "random subsets of equal size of samples, test and validation images",
            "images_per_side_per_class": list(result.class_counts),
            "subsets_per_class": baseline_subsets(result.features),
        },
        f"kid.{name}": {
            **base,
            "features": result.features,
            "kernel": "(x·y / features + 1)³",
            "estimate": "unbiased, over all pairs of all samples and all test images",
            "interval": "95 %, bootstrap over images, pairs of copies left out",
            "replicates": REPLICATES,
            "baseline_images_per_side": result.manifold_count,
        },
        f"inception_score.{name}": {
            **base,
            "baseline": "the score of real test images, at the same count",
            "splits": 1,
            "images": result.score_count,
            "known_classes": result.known_classes,
        },
        f"manifold.{name}": {
            **base,
            "features": result.features,
            "k": NEIGHBORS,
            "balls": "closed; the point itself is not among its neighbors",
            "subsets": "random, of equal size of samples, test and validation images",
            "images_per_side": result.manifold_count,
            "images_per_side_per_class": list(result.manifold_counts),
        },
    }


_SHARES_DIFFER = 0.05  # of the images, from which overall figures measure it noticeably
_MOST_BARS = 40

_EXPLANATION = (
    "Each network below turns images into numbers, its features, and the figures compare samples "
    "with the real test images there. The judge learned from the real training images of this data "
    "set; other networks learned from photographs and see other things. Figures of different "
    "networks, or of different data, cannot be compared with each other. The floor is the same "
    "figure with real validation images in place of the samples: what a perfect model would get, "
    "at the same number of images wherever the number matters.",
    "The Fréchet distance (Heusel et al. 2017) takes both sides for Gaussian clouds and measures "
    "how far apart they lie in place and shape. 0 is equal; it falls with the number of images, so "
    "that even real images have a floor above 0. It is called FID only in Inception's features. "
    "It is blind to what a mean and a covariance do not hold, and a model that repeats the "
    "training images has an excellent one.",
    "The kernel distance (KID; Bińkowski et al. 2018) asks whether images of one side are more "
    "like each other than like the other side's. It supposes no Gaussian and is right on average "
    "for any number of images: equal sides give 0, and chance may put it below, as do sides whose "
    "classes are exactly balanced, which is more even than chance: hence floors a little below 0. "
    "The 95 % interval says how much is chance of which images were drawn; where it reaches down "
    "to the floor, this measure cannot tell the samples from real images.",
    "The score (Salimans et al. 2016) is high when each sample is clearly one class to the network "
    "and all classes come up; its ceiling is the number of classes that the network knows. It "
    "never looks at a real image: one clear picture a class is perfect to it, so read it last.",
    "Precision and recall (Kynkäänniemi et al. 2019) draw a ball around every image that reaches "
    f"to its {NEIGHBORS}-th nearest neighbor on its own side. Precision is the share of samples "
    "in the ball of some real image: are they realistic? Recall is the share of real images in "
    "the ball of some sample: is the variety there? A few outliers with huge balls may lift both. "
    "So density (Naeem et al. 2020) counts in how many real balls a sample lies, 1 for real "
    "images, above 1 where samples crowd around the typical; and coverage is the share of real "
    "images that have a sample in their own ball.",
    "Per class, everything is measured among the samples asked for as that class and its real "
    "images (for the score: how much these samples add). A model that looks good overall and far "
    "off per class draws good pictures under wrong names.",
)


def fidelity_section(data: EvaluationData, extractors: Sequence[Extractor]) -> Section:
    """Fréchet and kernel distance, score, precision, recall, density and coverage.

    Overall and per class, each beside its floor, in the features of every extractor.

    Args:
        data: samples, real parts and judge.
        extractors: in whose features to measure, the most telling first.
    """
    results = []
    for done, extractor in enumerate(extractors):
        data.progress("fidelity", done, len(extractors))
        results.append(measured(data, extractor))
    data.progress("fidelity", len(extractors), len(extractors))
    metrics: list[Metric] = []
    blocks: list[Table | ImageBlock] = []
    findings: list[Finding] = []
    names = data.group_names if data.sample_set.conditional else ()
    protocols: dict[str, dict[str, Any]] = {}
    for extractor, result in zip(extractors, results, strict=True):
        metrics += _metrics(result)
        blocks += _blocks(names, result)
        decisive = extractor is extractors[0] and data.fallback_extractor is None
        findings += fidelity_findings(names, result, decisive=decisive)
        protocols.update(fidelity_protocols(data, extractor, result))
    order = ("fault", "warning", "good")
    return Section(
        key="fidelity",
        title="Fidelity: how close do samples come to real images?",
        explanation=_EXPLANATION,
        metrics=tuple(metrics),
        blocks=tuple(blocks),
        findings=tuple(sorted(findings, key=lambda each: order.index(each.level))),
        protocols=protocols,
        notes=tuple(_notes(data, results)),
    )


def _metrics(result: Measured) -> list[Metric]:
    name = result.extractor
    distance = "FID" if name.startswith("inception") else "Fréchet distance"
    return [
        _metric(
            result.frechet,
            measure="frechet_distance",
            title=distance,
            aim="low",
            protocol=f"frechet.{name}",
            extractor=name,
            least=smallest_count(result.features),
        ),
        _metric(
            result.kernel,
            measure="kernel_inception_distance",
            title="Kernel distance, KID",
            aim="baseline",  # which lies at 0 and on either side of it: no unit to count in
            protocol=f"kid.{name}",
            extractor=name,
            least=SMALLEST_KERNEL_COUNT,
            interval=result.kernel_interval,
        ),
        _metric(
            result.score,
            measure="inception_score",
            title="Inception-style score",
            aim="high",
            protocol=f"inception_score.{name}",
            extractor=name,
            least=SMALLEST_SCORE_COUNT,
            note=f"at most {result.known_classes:,}; the floor is the score of real test images",
        ),
        *(
            _metric(
                getattr(result, measure),
                measure=measure,
                title=measure.capitalize(),
                aim="baseline" if measure == "density" else "high",
                protocol=f"manifold.{name}",
                extractor=name,
                least=SMALLEST_MANIFOLD_COUNT,
            )
            for measure in ("precision", "recall", "density", "coverage")
        ),
    ]


def _metric(beside: Beside, *, least: int, note: str = "", **same: Any) -> Metric:
    values, frechet_ratio = beside.per_class, beside.per_class_baseline
    missing = []
    if beside.value is None:
        missing.append(f"it takes at least {least:,} samples and as many test images")
    elif beside.baseline is None:
        missing.append(f"the floor takes at least {least:,} validation images")
    if beside.value is not None and None in values:
        missing.append(f"per class it takes at least {least:,} samples and as many test images")
    elif beside.baseline is not None and None in frechet_ratio:
        missing.append(f"the floor of a class takes at least {least:,} validation images of it")
    known = any(each is not None for each in values)
    return Metric(
        value=beside.value,
        baseline=beside.baseline,
        per_class=values if known else (),
        per_class_baseline=frechet_ratio
        if known and any(each is not None for each in frechet_ratio)
        else (),
        note="; ".join([note] * bool(note and beside.value is not None) + missing),
        **same,
    )


def _blocks(classes: Sequence[str], result: Measured) -> list[Table | ImageBlock]:
    """The Fréchet distance per class: what the figure's table cannot show."""
    frechet = result.frechet
    if all(value is None for value in frechet.per_class):
        return []
    rows = [
        (name, value, baseline, _frechet_ratio(value, baseline), images)
        for name, value, baseline, images in zip(
            classes, frechet.per_class, frechet.per_class_baseline, result.class_counts, strict=True
        )
    ]
    overall = (frechet.value, frechet.baseline, _frechet_ratio(frechet.value, frechet.baseline))
    shown = sorted(np.argsort([-(row[1] or 0.0) for row in rows], kind="stable")[:_MOST_BARS])
    chart = class_bars(
        [classes[index] for index in shown],
        {"samples": [frechet.per_class[index] for index in shown]},
        axis=f"Fréchet distance ({result.extractor})",
        baseline=[frechet.per_class_baseline[index] for index in shown],
    )
    farthest = f" The {_MOST_BARS} farthest classes." if len(classes) > _MOST_BARS else ""
    title = f"Fréchet distance per class ({result.extractor})"
    return [
        ImageBlock(
            title=title,
            png=chart,
            caption="One bar a class: the distance between the samples asked for as this class and "
            "its real test images; the tick is the same between two sets of its real images. A bar "
            "that reaches just its tick is as good as it gets; one that stands out is a class that "
            f"the model has not learned, or draws under another name.{farthest}",
        ),
        Table(
            title=f"{title}, in floors",
            header=("class", "distance", "baseline", "in floors", "images a side"),
            rows=(("all", *overall, None), *rows),
            caption="Overall and per class; distances of classes are taken at equal counts, which "
            "are smaller than overall, so that their floors are higher.",
        ),
    ]


def _frechet_ratio(value: float | None, baseline: float | None) -> float | None:
    return value / baseline if value is not None and baseline else None


def _notes(data: EvaluationData, results: Sequence[Measured]) -> list[str]:
    if not data.sample_set.conditional:
        return ["No class was asked for, so there are no figures per class."]
    notes = [
        f"No Fréchet distance per class ({each.extractor}): a covariance of {each.features:,} "
        f"features takes {smallest_count(each.features):,} images of the class a side; the kernel "
        "distance takes few."
        for each in results
        if each.frechet.value is not None and all(v is None for v in each.frechet.per_class)
    ]
    target_labels = np.bincount(data.sample_set.target_labels, minlength=len(data.group_names))
    real = data.splits.test.class_counts
    apart = (
        0.5 * np.abs(target_labels / max(target_labels.sum(), 1) - real / max(real.sum(), 1)).sum()
    )
    if apart > _SHARES_DIFFER:
        notes.append(
            f"The classes' shares differ between samples and test images (by {apart:.0%} of the "
            "images): overall figures measure that too, figures per class do not."
        )
    return notes
