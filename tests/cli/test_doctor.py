from __future__ import annotations

import io
import itertools
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acgan.cli.doctor import _problems, _processor, _self_check

Acgan = Callable[..., Any]
PARTS = ["versions", "machine", "execution", "environment", "paths", "fonts", "self-check"]


@pytest.mark.slow
def test_what_a_bug_report_needs(
    acgan: Acgan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ACGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    monkeypatch.chdir(tmp_path)
    done = acgan("doctor", "--json")
    values = json.loads(done.out)
    assert done.code == 0
    assert list(values) == [*PARTS, "problems"]
    assert values["versions"].keys() >= {"acgan", "python", "torch", "numpy", "pillow"}
    assert values["machine"]["processor"]
    assert values["machine"]["cores"] == os.cpu_count()
    assert values["execution"].keys() >= {"device", "precision", "threads", "openmp"}
    assert values["environment"]["ACGAN_CACHE"] == str(tmp_path / "cache")
    assert values["paths"]["cache"]["writable"] is True
    assert values["paths"]["cache"]["free_bytes"] > 0
    assert values["self-check"]["repeats exactly"] is True
    assert not any("failed" in values[name] for name in PARTS)
    text = acgan("doctor").out
    assert [line for line in text.splitlines() if line in PARTS] == PARTS
    assert "hidden" not in text
    assert list(tmp_path.iterdir()) == []  # it only looks


@pytest.mark.slow
def test_a_broken_machine_is_described_too(
    acgan: Acgan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part stands alone, and what is wrong is listed."""

    def fails(*_: object) -> None:
        raise OSError("no such\ndevice")

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 12_000_000))
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path))
    monkeypatch.setenv("ACGAN_DATA", str(tmp_path / "locked" / "data"))
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr("acgan.execution.execution.choose_execution", fails)
    monkeypatch.setattr("acgan.sampling.sampler.iterate_images", fails)
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    values = json.loads(acgan("doctor", "--json").out)
    problems = " | ".join(values["problems"])
    assert "execution: OSError: no such device" in problems
    assert "self-check: OSError: no such device" in problems
    assert "locked/data, is not writable" in problems
    assert "only 12.0 MB are free for cache" in problems
    assert values["machine"]["memory_bytes"] is None
    assert values["versions"]["torch"]


def test_the_self_check_finds_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(io.BytesIO):
        def fileno(self) -> int:
            return 0

        def read(self, size: int | None = -1) -> bytes:
            return super().read(size)[:-1]

    batches = itertools.count()
    monkeypatch.setattr(
        "acgan.sampling.sampler.iterate_images", lambda *_: [np.array([next(batches)])]
    )
    monkeypatch.setattr("tempfile.TemporaryFile", Forgetful)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    check = _self_check()
    assert (check["repeats exactly"], check["file read back"]) == (False, False)
    values = {"versions": {"torch": "not installed"}, "paths": {}, "self-check": check}
    assert list(_problems(values)) == [
        "the package torch is not installed; install acgan again",
        "self-check: repeats exactly: no; check the memory and the disk of this machine",
        "self-check: file read back: no; check the memory and the disk of this machine",
    ]


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_processors_of_other_systems(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: no /proc, no sysctl."""
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(OSError))
    monkeypatch.setattr("platform.processor", lambda: "Intel64 Family 6")
    assert _processor() == "Intel64 Family 6"
