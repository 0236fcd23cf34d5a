from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import acgan as acgan_package

Acgan = Callable[..., Any]


def test_help_names_every_command_and_every_exit_code(acgan_process: Acgan) -> None:
    for arguments in (["--help"], []):
        done = acgan_process(*arguments)
        assert done.code == 0
        for command in ("train", "sample", "inspect", "show", "runs", "recipes", "explain"):
            assert f"  {command} " in done.out
        for code in ("0 done", "1 a fault", "2 wrong", "3 images", "4 training", "5 the disk"):
            assert code in " ".join(done.out.split())
        assert "130, 143" in done.out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, acgan.cli.main as m; m.execute(['--help']);"
        "print([n for n in ('torch', 'numpy', 'pydantic', 'PIL', 'rich') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "command",
    ["train", "sample", "interpolate", "inspect", "show", "runs", "recipes", "explain"],
)
def test_every_command_explains_itself(acgan: Acgan, command: str) -> None:
    done = acgan(command, "--help")
    assert done.code == 0
    assert f"Usage: acgan {command}" in done.out
    assert "..." not in done.out.split("Options:")[1]


def test_the_version(acgan: Acgan) -> None:
    assert acgan("--version").out.split() == [acgan_package.__version__]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["smaple"], "no such command 'smaple'"),
        (["sample"], "missing argument 'MODEL'"),
        (["sample", "x", "--cuont", "3"], "--count"),
        (["sample", "x", "--count", "many"], "invalid value for '--count'"),
        (["sample", "x", "--truncation", "much"], "invalid value for '--truncation'"),
        (["--verbose"], "no such option: --verbose"),
        (["inspect", "x"], "missing argument 'IMAGE"),
        (["interpolate", "x"], "missing option"),
    ],
)
def test_mistakes_in_the_command_line(
    acgan_process: Acgan, arguments: list[str], sentence: str
) -> None:
    done = acgan_process(*arguments)
    assert done.code == 2
    assert done.err.startswith("acgan: ")
    assert sentence in done.err
    assert "--help)" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def broken(*_: object) -> None:
    raise RuntimeError("two\nlines")


def test_a_fault_of_ours_is_one_sentence(
    acgan: Acgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("acgan.runs.listing.list_runs", broken)
    monkeypatch.delenv("ACGAN_DEBUG", raising=False)
    done = acgan("runs", tmp_path)
    assert done.code == 1
    assert "a fault of acgan itself: RuntimeError: two lines" in done.err
    assert "ACGAN_DEBUG=1" in done.err
    assert len(done.err.splitlines()) == 1
    monkeypatch.setenv("ACGAN_DEBUG", "1")
    assert "Traceback" in acgan("runs", tmp_path).err


def test_ctrl_c_is_130(acgan: Acgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("acgan.runs.listing.list_runs", interrupted)
    done = acgan("runs", tmp_path)
    assert done.code == 130
    assert "Traceback" not in done.err


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_in_a_process_is_130(tiny_run: Path, tmp_path: Path) -> None:
    arguments = ["sample", str(tiny_run), "--count", "1000000", "--out", str(tmp_path / "many")]
    process = subprocess.Popen(
        [sys.executable, "-m", "acgan", *arguments], stderr=subprocess.PIPE, text=True
    )
    wait_for = tmp_path / "many" / "zero" / "0.png"
    deadline = time.monotonic() + 60
    while not wait_for.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_closed_pipe_is_no_error(tiny_run: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "acgan", "show", str(tiny_run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert said == b""
