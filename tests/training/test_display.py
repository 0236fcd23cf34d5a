from __future__ import annotations

import io
import math
import random
import re
from contextlib import closing
from typing import Any, TextIO

import pytest

from acgan.training.display import (
    Display,
    LiveDisplay,
    PlainDisplay,
    Progress,
    SilentDisplay,
    duration,
    format_metrics,
    make_display,
)

ROW: dict[str, Any] = {
    "images": 12800,
    "step": 100,
    "discriminator": {
        "source_real": 0.601,
        "source_fake": 0.552,
        "class_real": 0.103,
        "total": 1.256,
    },
    "generator": {"source": 1.234, "class": 0.115, "total": 1.349},
    "class_accuracy": {"real_train": 0.991, "real_held_out": 0.972, "fake": 0.943},
    "source_accuracy": {"real": 0.714, "fake": 0.695},
}
SHOWN = [
    *("0.601", "0.552", "0.103", "1.256", "1.234", "0.115", "1.349"),
    *("99.1 %", "97.2 %", "94.3 %", "71.4 %", "69.5 %"),
    *("12,800/300,000", "4.3 %", "1,280 images/s", "3:44 left"),
]


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def live(stream: TextIO, watch: Watch, width: int = 120) -> LiveDisplay:
    return LiveDisplay(stream, watch, width=width)


def plain_text(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\xa0", " ")


def test_a_plain_line_holds_every_figure_and_no_escape_code() -> None:
    stream, watch = io.StringIO(), Watch()
    display = PlainDisplay(stream, watch)
    display.start("digits-default", 300_000, 0)
    watch.seconds += 10
    display.update(12_800)
    display.metrics(ROW)
    display.message("one class is ignored", "warning")
    display.message("wrote a sheet")
    display.close()
    start, *row, warning, note = stream.getvalue().splitlines()
    line = " ".join(row)
    assert "digits-default" in start
    assert [figure for figure in SHOWN if figure not in line] == []
    assert line.index("D loss") < line.index("0.601") < line.index("G loss") < line.index("1.234")
    assert (warning, note) == ("warning: one class is ignored", "wrote a sheet")
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_plain_updates_between_logged_rows_print_nothing() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, Watch())
    display.start("run", 1000, 0)
    before = stream.getvalue()
    for images in range(1000):
        display.update(images)
    assert stream.getvalue() == before


def test_a_resumed_run_says_where_it_goes_on() -> None:
    stream = io.StringIO()
    PlainDisplay(stream, Watch()).start("run", 300_000, 64_000)
    assert "resumed at 64,000" in stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_display_shows_every_figure_at_any_width(width: int) -> None:
    stream, watch = Terminal(), Watch()
    display = live(stream, watch, width)
    display.start("digits-default", 300_000, 0)
    watch.seconds += 10
    display.metrics(ROW)
    display.update(12_800)
    display.close()
    text = plain_text(stream.getvalue())
    assert [figure for figure in ["digits-default", *SHOWN] if figure not in text] == []


RANDOM = random.Random(0)


def random_row() -> dict[str, Any]:
    """The usual names and others, with numbers of any size; some are unknown or not finite."""
    row: dict[str, Any] = {"images": RANDOM.randrange(10 ** RANDOM.randrange(1, 25))}
    for group, names in ROW.items():
        if isinstance(names, dict):
            share = "accuracy" in group
            others = {f"lecam_{'x' * RANDOM.randint(1, 12)}": 0.0} if not share else {}
            row[group] = {
                name: RANDOM.choice([None, math.inf, math.nan, RANDOM.random()])
                if share or RANDOM.random() < 0.3
                else RANDOM.uniform(-1, 1) * 10 ** RANDOM.randrange(-5, 300)
                for name in (*names, *others)
            }
    return row


def random_text() -> str:
    """Words, some of them longer than a line, as paths and names of classes are."""
    length = RANDOM.choice([1, 8, 30, 300])
    return " ".join("/a-ü_"[RANDOM.randrange(5)] * RANDOM.randint(1, length) for _ in range(20))


def test_piped_lines_have_at_most_120_characters() -> None:
    for _ in range(100):
        row, message, stream = random_row(), random_text(), io.StringIO()
        display = PlainDisplay(stream, Watch())
        display.start(random_text(), RANDOM.randrange(10**24), 7)
        display.metrics(row)
        display.message(f"the generator ignores {message}", "warning")
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= 120
        text = " ".join(" ".join(lines).split())
        for group, shown in format_metrics(row):
            assert f"{group}: " in text
            assert [pair for pair in shown if " ".join(pair) not in text] == []
        if max(map(len, message.split())) < 100:
            assert message in text


def test_a_narrow_terminal_loses_nothing() -> None:
    for width in range(30, 130):
        row, stream, watch = random_row(), Terminal(), Watch()
        row["images"] %= 10**9
        display = live(stream, watch, width)
        display.start("run", 3_000_000, 0)
        watch.seconds += 10
        display.metrics(row)
        display.close()
        lines = plain_text(stream.getvalue()).splitlines()
        assert max(map(len, lines)) <= width
        figures = [value for _, shown in format_metrics(row) for _, value in shown]
        text = re.sub(r"\s", "", "".join(lines))
        figures += [f"{row['images']:,}", "3,000,000 images"]
        assert [each for each in figures if each.replace(" ", "") not in text] == []


