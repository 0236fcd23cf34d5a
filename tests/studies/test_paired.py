from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from acgan.studies.usefulness_result import paired_difference


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    random = np.random.default_rng(0)
    arm, baseline = random.normal(0.8, 0.02, 5), random.normal(0.78, 0.02, 5)
    ours = paired_difference(arm.tolist(), baseline.tolist())
    reference = stats.ttest_rel(arm, baseline).confidence_interval(0.95)
    assert ours.interval == pytest.approx((reference.low, reference.high), rel=1e-9)


def test_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, deviation 1 (N − 1), standard error 1/√3, t(.975, 2) = 4.302653.
    ours = paired_difference([11.0, 22.0, 33.0], [10.0, 20.0, 30.0])
    assert ours.mean == pytest.approx(2)
    assert ours.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert ours.verdict == "none"


def test_pairing_finds_what_a_spread_between_seeds_would_hide() -> None:
    baseline = [0.50, 0.70, 0.90]
    assert paired_difference([0.52, 0.721, 0.921], baseline).verdict == "gain"
    assert paired_difference([0.48, 0.679, 0.879], baseline).verdict == "cost"
    assert paired_difference([0.721, 0.52, 0.921], baseline).verdict == "none"


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ([0.588, 0.589, 0.588], "cost 1.2 ± 0.1 points"),
        ([0.652, 0.652, 0.652], "gain 5.2 ± 0.0 points"),
        ([0.61, 0.60, 0.60], "no difference that 3 seeds can show (+0.3 ± 1.4 points)"),
        ([0.59, 0.60, 0.60], "no difference that 3 seeds can show (−0.3 ± 1.4 points)"),
        ([0.60, 0.60, 0.60], "no difference that 3 seeds can show (0.0 ± 0.0 points)"),
    ],
)
def test_words(arm: list[float], words: str) -> None:
    assert paired_difference(arm, [0.6, 0.6, 0.6]).words == words


def test_values_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="two pairs"):
        paired_difference([1.0], [1.0])
