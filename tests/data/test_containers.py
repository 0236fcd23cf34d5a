"""Folders and zips look alike, are read safely, and have a key that follows their content."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from acgan.data import containers
from acgan.data.containers import Container, UnusableFileError, open_container
from acgan.errors import DataError

Make = Callable[[Path, dict[str, bytes]], Path]

FILES = {"a/1.png": b"one", "a/b/2.png": b"two", "c/3.png": b"three"}
HIDDEN = {".DS_Store": b"x", "a/.hidden": b"x", "__MACOSX/a/1.png": b"x", "a/Thumbs.db": b"x"}


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def as_zip(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path / "set.zip"


def key(container: Container) -> str:
    return container.content_key(lambda done, total: None)


both = pytest.mark.parametrize("make", [as_folder, as_zip])


@both
def test_files_and_folders_are_listed_without_the_hidden(tmp_path: Path, make: Make) -> None:
    container = open_container(make(tmp_path / "set", FILES | HIDDEN))
    assert container.files == ("a/1.png", "a/b/2.png", "c/3.png")
    assert container.folders == ("a", "a/b", "c")
    assert container.read("a/b/2.png") == b"two"


@both
def test_the_key_follows_names_and_contents(tmp_path: Path, make: Make) -> None:
    variants = [
        FILES,
        FILES | {"a/1.png": b"eno"},
        FILES | {"d/4.png": b"four"},
        {name.replace("c/", "d/"): data for name, data in FILES.items()},
    ]
    keys = [
        key(open_container(make(tmp_path / str(number), files)))
        for number, files in enumerate(variants)
    ]
    assert len(set(keys)) == len(keys)
    assert key(open_container(make(tmp_path / "again", FILES))) == keys[0]


@both
def test_empty_and_oversized_files_have_a_reason(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "LARGEST_FILE_BYTES", 4)
    container = open_container(make(tmp_path / "set", {"a/0": b"", "a/5": b"12345"}))
    with pytest.raises(UnusableFileError, match="empty"):
        container.read("a/0")
    with pytest.raises(UnusableFileError, match="oversized"):
        container.read("a/5")


def test_a_zip_cannot_write_anywhere(tmp_path: Path) -> None:
    files = {"../../evil.png": b"x", "/abs/1.png": b"x", "a\\2.png": b"x"}
    container = open_container(as_zip(tmp_path / "set", files))
    assert container.files == ("a/2.png", "abs/1.png")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["set", "set.zip"]


def test_a_damaged_member_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", b"some pixels")
    path.write_bytes(path.read_bytes().replace(b"some pixels", b"SOME PIXELS"))
    with pytest.raises(UnusableFileError, match="damaged in the zip"):
        open_container(path).read("a/1.png")


def test_an_encrypted_member_has_a_reason(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "set", {"a/1.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnusableFileError, match="encrypted"):
        open_container(path).read("a/1.png")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
def test_pipes_and_broken_links_have_a_reason_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe")
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    container = open_container(tmp_path)
    assert container.files == ("a/gone", "a/pipe")
    with pytest.raises(UnusableFileError, match="regular"):
        container.read("a/pipe")
    with pytest.raises(UnusableFileError, match="No such file"):
        container.read("a/gone")
    assert key(container) == key(open_container(tmp_path))


def test_what_is_no_container_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder or zip"):
        open_container(tmp_path / "none")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        open_container(tmp_path / "text.zip")
