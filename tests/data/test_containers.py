"""Folders and zips look alike, are read safely, and have a key that follows their content."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("stored", "flags", "name"),
    [
        ("é".encode(), 0x800, "é"),
        ("é".encode(), 0, "é"),  # Info-ZIP, macOS
        ("é".encode("cp437"), 0, "é"),  # Windows
        ("é".encode("latin-1"), 0, "Θ"),  # not known
    ],
)
def test_names_in_zips_are_utf_8_with_or_without_a_mark(
    tmp_path: Path, stored: bytes, flags: int, name: str
) -> None:
    class Member(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
            return stored + b"/1.png", flags

    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(Member("x"), b"pixels")
    container = open_container(tmp_path / "set.zip")
    assert container.files == (f"{name}/1.png",)
    assert container.read(f"{name}/1.png") == b"pixels"


def test_a_damaged_member_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", b"some pixels")
    path.write_bytes(path.read_bytes().replace(b"some pixels", b"SOME PIXELS"))
    with pytest.raises(UnusableFileError, match="damaged in the zip"):
        open_container(path).read("a/1.png")


def zipped(path: Path, *members: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, method in members:
            archive.writestr(name, content, method)
    return path


def reason_of(path: Path, name: str) -> str:
    with pytest.raises(UnusableFileError) as caught:
        open_container(path).read(name)
    return str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_not_used(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "x.zip", ("a/x.png", b"0" * 1000, method), ("a/y.png", b"y", 8))
    assert reason_of(path, "a/x.png") == "compressed with another method than deflate; pack it anew"
    assert open_container(path).read("a/y.png") == b"y"


def test_lies_about_sizes_are_found(tmp_path: Path) -> None:
    original = zipped(tmp_path / "x.zip", ("a/x.png", bytes(1 << 20), 8)).read_bytes()
    directory = original.index(b"PK\1\2")
    for size in (1, 1000, (1 << 20) - 1, (1 << 20) + 1, 1 << 27):
        lie = bytearray(original)
        lie[directory + 24 : directory + 28] = struct.pack("<I", size)
        (tmp_path / "x.zip").write_bytes(lie)
        assert reason_of(tmp_path / "x.zip", "a/x.png").startswith("damaged in the zip")


def test_members_that_share_their_bytes_are_not_used(tmp_path: Path) -> None:
    names = [f"a/{number}.png" for number in range(4)]
    path = zipped(tmp_path / "x.zip", *((name, b"content", 0) for name in names))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 20 : entry + 24] = struct.pack("<I", 7 + 2 * (30 + 7 + 7))  # reaches the third
    content[entry + 24 : entry + 28] = content[entry + 20 : entry + 24]
    path.write_bytes(content)
    for name in names[:3]:
        assert reason_of(path, name) == "shares bytes with another member of the zip"
    assert open_container(path).read(names[3]) == b"content"


def test_deep_and_long_paths_are_listed_not_used(tmp_path: Path) -> None:
    deep, long = "d/" * 2000 + "x.png", "a/" + "n" * 5000 + ".png"
    members = [(deep.replace("x", str(number)), b"x", 0) for number in range(50)]
    path = zipped(tmp_path / "x.zip", (long, b"x", 0), ("a/x.png", b"x", 0), *members)
    container = open_container(path)
    assert (container.files, container.folders) == (("a/x.png",), ("a",))
    assert all("folders deep" in reason for reason in container.unusable.values())
    assert {name[:5] for name in container.unusable} == {"a/nnn", "d/d/d"}


def test_a_directory_with_impossible_values_gets_a_sentence(tmp_path: Path) -> None:
    original = zipped(tmp_path / "x.zip", ("a/é.png", b"x", 0)).read_bytes()
    (tmp_path / "x.zip").write_bytes(original.replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(DataError, match="marked as UTF-8"):
        open_container(tmp_path / "x.zip")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        open_container(tmp_path / "pipe")


def test_a_directory_of_millions_of_members_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acgan.data.containers._BoundedFile.largest_read", 1000)
    path = zipped(tmp_path / "x.zip", *((f"a/{n}.png", b"", 0) for n in range(20)))
    with pytest.raises(DataError, match="too many members"):
        open_container(path)


def test_a_repaired_zip_is_usable_and_one_that_changes_meanwhile_is_not(tmp_path: Path) -> None:
    good = zipped(tmp_path / "x.zip", ("a/x.png", b"pixels" * 50, 0)).read_bytes()
    bad = bytearray(good)
    bad[60] ^= 1  # the directory stays as it was
    (tmp_path / "x.zip").write_bytes(bad)
    container = open_container(tmp_path / "x.zip")
    before = key(container)
    assert "damaged" in reason_of(tmp_path / "x.zip", "a/x.png")
    time.sleep(0.01)  # so that the time of the change differs
    (tmp_path / "x.zip").write_bytes(good)
    assert key(open_container(tmp_path / "x.zip")) != before
    with pytest.raises(DataError, match="changed while it was read"):
        container.read("a/x.png")


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


def zip_of(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # repeated names
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_repeated_members_are_counted_if_equal_and_unusable_if_not(tmp_path: Path) -> None:
    members = [("a/1.png", b"x"), ("./a//1.png", b"x"), ("a\\1.png", b"x"), ("b/2.png", b"x")]
    container = open_container(zip_of(tmp_path / "set.zip", [*members, ("b/2.png", b"y")]))
    assert container.files == ("a/1.png",)
    assert container.folders == ("a", "b")
    assert container.unusable == {"b/2.png": "2 different members have this name"}
    assert list(container.ignored.values()) == [2]


def test_names_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "set.zip", [("a/1.png", b"x"), ("a/1.PNG", b"y"), ("A/1.png", b"z")])
    assert open_container(path).files == ("A/1.png", "a/1.PNG", "a/1.png")


def test_a_second_link_to_a_folder_is_named_and_the_folder_itself_is_used(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "set", {"m/1.png": b"x"})
    (root / "a").symlink_to(root / "m")
    (root / "m" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    as_folder(tmp_path / "pool", {"2.png": b"y"})
    for name in ("x", "y"):
        (root / name).symlink_to(tmp_path / "pool")
    container = open_container(root)
    assert container.files == ("m/1.png", "self", "x/2.png")
    assert container.folders == ("m", "x")
    assert container.unusable == {
        "a": "the same folder as 'm'",
        "m/up": "the same folder as '.'",
        "y": "the same folder as 'x'",
    }


def test_folders_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = as_folder(tmp_path, {"a/1.png": b"x", "b/in/2.png": b"x"})
    whole = os.scandir

    def scandir(path: str) -> Any:  # a test as root could not take the permission away
        if path.endswith(locked):
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    locked = "b/in"
    container = open_container(root)
    assert container.files == ("a/1.png",)
    assert container.unusable == {"b/in": "the folder cannot be read (Permission denied)"}
    locked = f"{root.name}/"
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        open_container(root)


@pytest.mark.parametrize("change", ["content", "vanished", "repaired"])
def test_a_file_that_changes_after_hashing_is_never_used(tmp_path: Path, change: str) -> None:
    container = open_container(as_folder(tmp_path, {"a/1.png": b"one", "a/2.png": b""}))
    key(container)
    assert container.read("a/1.png") == b"one"
    with pytest.raises(UnusableFileError, match="empty"):
        container.read("a/2.png")
    path = tmp_path / "a" / ("2.png" if change == "repaired" else "1.png")
    path.unlink()
    if change != "vanished":
        path.write_bytes(b"two")
    with pytest.raises(DataError, match=r"[12]\.png changed while the images were read"):
        container.read(f"a/{path.name}")


NAMES = ["a", "B", "b", ".", "..", ".x", "Thumbs.db", "1.png", "1.PNG", "é.png", "e\u0301.png"]
KINDS = ["file", "folder", "link", "up", "gone"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.tuples(paths, st.booleans(), st.binary(min_size=1, max_size=1)), max_size=12))
@settings(max_examples=150)
def test_every_member_of_a_zip_is_used_unusable_or_counted(
    members: list[tuple[str, bool, bytes]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        named = [(name + "/" * is_folder, data) for name, is_folder, data in members]
        container = open_container(zip_of(Path(folder) / "set.zip", named))
    hidden = set()
    seen = Counter[str]()
    for name, _ in named:
        kept = [piece for piece in name.split("/") if piece not in ("", ".")]
        marks = [number for number, piece in enumerate(kept) if piece in (".x", "Thumbs.db")]
        if ".." in kept:
            seen["outside"] += 1
            assert container.unusable["/".join(kept)] == "not a path inside the zip"
        elif marks:
            hidden.add(tuple(kept[: marks[0] + 1]))
        elif not name.endswith("/"):
            where = "used" if "/".join(kept) in container.files else "unusable"
            seen[where] += 1
            assert where == "used" or "/".join(kept) in container.unusable
    unused = sum(container.ignored.values()) - len(hidden)
    assert unused == seen["used"] - len(container.files)


@given(st.lists(st.tuples(paths, st.sampled_from(KINDS)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_entry_of_a_folder_is_used_unusable_or_counted(
    entries: list[tuple[str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "set"
        root.mkdir()
        (Path(folder) / "pool").mkdir()
        (Path(folder) / "pool" / "1.png").write_bytes(b"x")
        targets = {"link": Path(folder) / "pool", "up": root, "gone": Path(folder) / "none"}
        for name, kind in sorted(entries, key=lambda entry: entry[1] in targets):
            kept = [piece for piece in name.split("/") if piece not in (".", "..")]
            place = root.joinpath(*kept)
            with contextlib.suppress(OSError):  # below a file, or there already
                if kind not in targets:
                    place.parent.mkdir(parents=True, exist_ok=True)
                if place.parent.resolve() != place.parent.absolute():
                    continue  # below a link
                if kind == "folder":
                    place.mkdir()
                elif kind == "file":
                    place.touch(exist_ok=False)
                else:
                    place.symlink_to(targets[kind])
        container = open_container(root)
        listed = {*container.files, *container.folders, *container.unusable}
        hidden = 0
        for here, inner, names in os.walk(root):  # does not follow links
            for name in [*inner, *names]:
                if name in (".x", "Thumbs.db"):
                    hidden += 1
                else:
                    listed.remove((Path(here) / name).relative_to(root).as_posix())
            inner[:] = [name for name in inner if name not in (".x", "Thumbs.db")]
        assert sum(container.ignored.values()) == hidden
        pool = [path for path in listed if path.endswith("/1.png")]
        assert len(pool) <= 1, "the linked folder is walked once"
        assert listed == set(pool)


def test_members_without_a_name_are_listed(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a/x.png", b"x")
        archive.writestr("Q", b"y")
        archive.writestr("/", b"")
    content = data.getvalue().replace(b"Q", b"")
    directory = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", directory + 1)
    changed = bytearray(content)
    changed[second + 28 : second + 30] = b"\0\0"  # the length of the name
    end = changed.index(b"PK\5\6")
    changed[end + 12 : end + 16] = (end - directory).to_bytes(4, "little")
    changed[end + 16 : end + 20] = directory.to_bytes(4, "little")
    (tmp_path / "data.zip").write_bytes(changed)
    container = open_container(tmp_path / "data.zip")
    assert container.files == ("a/x.png",)
    assert container.unusable == {"": "not a path inside the zip"}
