"""Standard streams that fail and signals at any time: an exit code, a sentence, valid JSON."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

import pytest

from acgan.cli.main import execute
from acgan.cli.output import json_text
from acgan.errors import DiskError
from acgan.storage.streams import GuardedStream

Acgan = Callable[..., Any]


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
        (0, ["show", "small-color"]),
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
def test_streams_of_a_process(line: str, code: int, acgan_process: Acgan) -> None:
    """Python flushes the streams once more when it ends; that must not change the exit code."""
    words = f"set -o pipefail; {sys.executable} -m acgan {line}"
    done = subprocess.run(
        ["bash", "-c", words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(execute.__code__.co_filename).parents[2])},
    )
    assert done.returncode == code
    assert "Exception ignored" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (1 if code == 5 else 0)
