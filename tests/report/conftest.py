from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from acgan.report.report import Report
from acgan.report.section import Finding, ImageBlock, Metric, Section, Table

NAMES = ("cat", "<b>dog</b>", 'T-shirt & "top"')


def png(width: int = 20, height: int = 10) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, format="PNG")
    return buffer.getvalue()


def make_report(**changes: Any) -> Report:
    """A small report with everything in it that a report can have."""
    protocol = {
        "extractor": "judge",
        "extractor_weights_hash": "ab" * 32,
        "samples_per_class": [10, 10, 10],
        "resize": "none",
        "seed": 0,
    }
    fidelity = Section(
        "fidelity",
        "Fidelity: do they look real?",
        ("What it is.", "How to read it."),
        metrics=(
            Metric(
                "frechet_distance",
                "Fréchet distance",
                0.175,
                "low",
                "frechet",
                baseline=0.035,
                interval=(0.161, 0.192),
                per_class=(0.5, None, 0.9),
                per_class_baseline=(0.1, 0.1, 0.3),
                extractor="reference-classifier",
            ),
            Metric("fid", "FID", None, "low", "fid", note="It takes Inception's weights."),
        ),
        blocks=(ImageBlock("A strip", png(), "From left to right."),),
        findings=(Finding("far-from-real", "warning", "Five floors away."),),
        protocols={"frechet": protocol, "fid": {"extractor": "inception"}},
        notes=("A note on fidelity.",),
    )
    labels = Section(
        "labels",
        "Labels",
        ("Who sees what.",),
        metrics=(
            Metric(
                "gan_test_accuracy",
                "Accuracy",
                0.75,
                "high",
                "judge",
                per_class=(0.9, 0.4, 0.95),
                extractor="reference-classifier",
            ),
        ),
        blocks=(
            Table(
                "Confusion",
                ("asked", *NAMES),
                (("cat", 8, 2, 0), ("<b>dog</b>", 5, 5, None)),
                "Rows are asked for.",
                heat=True,
            ),
        ),
        findings=(
            Finding("fine", "good", "Cats are cats."),
            Finding("classes-confused", "fault", "Dogs are cats."),
        ),
        protocols={"judge": {"extractor": "judge"}},
    )
    values: dict[str, Any] = {
        "name": "digits-s0",
        "data": "digits",
        "classes": NAMES,
        "samples": 30,
        "origin": {"model": "cd" * 32, "images_seen": 640, "recipe": "tiny", "training_seed": 0},
        "sections": (fidelity, labels),
        "held_out": True,
        "overview": ImageBlock("Samples", png(), "Beside real images."),
        "config": {"seed": 0, "generator": {"widths": [8, 4]}},
        "reference_classifier": {"test_accuracy": 0.993},
        "notes": ("A note on everything.",),
        "seconds": {"fidelity": 12.0, "labels": 0.5},
        "versions": {"acgan": "0.1", "torch": "2.10"},
        "machine": "two cores",
        "command": "acgan evaluate runs/digits-s0",
        "date": "2026-11-22",
    }
    return Report(**(values | changes))


@pytest.fixture
def report() -> Callable[..., Report]:
    """``report(**changes)`` is a small report."""
    return make_report
