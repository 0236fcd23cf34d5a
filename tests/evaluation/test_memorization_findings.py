from __future__ import annotations

import pytest

from acgan.evaluation.memorization_findings import NearCopies, memorization_findings
from acgan.report.section import Finding


def finding(
    pixels: tuple[float, float],
    blurred: tuple[float, float],
    *,
    sharpness: float | None = 1.0,
    ratio: float | None = 1.0,
    samples: int = 10_000,
) -> Finding:
    copies = (NearCopies("in pixels", *pixels), NearCopies("without detail", *blurred))
    (only,) = memorization_findings(
        copies,
        samples=samples,
        held_out=samples,
        copy_sharpness=sharpness,
        nearest_ratio=ratio,
    )
    return only


@pytest.mark.parametrize(
    ("pixels", "blurred", "sharpness", "ratio", "expected"),
    [
        ((0.0, 0.01), (0.01, 0.03), None, 1.0, ("good", "good")),
        ((1.0, 0.01), (1.0, 0.03), 1.0, 0.0, ("copies-training-images", "fault")),
        ((0.3, 0.01), (0.9, 0.03), 0.1, 0.7, ("blurred-training-images", "fault")),
        ((0.0, 0.01), (0.9, 0.03), 2.0, 1.2, ("copies-training-images", "fault")),
        ((0.0, 0.01), (0.9, 0.03), None, 1.2, ("copies-training-images", "fault")),
        ((0.04, 0.01), (0.05, 0.03), 1.0, 1.0, ("copies-training-images", "warning")),
        ((0.0, 0.01), (0.06, 0.03), 0.2, 1.0, ("blurred-training-images", "warning")),
        ((0.0, 0.01), (0.0, 0.03), 0.1, 0.6, ("nearer-than-held-out", "warning")),
        ((0.0, 0.01), (0.0, 0.03), None, None, ("good", "good")),
    ],
)
def test_copies_blurred_copies_and_new_images_are_told_apart(
    pixels: tuple[float, float],
    blurred: tuple[float, float],
    sharpness: float | None,
    ratio: float | None,
    expected: tuple[str, str],
) -> None:
    one = finding(pixels, blurred, sharpness=sharpness, ratio=ratio)
    assert (one.key, one.level) == expected
    assert "compare the images" in one.sentence


def test_a_few_more_near_copies_in_a_small_sample_are_chance() -> None:
    shares = ((0.05, 0.02), (0.05, 0.02))
    assert finding(*shares, samples=50).key == "good"
    assert finding(*shares, samples=10_000).key == "copies-training-images"


def test_says_the_shares_it_rests_on() -> None:
    sentence = finding((0.25, 0.01), (0.2, 0.03)).sentence
    assert "25.0% of the samples" in sentence
    assert "in pixels; held-out real images: 1.0%" in sentence


def test_without_figures_nothing_is_said() -> None:
    nothing = memorization_findings(
        (), samples=0, held_out=0, copy_sharpness=None, nearest_ratio=None
    )
    assert nothing == ()
