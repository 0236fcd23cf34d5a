from __future__ import annotations

import io

import pytest

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
    assert lines[0] == "  samples: 14,000 of 100,000"
    assert lines[-1] == "  samples: 100.0 s"
    assert len(lines) == 7
    assert "\r" not in stream.getvalue()