def test_live_messages_stay_and_are_taken_literally() -> None:
    stream = Terminal()
    display = live(stream, Watch())
    display.start("run", 1000, 0)
    display.message("class [bold]seven[/bold] is ignored", "warning")
    display.close()
    text = plain_text(stream.getvalue())
    assert text.count("warning: class [bold]seven[/bold] is ignored\n") == 1
    assert text.index("warning") < text.rindex("run")


def test_the_live_display_gives_the_cursor_back_and_closes_twice() -> None:
    stream = Terminal()
    with closing(live(stream, Watch())) as display:
        display.start("run", 1000, 0)
        # Also while it runs: a kill must not leave a terminal without its cursor.
        assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")
        display.close()
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_live_drawing_is_throttled() -> None:
    stream, watch = Terminal(), Watch()
    display = live(stream, watch)
    display.start("run", 100_000, 0)
    for step in range(1000):  # 50 seconds at 20 steps a second
        watch.seconds += 0.05
        display.update(64 * step)
    drawings = stream.getvalue().count(" left")
    assert 60 <= drawings <= 102
    display.close()


def test_slow_terminals_are_drawn_to_less_often() -> None:
    watch = Watch()

    class Slow(Terminal):
        def write(self, text: str) -> int:
            watch.seconds += 0.01
            return super().write(text)

    stream = Slow()
    display = live(stream, watch)
    display.start("run", 100_000, 0)
    began, written = watch.seconds, 0.0
    while watch.seconds - began < 600:
        before = watch.seconds
        display.update(1)
        written += watch.seconds - before
        watch.seconds += 0.05
    assert 0 < written / (watch.seconds - began) < 0.005
    display.close()


@pytest.mark.parametrize("make", [lambda s: PlainDisplay(s, Watch()), lambda s: live(s, Watch())])
def test_a_stream_that_breaks_does_not_stop_the_run(make: Any) -> None:
    for stream in (Broken(), closed()):
        display: Display = make(stream)
        display.start("run", 1000, 0)
        display.update(500)
        display.metrics(ROW)
        display.message("hello")
        display.close()


def closed() -> TextIO:
    stream = io.StringIO()
    stream.close()
    return stream


def test_the_display_fits_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(make_display(Terminal()), LiveDisplay)
    assert isinstance(make_display(io.StringIO()), PlainDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display(Terminal()), PlainDisplay)


def test_without_color_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    color = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;)[0-9;]*m")
    drawn = []
    for no_color in (False, True):
        if no_color:
            monkeypatch.setenv("NO_COLOR", "1")
        else:
            monkeypatch.delenv("NO_COLOR", raising=False)
        stream = Terminal()
        with closing(make_display(stream)) as display:
            display.start("run", 1000, 0)
            display.message("careful", "warning")
        drawn.append(stream.getvalue())
    assert color.search(drawn[0])
    assert not color.search(drawn[1])


def test_the_silent_display_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with closing(SilentDisplay()) as display:
        display.start("run", 1000, 0)
        display.update(1)
        display.metrics(ROW)
        display.message("hello", "warning")
    assert capfd.readouterr() == ("", "")


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    watch = Watch()
    progress = Progress(watch)
    progress.start(1_000_000, 0)
    assert progress.images_per_second is None
    images = 0
    for _ in range(1000):  # 100 seconds at 100 images a second
        watch.seconds += 0.1
        images += 10
        progress.update(images)
    assert progress.images_per_second == pytest.approx(100)
    for _ in range(400):  # 40 seconds at 1,000 images a second
        watch.seconds += 0.1
        images += 100
        progress.update(images)
    assert progress.images_per_second == pytest.approx(1000)
    assert progress.seconds_left == pytest.approx((1_000_000 - images) / 1000)


def test_a_resumed_run_does_not_count_what_was_done_before() -> None:
    watch = Watch()
    progress = Progress(watch)
    progress.start(100_000, 50_000)
    watch.seconds += 10
    progress.update(51_000)
    assert progress.images_per_second == pytest.approx(100)


def test_a_restored_state_does_not_make_the_rate_negative() -> None:
    watch = Watch()
    progress = Progress(watch)
    progress.start(1000, 0)
    watch.seconds += 1
    progress.update(500)
    watch.seconds += 1
    progress.update(100)
    assert progress.images_per_second is None
    watch.seconds += 1
    progress.update(150)
    assert progress.images_per_second == pytest.approx(50)


def test_durations_and_figures_are_readable() -> None:
    assert [duration(s) for s in (0, 7.4, 59.6, 754, 11045)] == [
        *("0:00", "0:07", "1:00", "12:34", "3:04:05")
    ]
    row = {
        "discriminator": {"a": None, "b": math.nan, "c": 123456.0},
        "class_accuracy": {"real_held_out": 0.9999, "x": 1.0, "y": 0.0, "z": 0.0001},
    }
    assert format_metrics(row) == [
        ("D loss", [("a", "–"), ("b", "nan"), ("c", "1.23e+05")]),
        (
            "class accuracy",
            [("real held-out", "99.9 %"), ("x", "100.0 %"), ("y", "0.0 %"), ("z", "0.1 %")],
        ),
    ]
