"""Means over a logging interval, and the counters that they are saved with."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.training.state import Counters, Meters

VALUES = st.lists(
    st.tuples(st.floats(-1e6, 1e6, width=32), st.integers(1, 100)), min_size=2, max_size=20
)


def test_a_mean_weighs_every_observation_alike() -> None:
    meters = Meters()
    meters.add("class_accuracy.fake", 3, 4)
    meters.add("class_accuracy.fake", 0, 12)
    meters.add("discriminator.r1", 0.5)
    assert meters.means() == {"class_accuracy": {"fake": 3 / 16}, "discriminator": {"r1": 0.5}}
    meters.clear()
    assert meters.means() == {}


def test_small_figures_are_not_lost_in_large_sums() -> None:
    meters = Meters()
    for value in (2.0**24, 1.0, 1.0):
        meters.add("loss", value)
    assert meters.means()["loss"] == (2**24 + 2) / 3, "float32 would have lost both"


@given(VALUES, st.data())
def test_an_interval_cut_in_two_gives_the_same_bits(
    values: list[tuple[float, int]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(values)))
    straight, resumed = Meters(), Meters()
    for index, (value, count) in enumerate(values):
        if index == cut:
            saved = json.loads(json.dumps(resumed.state()))
            resumed = Meters()
            resumed.restore(saved)
        for meters in (straight, resumed):
            meters.add("a.b", value, count)
    assert straight.state() == resumed.state()
    assert straight.means() == resumed.means()


def test_counters_come_back_through_json() -> None:
    counters = Counters()
    counters.images_seen, counters.step, counters.retry, counters.skipped_in_row = 640, 10, 2, 1
    counters.source_accuracy = {"real": 0.1 + 0.2}
    counters.meters.add("a", 1 / 3, 3)
    counters.alarm_tracker.update({"source": "it wins"}, 50_000)
    saved = json.loads(json.dumps(counters.state()))
    back = Counters()
    back.restore(saved)
    assert back.state() == counters.state()
    assert back.source_accuracy["real"] == pytest.approx(0.3)
    assert vars(back).keys() == vars(counters).keys()
    assert set(saved) == {"alarms" if key == "alarm_tracker" else key for key in vars(counters)}
