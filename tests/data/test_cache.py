"""Cache entries: made once, checked, rebuilt when damaged; a full disk gets its sentence."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from acgan.data import cache
from acgan.data.cache import DecodePlan, cached_images
from acgan.data.images import Images
from acgan.errors import DiskError
from acgan.storage.files import temporary_sibling

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 5), np.uint8)
Usage = namedtuple("Usage", "total used free")


class Maker:
    """Counts how often it is asked; promises more images than there are, as bad files do."""

    def __init__(self) -> None:
        self.calls = 0
        self.written = 0

    def __call__(self) -> DecodePlan:
        self.calls += 1
        return DecodePlan(1000, (3, 4, 5), self.chunks, lambda: {"bad": ["x"]})

    def chunks(self) -> Iterable[Images]:
        self.written += 1
        yield IMAGES[:4]
        yield IMAGES[4:]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "IN_MEMORY_BYTES", 10)


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    for _ in range(2):
        result = cached_images(tmp_path / "new" / "root", "key", make)
        np.testing.assert_array_equal(result.images, IMAGES)
        assert result.details == {"bad": ["x"]}
        assert result.note is None
        assert not isinstance(result.images, np.memmap)
    assert make.calls == 1


def test_only_unfinished_entries_are_swept(tmp_path: Path) -> None:
    killed = temporary_sibling(tmp_path / "x")
    foreign = [
        *(temporary_sibling(tmp_path / "x") / "thesis.txt", temporary_sibling(tmp_path / "x")),
        temporary_sibling(tmp_path / "x") / "images.npy" / "thesis.txt",
        temporary_sibling(tmp_path / "project" / "x") / "images.npy",
        tmp_path / ".tmp-work" / "images.npy",
    ]
    for path in (killed / "images.npy", *foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half written")
    temporary_sibling(tmp_path / "x").symlink_to(tmp_path / "project", target_is_directory=True)
    before = {path for path in tmp_path.rglob("*") if path != killed and killed not in path.parents}
    cached_images(tmp_path, "key", Maker())
    entry = tmp_path / "key"
    after = {p for p in tmp_path.rglob("*") if p != entry and entry not in p.parents}
    assert after - {tmp_path / ".lock"} == before


@pytest.mark.usefixtures("small_memory")
def test_large_entries_are_mapped_read_only(tmp_path: Path) -> None:
    images = cached_images(tmp_path, "key", Maker()).images
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    np.testing.assert_array_equal(images, IMAGES)


def flip_a_bit(entry: Path) -> None:
    data = bytearray((entry / "images.npy").read_bytes())
    data[-1] ^= 1
    (entry / "images.npy").write_bytes(data)


def cut_off(entry: Path) -> None:
    (entry / "images.npy").write_bytes((entry / "images.npy").read_bytes()[:-1])


def lose_details(entry: Path) -> None:
    (entry / "details.json").unlink()


def lose_manifest(entry: Path) -> None:
    (entry / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off, lose_details, lose_manifest])
def test_a_damaged_entry_is_rebuilt(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    make = Maker()
    cached_images(tmp_path, "key", make)
    damage(tmp_path / "key")
    np.testing.assert_array_equal(cached_images(tmp_path, "key", make).images, IMAGES)
    cached_images(tmp_path, "key", make)
    assert make.calls == 2


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 1234))


@pytest.mark.usefixtures("small_memory")
def test_a_full_disk_is_told_with_path_need_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch)
    with pytest.raises(DiskError, match=r"no space left.*60\.0 kB.*1\.2 kB are free") as caught:
        cached_images(tmp_path, "key", Maker())
    assert str(tmp_path) in str(caught.value)
    assert "data.cache" in str(caught.value)
    assert not (tmp_path / "key").exists()


def test_what_fits_into_memory_is_used_without_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch)
    result = cached_images(tmp_path, "key", Maker())
    np.testing.assert_array_equal(result.images, IMAGES)
    assert result.note is not None
    assert "not cached" in result.note


@pytest.mark.usefixtures("small_memory")
def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(DiskError, match="root"):
        cached_images(tmp_path / "root", "key", Maker())


def test_of_many_at_once_one_writes(tmp_path: Path) -> None:
    makers = [Maker() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda make: cached_images(tmp_path, "key", make), makers))
    assert all((result.images == IMAGES).all() for result in results)
    assert sum(make.written for make in makers) == 1


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterable[Images]:
        yield IMAGES
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_images(tmp_path, "key", lambda: DecodePlan(7, (3, 4, 5), broken, lambda: None))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == []
