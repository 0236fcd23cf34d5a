"""Single files; that no failure or kill harms them is tested with the checkpoints."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from filelock import FileLock, SoftFileLock, Timeout

from acgan.errors import DiskError, UsageError
from acgan.storage.files import (
    file_sha256,
    passing_lock,
    remove_leftovers,
    spelled_on_disk,
    temporary_sibling,
    write_atomic,
    write_file,
)


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EACCES, errno.EIO])
def test_a_path_that_the_system_refuses_gets_a_short_sentence(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_: Path) -> bool:
        raise OSError(code, os.strerror(code), "x" * 9999)

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(UsageError, match=rf"^cannot use the path 'x+…': {os.strerror(code)}; choo"):
        spelled_on_disk(Path("x" * 9999))


@pytest.mark.parametrize(
    "path", ["x" * 256, "x" * 5000, "/".join(["y" * 200] * 30), "x" * 256 + "/y"]
)
def test_a_path_that_is_too_long_gets_a_short_sentence(path: str) -> None:
    with pytest.raises(UsageError, match=r"^cannot use the path '[xy/]+…': "):
        spelled_on_disk(Path(path))


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_without_a_lasting_file_excludes_all_other_processes(tmp_path: Path) -> None:
    """Processes read, wait and write one number; each that meets another one loses a count."""
    number, lock = tmp_path / "number", tmp_path / ".lock"
    number.write_text("0")
    processes, rounds = 4, 12
    children = []
    for _ in range(processes):
        child = os.fork()
        if not child:
            try:
                for _ in range(rounds):
                    with passing_lock(lock):
                        before = int(number.read_text())
                        time.sleep(0.001)
                        number.write_text(str(before + 1))
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * processes
    assert number.read_text() == str(processes * rounds)
    assert [path.name for path in tmp_path.iterdir()] == ["number"]


@pytest.mark.parametrize("kind", [FileLock, SoftFileLock])
def test_a_lock_is_free_and_gone_however_its_block_ends(
    kind: type[FileLock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systems without `fcntl` have the soft lock."""
    monkeypatch.setattr("acgan.storage.files.FileLock", kind)
    lock = tmp_path / ".lock"
    with pytest.raises(ValueError, match="inside"), passing_lock(lock):
        raise ValueError("inside")
    assert list(tmp_path.iterdir()) == []
    with passing_lock(lock):
        assert lock.exists()
        with pytest.raises(Timeout), passing_lock(lock, 0):
            pass
        assert lock.exists()
    if kind is FileLock:
        lock.touch()  # of a process that was killed
        with passing_lock(lock, 0):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_is_removed_only_while_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later, it would be the file of the next holder, and a third process would make another."""
    lock, unlink, removed = tmp_path / ".lock", os.unlink, []

    def held_unlink(path: Path) -> None:
        with pytest.raises(Timeout), FileLock(lock).acquire(timeout=0):
            pass
        removed.append(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", held_unlink)
    with passing_lock(lock):
        pass
    assert removed == [lock]
