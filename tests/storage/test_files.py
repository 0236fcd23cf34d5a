"""Single files; that no failure or kill harms them is tested with the checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from acgan.errors import DiskError
from acgan.storage.files import (
    file_sha256,
    remove_leftovers,
    temporary_sibling,
    write_atomic,
    write_file,
)


def test_a_file_is_written_and_replaced_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomic(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    write_atomic(path, "sieben – 7\n")
    assert path.read_bytes() == "sieben – 7\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_the_mode_is_the_persons_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    old = os.umask(0o027)
    try:
        write_atomic(path, "x")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_write_that_takes_a_part_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    write_atomic(tmp_path / "file", "0123456789")
    assert (tmp_path / "file").read_text() == "0123456789"


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(DiskError, match="in the way"):
        write_atomic(tmp_path / "runs" / "x" / "file", "…")
    assert (tmp_path / "runs").read_text() == "mine"


def test_a_new_file_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "file", "…")


def test_leftovers_go_one_level_deep_and_nothing_else(tmp_path: Path) -> None:
    folder, other = temporary_sibling(tmp_path / "x"), temporary_sibling(tmp_path / "x")
    folder.mkdir()
    for path in (folder / "x", folder / other.name, other):
        path.write_text("unfinished")
    foreign = [
        *(".tmp-1", ".tmp-mine", f"{other.name}0", f"{other.name[:-1]}G", f"a{other.name}"),
        *(f"below/{other.name}", ".tmp-draft/thesis", ".hidden", other.name.upper()),
    ]
    for name in foreign:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    temporary_sibling(tmp_path / "x").symlink_to(tmp_path / "below", target_is_directory=True)
    remove_leftovers(tmp_path)
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(files) == sorted(foreign)
    remove_leftovers(tmp_path / "missing")


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
