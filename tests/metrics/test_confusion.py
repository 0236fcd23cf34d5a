from __future__ import annotations

import numpy as np
import pytest
from scipy.stats.contingency import association as plain_association

from acgan.metrics.accuracy import cramers_v, permuted_cycles, row_shares

K = 6


def test_a_cycle_is_found_although_one_of_its_classes_is_drawn_badly() -> None:
    samples = np.zeros((K, K), np.int64)
    for target_labels in range(K):
        samples[target_labels, (target_labels + 1) % K] = 400
    samples[2] = [80, 80, 80, 60, 50, 50]
    assert sorted(permuted_cycles(samples, gain=0.3, smallest=10)[0]) == list(range(K))


def test_cycles_are_given_in_the_order_in_which_one_is_seen_as_the_next() -> None:
    samples = np.diag([100] * K)[:, [0, 3, 1, 2, 5, 4]]  # one is seen as two, two as three
    assert permuted_cycles(samples, gain=0.3, smallest=10) == [[1, 2, 3], [4, 5]]


def test_a_class_that_swallows_another_is_no_exchange() -> None:
    samples = np.diag([100] * K)
    samples[3] = samples[5]
    assert permuted_cycles(samples, gain=0.3, smallest=10) == []


def test_few_samples_prove_no_exchange() -> None:
    samples = np.diag([100, 100, 4, 4])[:, [0, 1, 3, 2]]
    assert permuted_cycles(samples, gain=0.3, smallest=10) == []
    assert permuted_cycles(samples, gain=0.3, smallest=4) == [[2, 3]]


def test_shares_of_nothing_are_nothing() -> None:
    assert row_shares(np.array([[1, 3], [0, 0]])).tolist() == [[0.25, 0.75], [0.0, 0.0]]


def test_association_is_cramers_v_of_many_samples() -> None:
    table = np.random.default_rng(3).integers(2_000, 90_000, (K, K))
    table[1] *= 3
    assert cramers_v(table) == pytest.approx(plain_association(table, "cramer"), abs=1e-3)
    assert cramers_v(np.diag([5, 9, 700])) == pytest.approx(1.0, abs=0.01)
    assert cramers_v(np.diag([50, 90, 70])[:, [2, 0, 1]]) == pytest.approx(1.0)


def test_independent_classes_have_no_association_however_few() -> None:
    random = np.random.default_rng(4)
    values = [cramers_v(random.multinomial(5, np.full(10, 0.1), 10)) for _ in range(50)]
    assert np.mean(values) < 0.12
