"""Committed folders: whole, verified, exchanged as one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.storage.files import file_sha256
from acgan.storage.folders import (
    CorruptFolderError,
    commit_folder,
    read_record,
    recover_folder,
    remove_folder,
    replace_folder,
    update_record,
    verify_folder,
)


def write(folder: Path) -> None:
    (folder / "weights").write_bytes(bytes(range(256)))
    (folder / "inner").mkdir()
    (folder / "inner" / "empty").touch()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    commit_folder(tmp_path / "parent" / "target", write, {"images_seen": 7})
    return tmp_path / "parent" / "target"


def test_the_manifest_names_every_file_and_the_record(target: Path) -> None:
    manifest = verify_folder(target)
    assert manifest["record"] == read_record(target) == {"images_seen": 7}
    assert manifest["files"] == {
        "inner/empty": {"bytes": 0, "sha256": file_sha256(target / "inner" / "empty")},
        "weights": {"bytes": 256, "sha256": file_sha256(target / "weights")},
    }


def test_what_is_there_is_not_overwritten(target: Path) -> None:
    with pytest.raises(FileExistsError):
        commit_folder(target, write, {})
    assert verify_folder(target)["record"] == {"images_seen": 7}


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise ValueError("a mistake of its own")

    with pytest.raises(ValueError, match="of its own"):
        commit_folder(tmp_path / "target", fail, {})
    assert list(tmp_path.iterdir()) == []


def test_other_files_beside_do_not_matter(target: Path) -> None:
    (target / ".DS_Store").write_text("…")
    verify_folder(target)


@pytest.mark.slow
@settings(deadline=None)
@given(
    position=st.integers(0),
    bit=st.integers(0, 7),
    name=st.sampled_from(["weights", "manifest.json"]),
)
def test_any_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int, name: str
) -> None:
    folder = tmp_path_factory.mktemp("flipped") / "target"
    commit_folder(folder, write, {"scheduled": True})
    content = bytearray((folder / name).read_bytes())
    content[position % len(content)] ^= 1 << bit
    whitespace = name == "manifest.json" and _same_json(
        bytes(content), (folder / name).read_bytes()
    )
    (folder / name).write_bytes(content)
    if whitespace:
        verify_folder(folder)
    else:
        with pytest.raises(CorruptFolderError, match=str(folder)):
            verify_folder(folder)


def _same_json(one: bytes, other: bytes) -> bool:
    """A space that became another space, say, changes nothing."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def test_the_damage_is_named(target: Path) -> None:
    weights, manifest = target / "weights", target / "manifest.json"
    good = weights.read_bytes()
    weights.write_bytes(good[:100])
    with pytest.raises(CorruptFolderError, match="weights: is 100 bytes long, not 256"):
        verify_folder(target)
    weights.write_bytes(bytes(256))
    with pytest.raises(CorruptFolderError, match="weights: its content has changed"):
        verify_folder(target)
    weights.unlink()
    with pytest.raises(CorruptFolderError, match="weights: is missing"):
        verify_folder(target)
    weights.mkdir()
    with pytest.raises(CorruptFolderError, match="weights: "):
        verify_folder(target)
    for text in ("", "[]", "7", '{"format": 1}', "\x00"):
        manifest.write_text(text)
        with pytest.raises(CorruptFolderError, match="is not a manifest"):
            verify_folder(target)
    manifest.unlink()
    with pytest.raises(CorruptFolderError, match=r"manifest\.json is missing"):
        verify_folder(target)


OTHER_KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to the same bytes": (lambda path: path.symlink_to(path.with_name("same")), "is a link"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "is a link"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "is a link"),
    "a pipe": (os.mkfifo if os.name != "nt" else Path.touch, "is no regular file"),
    "a folder": (Path.mkdir, "is no regular file"),
}


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize("name", ["weights", "inner/empty"])
def test_only_regular_files_are_read(target: Path, name: str, kind: str) -> None:
    make, reason = OTHER_KINDS[kind]
    path = target / name
    path.rename(path.with_name("same"))
    make(path)
    with pytest.raises(CorruptFolderError, match=f"{name}: {reason}"):
        verify_folder(target)


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
def test_no_link_leads_out_and_no_manifest_blocks(target: Path) -> None:
    (target / "inner").rename(target.parent / "inner")
    (target / "inner").symlink_to(target.parent / "inner")
    with pytest.raises(CorruptFolderError, match="inner: is a link"):
        verify_folder(target)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (target / "manifest.json").unlink()
        make(target / "manifest.json")
        for read in (verify_folder, read_record):
            with pytest.raises(CorruptFolderError, match="not a regular file"):
                read(target)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "inner/../../secret", "./weights"])
def test_a_manifest_names_only_files_inside(target: Path, name: str) -> None:
    (target.parent / "secret").write_bytes((target / "weights").read_bytes())
    content = json.loads((target / "manifest.json").read_text())
    del content["sha256"]
    content["files"][name] = content["files"]["weights"]
    sha256 = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (target / "manifest.json").write_text(json.dumps({**content, "sha256": sha256}))
    with pytest.raises(CorruptFolderError, match="no path inside the folder"):
        verify_folder(target)


def test_a_newer_format_is_said(target: Path) -> None:
    manifest = json.loads((target / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(CorruptFolderError, match="update acgan"):
        verify_folder(target)


def test_a_record_is_exchanged_and_the_files_stay(target: Path) -> None:
    files = verify_folder(target)["files"]
    update_record(target, {"images_seen": 7, "milestone": True})
    assert verify_folder(target) == {
        "record": {"images_seen": 7, "milestone": True},
        "files": files,
    }


def test_a_folder_is_replaced_as_a_whole(target: Path) -> None:
    replace_folder(target, lambda folder: (folder / "only").touch(), {"images_seen": 8})
    assert verify_folder(target)["record"] == {"images_seen": 8}
    assert {p.name for p in target.iterdir()} == {"only", "manifest.json"}
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_a_replacement_killed_between_its_renames_is_undone(target: Path) -> None:
    target.rename(target.parent / ".old-target")
    recover_folder(target)
    assert verify_folder(target)["record"] == {"images_seen": 7}
    recover_folder(target)
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_a_folder_is_removed(target: Path) -> None:
    remove_folder(target)
    assert list(target.parent.iterdir()) == []
