"""What stands behind every figure on fidelity: enough to measure it again."""

from __future__ import annotations

from typing import Any

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.fidelity import floor_draws
from acgan.evaluation.manifold import NEIGHBOURS
from acgan.evaluation.sections.fidelity_measured import REPLICATES, Measured


def fidelity_protocols(
    evidence: Evidence, extractor: Extractor, result: Measured
) -> dict[str, dict[str, Any]]:
    """By the keys that the figures of one extractor name."""
    name, validation = result.extractor, evidence.parts.validation
    base = {
        **evidence.protocol(extractor),
        "floor": "validation against test",
        "validation_images": len(validation),
        "validation_hash": validation.content_hash,
    }
    return {
        f"frechet.{name}": {
            **base,
            "features": result.features,
            "covariance": "unbiased (N − 1), float64",
            "overall": "all samples against all test images",
            "floor_images_a_side": result.floor_count,
            "floor_draws": result.floor_draws,
            "per_class": "random subsets of equal size of samples, test and validation images",
            "images_a_side_per_class": list(result.class_counts),
            "draws_per_class": floor_draws(result.features),
        },
        f"kid.{name}": {
            **base,
            "features": result.features,
            "kernel": "(x·y / features + 1)³",
            "estimate": "unbiased, over all pairs of all samples and all test images",
            "interval": "95 %, bootstrap over images, pairs of copies left out",
            "replicates": REPLICATES,
            "floor_images_a_side": result.manifold_count,
        },
        f"inception_score.{name}": {
            **base,
            "floor": "the score of real test images, at the same count",
            "splits": 1,
            "images": result.score_count,
            "known_classes": result.known_classes,
        },
        f"manifold.{name}": {
            **base,
            "features": result.features,
            "k": NEIGHBOURS,
            "balls": "closed; the point itself is not among its neighbours",
            "subsets": "random, of equal size of samples, test and validation images",
            "images_a_side": result.manifold_count,
            "images_a_side_per_class": list(result.manifold_counts),
        },
    }
