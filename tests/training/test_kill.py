"""Real processes, really killed, and stopped by the signals that a person or a system sends."""

from __future__ import annotations

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


@pytest.mark.slow
def test_killed_runs_end_with_the_same_bytes() -> None:
    """The full test is this script without arguments; docs/experiments.md has its output."""
    script = [str(ROOT / "benchmarks" / "kill_test.py"), "--random", "2", "--steps", "4"]
    done = subprocess.run(
        [sys.executable, *script, "--images", "8192"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 SIGKILLs" in done.stdout
    assert done.stdout.endswith("\n0 differing bytes\n")


def start(folder: Path) -> subprocess.Popen[str]:
    options = [
        *("--per-class", "20", "--images", "6400", "--precision", "bf16"),
        *("-o", "execution.threads=1", "-o", "training.batch_size=32"),
        *("-o", "generator.widths=[8, 8]", "-o", "discriminator.layers=[{width=8, stride=2}]"),
        *("-o", "reporting.log_every_images=320", "-o", "reporting.sheet_columns=1"),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "acgan", "train", "digits", "--run", str(folder), *options],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_signals_save_the_run_and_end_it_with_their_exit_code(
    tmp_path: Path, content: Content
) -> None:
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = start(tmp_path / "stopped")
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
    for folder in ("stopped", "straight"):
        process = start(tmp_path / folder)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert content(tmp_path / "stopped") == content(tmp_path / "straight")
