"""Standard streams that fail and signals at any time: an exit code, a sentence, valid JSON."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TextIO, cast

import numpy as np
import pytest
from PIL import Image

import acgan as acgan_package
from acgan.cli.main import execute
from acgan.cli.output import json_text
from acgan.errors import DiskError
from acgan.storage.streams import GuardedStream
from acgan.training.signals import STOP_SIGNALS

Acgan = Callable[..., Any]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(acgan_package.__file__).parents[1])}


def closed() -> TextIO:
    stream = io.StringIO()
    stream.close()
    return stream


def left() -> TextIO:
    """A pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


def full() -> TextIO:
    return Path("/dev/full").open("w", encoding="utf-8")


def narrow(encoding: str) -> Callable[[], TextIO]:
    return lambda: io.TextIOWrapper(io.BytesIO(), encoding)


def text_of(stream: TextIO) -> str:
    stream.flush()
    inner = cast(io.BytesIO, stream.buffer)
    return inner.getvalue().decode(stream.encoding)


WORKING = ("ascii", "cp1252", "cp437", "utf-8")
STREAMS: dict[str, Callable[[], TextIO | None]] = {
    "missing": lambda: None,
    "closed": closed,
    "left": left,
    "full": full,
    **{name: narrow(name) for name in WORKING},
}
BROKEN = ("missing", "closed", "full")


