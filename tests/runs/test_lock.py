"""One process per run folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, SoftFileLock

from acgan.errors import DiskError, UsageError
from acgan.runs.folder import lock_is_held, run_lock

HOLDER = """
import sys, time
from pathlib import Path
from acgan.runs.folder import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UsageError, match=f"another process is using {folder}"),
            run_lock(folder),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with run_lock(folder):
        pass


@pytest.mark.parametrize("kind", [FileLock, SoftFileLock])
def test_it_is_free_after_the_block_however_that_ends(
    kind: type[FileLock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systems without `fcntl` have the soft lock."""
    monkeypatch.setattr("acgan.runs.folder.FileLock", kind)
    with pytest.raises(ValueError, match="inside"), run_lock(tmp_path):
        raise ValueError("inside")
    with run_lock(tmp_path), pytest.raises(UsageError), run_lock(tmp_path):
        pass
    with run_lock(tmp_path):
        assert lock_is_held(tmp_path)
    assert not lock_is_held(tmp_path)
    with run_lock(tmp_path):
        pass


def test_an_error_of_the_block_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), run_lock(tmp_path):
        (tmp_path / "missing").read_text()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="in the way"), run_lock(tmp_path / "file" / "run"):
        pass
