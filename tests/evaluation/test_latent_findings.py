from __future__ import annotations

import numpy as np
import pytest

from acgan.evaluation.latent_findings import latent_findings
from acgan.metrics.style import StyleConsistency


def style(value: float) -> StyleConsistency:
    return StyleConsistency(
        ("brightness", "slant"), np.array([value, value]), np.array([0.03, 0.03])
    )


@pytest.mark.parametrize(
    ("value", "key", "level"),
    [(0.8, "style-consistent", "good"), (0.02, "style-inconsistent", "warning")],
)
def test_style_is_said_in_words(value: float, key: str, level: str) -> None:
    (only,) = latent_findings(style(value), (), 500)
    assert (only.key, only.level) == (key, level)
    assert f"brightness {value:.2f}, slant {value:.2f}" in only.sentence


@pytest.mark.parametrize("value", [0.2, float("nan")])
def test_between_the_two_nothing_is_said(value: float) -> None:
    assert latent_findings(style(value), (), 500) == ()


def test_a_model_that_was_better_is_named() -> None:
    past = [(0, 0.1), (20_000, 0.95), (40_000, 0.8)]
    (only,) = latent_findings(style(0.2), past, 500)
    assert (only.key, only.level) == ("past-its-best", "warning")
    assert "20,000 images" in only.sentence
    assert "95.0%" in only.sentence
    assert "80.0%" in only.sentence


def test_a_little_worse_or_a_few_samples_are_no_warning() -> None:
    assert latent_findings(style(0.2), [(1, 0.95), (2, 0.92)], 500) == ()
    assert latent_findings(style(0.2), [(1, 0.8), (2, 0.7)], 20) == ()
    assert latent_findings(style(0.2), [(2, 0.5)], 500) == ()