@pytest.fixture
def lines(tiny_run: Path, tmp_path: Path) -> list[tuple[int, list[str]]]:
    """Command lines of every command, right and wrong, with their exit codes."""
    run, out = str(tiny_run), str(tmp_path / "路径-é")
    return [
        (0, ["recipes"]),
        (0, ["recipes", "small-gray"]),
        (2, ["recipes", "ℓ"]),
        (0, ["explain"]),
        (0, ["explain", "acgan"]),
        (2, ["explain", "é"]),
        (0, ["show", run]),
        (0, ["show", "small-gray"]),
        (2, ["show", "路径"]),
        (0, ["runs", str(tiny_run.parent)]),
        (2, ["runs", "nowhere-\udcff"]),
        (0, ["sample", run, "--out", out]),
        (0, ["sample", run, "--grid", f"{out}.png"]),
        (2, ["sample", run, "--class", "é", "--out", out]),
        (0, ["interpolate", run, "--class", "zero", "--to-class", "7", "--out", f"{out}2.png"]),
        (2, ["interpolate", run, "--out", "x.txt"]),
        (0, ["inspect", run, f"{out}.png"]),
        (3, ["inspect", run, __file__]),
        (3, ["train", str(Path(__file__).parent)]),
        (2, ["compare", run, run]),
        (2, ["evaluate", "nowhere"]),
        (2, ["compare-objectives", "digits", "--objective", "é", "--out", out]),
        (2, ["--é"]),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_every_command_with_every_stream(
    lines: list[tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line meets a random pair of streams, with and without --json."""
    choice = random.Random(0)
    for code, line in lines:
        for as_json in (False, True):
            names = choice.choice(list(STREAMS)), choice.choice(list(STREAMS))
            streams = [STREAMS[name]() for name in names]
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", streams[0])
                patch.setattr(sys, "stderr", streams[1])
                got = execute([*line, *["--json"] * as_json])
            case = (line, as_json, names)
            assert got == (5 if code == 0 and names[0] in BROKEN else code), case
            if streams[0] is not None and names[0] in WORKING:
                printed = text_of(streams[0])
                if as_json:
                    value = json.loads(printed)
                    assert code == 0 or value["exit_code"] == code, case
                elif code:
                    assert printed == "", case
            if streams[1] is not None and names[1] in WORKING:
                said = text_of(streams[1])
                assert "Traceback" not in said, case
                assert not got or said.count("acgan: ") == 1, case
                assert "internal error" not in said, case
            for stream in streams:
                if stream is not None:
                    stream.close()


def test_json_is_valid_and_ascii_where_the_console_is(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"ℓ": [float("nan"), float("inf"), 1.5], "file": Path("é\udcff"), "😀": None}
    for encoding in ("ascii", "cp1252", "utf-8"):
        monkeypatch.setattr(sys, "stdout", narrow(encoding)())
        text = json_text(values)
        assert text.encode(encoding)
        assert json.loads(text) == {"ℓ": [None, None, 1.5], "file": "é\udcff", "😀": None}
    monkeypatch.setattr(sys, "stdout", narrow("utf-8")())
    assert "ℓ" in json_text({"a": "ℓ"})


@pytest.mark.parametrize("name", BROKEN)
def test_a_required_stream_says_once_that_it_failed(name: str) -> None:
    inner = STREAMS[name]()
    stream = GuardedStream(inner, required=True)
    with pytest.raises(DiskError, match="cannot write the result to stdout: "):
        print("result", file=stream, flush=True)
    print("more", file=stream, flush=True)
    other = STREAMS[name]()
    print("message", file=GuardedStream(other), flush=True)
    for each in (inner, other):
        if each is not None:
            each.close()


@pytest.mark.parametrize("encoding", WORKING)
def test_what_a_console_cannot_show_becomes_an_escape(encoding: str) -> None:
    stream = narrow(encoding)()
    print("7 é ℓ", file=GuardedStream(stream), flush=True)
    shown = {"ascii": "7 \\xe9 \\u2113", "utf-8": "7 é ℓ"}.get(encoding, "7 é \\u2113")
    assert text_of(stream) == shown + os.linesep


def test_a_reader_that_left_is_no_error() -> None:
    with left() as stream:
        print("result", file=GuardedStream(stream, required=True), flush=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full and a POSIX shell")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("recipes >&-", 5),
        ("--help >/dev/full", 5),
        ("--version 2>&-", 0),
        ("recipes é 2>/dev/full", 2),
        ("--é --json >&- 2>&-", 2),
        ("--help | true", 0),
    ],
)
def test_streams_of_a_process(line: str, code: int) -> None:
    """Python flushes the streams once more when it ends; that must not change the exit code."""
    words = f"set -o pipefail; {sys.executable} -m acgan {line}"
    done = subprocess.run(
        ["bash", "-c", words],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.returncode == code
    assert "Exception ignored" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (1 if code == 5 else 0)


PHASES = (
    *("acgan.training.train.load_data", "acgan.training.start.choose_execution"),
    *("acgan.training.budget.rates_by_threads", "acgan.training.loop.Learner"),
    *("acgan.training.monitor.Monitor.real_grid", "acgan.training.loop.Loop.train_once"),
    *("acgan.training.run.draw_summary", "acgan.cli.train._next_commands"),
)
"""One function of every phase of `acgan train`, in their order."""


@pytest.fixture
def train_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`acgan train` on 2 classes of noise: a run of four steps."""
    monkeypatch.setattr("acgan.training.budget.MAX_SECONDS", 0.01)
    noise = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(24):
            pixels = noise.integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    settings = (
        *("training.batch_size=16", "generator.widths=[8,8]", "generator.latent_size=8"),
        "discriminator={layers=[{width=8,kernel=4,stride=2}]}",
        f"data.cache={tmp_path / 'cache'}",
    )
    options = [word for setting in settings for word in ("-o", setting)]
    run = str(tmp_path / "run")
    return ["train", str(tmp_path / "data"), "--run", run, "--images", "64", "--json", *options]


def raising(number: signal.Signals, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(number)
        return real(*arguments, **options)

    return call


@pytest.mark.slow
def test_a_signal_in_any_phase_of_a_training(
    train_line: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, phase in enumerate(PHASES):
        number, code = ((signal.SIGINT, 130), (signal.SIGTERM, 143))[index % 2]
        with monkeypatch.context() as patch:
            patch.setattr(phase, raising(number, resolve_name(phase)))
            assert execute(train_line) == code, phase
        said = capsys.readouterr()
        assert [line[:14] for line in said.err.splitlines() if "acgan:" in line] == [
            "acgan: stopped"
        ], phase
        assert json.loads(said.out)["exit_code"] == code
    assert execute(train_line) == 0
    assert json.loads(capsys.readouterr().out)["images_seen"] == 64


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_in_any_command(
    number: signal.Signals, acgan: Acgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SIGUSR1 stands for Windows' SIGBREAK; an import that is interrupted may fail otherwise."""
    if number == signal.SIGUSR1:
        monkeypatch.setitem(STOP_SIGNALS, signal.SIGUSR1, 130)

    def interrupted_import(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise ImportError("numpy failed to import") from None

    for list_runs in (raising(number, lambda _: []), interrupted_import):
        monkeypatch.setattr("acgan.runs.listing.list_runs", list_runs)
        done = acgan("runs", tmp_path)
        assert (done.code, done.out) == (143 if number == signal.SIGTERM else 130, "")
        assert done.err.startswith("acgan: stopped; ")
        assert len(done.err.splitlines()) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_the_command_is_imported() -> None:
    code = (
        "import builtins, signal, sys; real = builtins.__import__\n"
        "def load(name, *rest):\n"
        "    if name == 'typer': signal.raise_signal(signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = load\n"
        "from acgan.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "acgan: stopped\n")
