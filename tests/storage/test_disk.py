"""The sentence that a person reads when a disk says no."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.errors import DiskError, UsageError
from acgan.storage.disk import disk_errors, human_size


def message(path: Path, error: OSError, need_bytes: int | None = None) -> str:
    with pytest.raises(DiskError) as caught, disk_errors(path, need_bytes):
        raise error
    return str(caught.value)


def test_no_space_names_path_need_free_space_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 400_000

    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage)
    path = tmp_path / "checkpoints" / "000000000100-r0"
    assert message(path, OSError(errno.ENOSPC, "…"), 12_300_000) == (
        f"cannot write {path}: no space left; this needs about 12.3 MB and 400.0 kB are free on "
        "that disk; free some space or choose another place with --run, then run the same command "
        "again: what was saved before is kept"
    )


@pytest.mark.parametrize(
    ("total", "words"),
    [(0, "this file system holds no files"), (9, "0 bytes are free on that disk")],
)
def test_a_file_system_without_files_is_no_full_disk(
    total: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(total=total, used=total, free=0)
    monkeypatch.setattr("shutil.disk_usage", lambda place: usage)
    sentence = message(tmp_path / "x", OSError(errno.ENOENT, os.strerror(errno.ENOENT)))
    assert sentence.split("; ")[1] == words


def test_each_reason_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    codes = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENOTDIR]
    reasons = {message(tmp_path, OSError(code, "…")).split(";")[0] for code in codes}
    assert len(reasons) == len(codes)
    assert not [reason for reason in reasons if "…" in reason]


def test_an_unforeseen_reason_is_the_systems_own(tmp_path: Path) -> None:
    code = errno.EMFILE
    assert f"{tmp_path}: {os.strerror(code)}; " in message(
        tmp_path, OSError(code, os.strerror(code))
    )
    assert "cannot do that" in message(tmp_path, OSError("cannot do that"))


def test_the_outermost_block_names_the_path(tmp_path: Path) -> None:
    outer, inner = tmp_path / "model", tmp_path / ".tmp-1" / "weights"
    with pytest.raises(DiskError) as caught, disk_errors(outer, 5), disk_errors(inner):
        raise OSError(errno.EROFS, "…")
    assert f"cannot write {outer}" in str(caught.value)
    assert "needs about 5 bytes" in str(caught.value)
    assert str(inner) not in str(caught.value)


def test_other_errors_pass(tmp_path: Path) -> None:
    own = DiskError("a sentence of its own")
    for error in (own, UsageError("…"), ValueError("…")):
        with pytest.raises(type(error)) as caught, disk_errors(tmp_path):
            raise error
        assert caught.value is error


@given(st.integers(0, 10**16))
def test_a_size_is_short_and_right(size_bytes: int) -> None:
    number, unit = human_size(size_bytes).split()
    factor = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert float(number) * factor == pytest.approx(size_bytes, abs=0.051 * factor)
    assert unit == "TB" or float(number) < 1000
