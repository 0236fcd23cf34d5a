from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.cli.output import Stages


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("acgan.cli.output.time.monotonic", lambda: now[0])
    return now


def test_a_terminal_shows_one_line_that_moves(clock: list[float]) -> None:
    stream = Terminal()
    stages = Stages(stream)
    for step in range(10):
        clock[0] += 0.1
        stages.progress("judge: samples", step, 10)
    stages.done("judge", 61.25)
    assert stream.getvalue().count("\n") == 1
    assert 3 <= stream.getvalue().count("\r") <= 6
    last = stream.getvalue().split("\r")[-1]
    assert last.startswith("  judge: 61.2 s")
    assert len(last.rstrip("\n")) >= len("  judge: samples: 9 of 10")  # nothing of it stays behind


def test_a_log_gets_few_lines(clock: list[float]) -> None:
    stream = io.StringIO()
    stages = Stages(stream)
    for step in range(100):
        clock[0] += 1
        stages.progress("samples", step * 1000, 100_000)
    stages.done("samples", 100.0)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "  samples: 14,000 of 100,000 (14%, 1:26 left)"
    assert lines[-1] == "  samples: 100.0 s"
    assert len(lines) == 7
    assert "\r" not in stream.getvalue()


def test_the_time_left_follows_the_recent_rate_and_does_not_jump(clock: list[float]) -> None:
    stream = io.StringIO()
    stages = Stages(stream)
    left = []
    for second in range(1, 301):
        clock[0] += 1
        stages.progress("fit", 10 * (second - second // 10), 10_000)  # a pause every ten seconds
    for line in stream.getvalue().splitlines():
        minutes, seconds = line.split("%, ")[1].split(" left")[0].split(":")
        left.append(60 * int(minutes) + int(seconds))
    assert len(left) == 20
    assert all(abs(after - before) < 60 for before, after in pairwise(left))
    assert left[-1] == pytest.approx((10_000 - 2700) / 9, rel=0.05)


def test_a_new_stage_and_an_earlier_position_start_a_new_measurement(clock: list[float]) -> None:
    stream = Terminal()
    stages = Stages(stream)
    for stage, start, total in (("data", 0, 50), ("fit", 9_000, 10_000), ("again", 0, 10_000)):
        for step in range(11):
            clock[0] += 1
            stages.progress(stage, start + step, total)
        expected = total - start - 10
        last = stream.getvalue().split("\r")[-1]
        assert f"{expected // 60}:{expected % 60:02} left" in last or f"{expected // 3600}:" in last


@settings(max_examples=200)
@given(
    stage=st.text("abcdefghij ", min_size=1, max_size=200),
    done=st.integers(0, 10**9),
    more=st.integers(0, 10**9),
    seconds=st.floats(0.01, 1e5),
)
def test_piped_lines_have_at_most_120_characters(
    stage: str, done: int, more: int, seconds: float
) -> None:
    now = [0.0]
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("acgan.cli.output.time.monotonic", lambda: now[0])
        stages = Stages(stream)
        stages.progress(stage, done // 2, done + more)
        now[0] += seconds + 15
        stages.progress(stage, done, done + more)
        stages.done(stage, seconds)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 120
    assert lines[-1].endswith(f"{seconds:.1f} s")
    assert "nan" not in lines[0]
