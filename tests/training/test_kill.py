"""Real processes, really killed, and stopped by the signals that a person or a system sends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
Content = Callable[[Path], dict[str, bytes]]


@pytest.mark.full
def test_killed_runs_end_with_the_same_bytes() -> None:
    """A few kills; the script without arguments kills more often (docs/experiments.md)."""
    script = [str(ROOT / "benchmarks" / "kill_test.py"), "--random", "2", "--steps", "4"]
    done = subprocess.run(
        [sys.executable, *script, "--seed", "1", "--images", "8192"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 SIGKILLs" in done.stdout
    assert done.stdout.endswith("\n0 differing bytes\n")


def start(folder: Path, *more: str, images: int = 6400) -> subprocess.Popen[str]:
    options = [
        *("--per-class", "20", "--images", str(images), "--precision", "fp32"),
        *("-o", "execution.threads=1", "-o", "training.batch_size=32"),
        *("-o", "generator.widths=[8, 8]", "-o", "discriminator.layers=[{width=8, stride=2}]"),
        *("-o", "reporting.log_every_images=320", "-o", "reporting.grid_columns=1"),
        *more,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "acgan", "train", "digits", "--run", str(folder), *options],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(folder: Path, number: signal.Signals, code: int) -> None:
    """Start or resume a run, and stop it by a signal after its first row of metrics."""
    process = start(folder)
    assert process.stderr is not None
    while "class accuracy" not in (line := process.stderr.readline()):
        assert line, "it ended before its first row"
    sent = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert time.monotonic() - sent < 30
    assert "everything is saved in" in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_signal_saves_the_run_and_ends_it_with_its_exit_code(tmp_path: Path) -> None:
    stop(tmp_path / "stopped", signal.SIGTERM, 143)
    assert list((tmp_path / "stopped" / "checkpoints").glob("0*"))


@pytest.mark.full
def test_a_run_that_signals_stopped_ends_with_the_same_bytes(
    tmp_path: Path, content: Content
) -> None:
    stop(tmp_path / "stopped", signal.SIGTERM, 143)
    stop(tmp_path / "stopped", signal.SIGINT, 130)
    for folder in ("stopped", "straight"):
        process = start(tmp_path / folder)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert content(tmp_path / "stopped") == content(tmp_path / "straight")


def start_set(folder: Path) -> subprocess.Popen[str]:
    every = "-o", "reporting.log_every_images=64", "-o", "reporting.checkpoint_every_images=64"
    return start(folder, "--classes-per-model", "5", *every, images=1280)


def set_content(folder: Path) -> dict[str, bytes]:
    """Every file of a set and its members, but for those that know the time."""
    clocks = {"timing.jsonl", "tensorboard", ".lock"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not clocks & set(path.parts)
    }


@pytest.mark.full
def test_a_set_killed_in_its_second_member_ends_with_the_same_bytes(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    process = start_set(killed)
    second = killed / "members" / "01-five-to-nine"
    # until it has something to go on from
    while process.poll() is None and len(list(second.glob("checkpoints/[0-9]*"))) < 3:
        time.sleep(0.005)
    process.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said
    assert list(json.loads((killed / "finished.json").read_text())) == ["00-zero-to-four"]
    assert not (killed / "model").exists()
    for folder in (killed, tmp_path / "straight"):
        process = start_set(folder)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
        assert ("model 1 of 2" in said, "model 2 of 2" in said) == (folder != killed, True)
    found, wanted = set_content(killed), set_content(tmp_path / "straight")
    assert found == wanted
    assert f"model/members/{second.name}/generator.safetensors" in wanted
