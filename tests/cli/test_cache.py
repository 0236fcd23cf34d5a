from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from acgan.cli.cache import _chosen
from acgan.data.cache import CacheEntry, DecodePlan, cached_images
from acgan.data.images import Images

Acgan = Callable[..., Any]
DAY = 86_400


def add_images(root: Path, key: str, images: Images) -> None:
    plan = DecodePlan(len(images), (1, 28, 28), lambda: [images], details=list)
    cached_images(root, key, lambda: plan)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Three entries of images, one of them old, three of classifiers, and what is not ours."""
    root = tmp_path / "cache"
    for key, count in (("a" * 32, 2000), ("b" * 32, 10), ("c" * 32, 20)):
        add_images(root, key, np.zeros((count, 1, 28, 28), np.uint8))
    then = time.time() - 40 * DAY
    os.utime(root / ("b" * 32) / "manifest.json", (then, then))
    (root / ("c" * 32) / "images.npy").write_bytes(b"damaged")
    folder = root / "reference-classifiers"
    folder.mkdir()
    for name in ("d" * 24, "predictions-" + "e" * 24):
        (folder / f"{name}.safetensors").write_bytes(bytes(5000))
    (folder / f"{'d' * 24}.unfinished").write_bytes(bytes(3000))
    (folder / f"{'d' * 24}.lock").touch()
    return root


FOREIGN = (
    "thesis.tex",
    "reference-classifiers/notes.safetensors",
    "reference-classifiers/thesis.tex",
    f"{'f' * 32}/thesis.tex",
    f"{'f' * 32}/manifest.json",
    f"{'0' * 32}/photos/1.png",
    ".tmp-0123456789abcdef/thesis.tex",
    "photos/manifest.json",
)


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_entries_are_listed_by_size(acgan: Acgan, cache: Path) -> None:
    done = acgan("cache", cache)
    assert (done.code, done.err) == (0, "")
    assert [" ".join(line.split()) for line in done.out.splitlines()] == [
        "entry content size unused",
        f"{'a' * 32} 2,000 decoded images of 28×28×1 1.6 MB 0 days",
        f"{'b' * 32} 10 decoded images of 28×28×1 8.3 kB 40 days",
        f"reference-classifiers/{'d' * 24}.safetensors reference classifier 5.0 kB 0 days",
        f"reference-classifiers/predictions-{'e' * 24}.safetensors predictions for real images "
        "5.0 kB 0 days",
        f"reference-classifiers/{'d' * 24}.unfinished unfinished fit of a reference classifier "
        "3.0 kB 0 days",
        f"{'c' * 32} decoded images, damaged 377 bytes 0 days",
        f"6 entries, 1.6 MB in {cache}",
    ]
    values = json.loads(acgan("cache", cache, "--json").out)
    assert len(values["entries"]) == 6
    assert acgan("cache", cache / "nowhere").out.endswith(
        f"0 entries, 0 bytes in {cache}/nowhere\n"
    )


@pytest.mark.parametrize(
    ("prune", "left"),
    [
        ("all", ""),
        ("30d", "acdde"),
        ("50d", "abcdde"),
        ("1MB", "bcdde"),
        ("0MB", ""),
        ("1GB", "abcdde"),
    ],
)
def test_only_own_entries_are_pruned(acgan: Acgan, cache: Path, prune: str, left: str) -> None:
    for name in FOREIGN:
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("years of work")
    elsewhere = cache.parent / ("9" * 32)
    (cache / ("a" * 32)).rename(elsewhere)
    (cache / ("9" * 32)).symlink_to(elsewhere)
    (elsewhere / "manifest.json").touch()
    outside = contents(elsewhere)
    before = contents(cache)
    then = time.time() - 40 * DAY  # reading has changed it
    os.utime(cache / ("b" * 32) / "manifest.json", (then, then))
    done = acgan("cache", cache, "--prune", prune, "--yes", "--json")
    assert (done.code, done.err) == (0, "")
    after = contents(cache)
    assert after.keys() <= before.keys() | {".lock"}
    assert contents(elsewhere) == outside
    assert all(after[name] == b"years of work" for name in FOREIGN)
    names = {
        name.removeprefix("reference-classifiers/").removeprefix("predictions-") for name in after
    }
    own = [name[0] for name in names if name[:10] == name[0] * 10 and name[0] in "abcde"]
    kept = left.replace("a", "")
    assert set(own) == set(kept)
    assert [path for path in json.loads(done.out)["deleted"] if "thesis" in path] == []


@pytest.mark.parametrize("prune", ["", "some", "-1d", "3 d", "2gb", "1e9GB", "nanGB", "ALL"])
def test_a_wrong_prune_deletes_nothing(acgan: Acgan, cache: Path, prune: str) -> None:
    before = contents(cache)
    done = acgan("cache", cache, "--prune", prune, "--yes")
    assert done.code == 2
    assert "--prune takes all, an age as 30d" in done.err
    assert contents(cache) == before


def test_pruning_asks_and_waits_for_no_lock(acgan: Acgan, cache: Path) -> None:
    before = contents(cache)
    asked = acgan("cache", cache, "--prune", "all")
    assert asked.code == 2
    assert "Add --yes" in asked.err
    for lock in (cache / ".lock", cache / "reference-classifiers" / f"{'d' * 24}.lock"):
        with FileLock(lock):
            done = acgan(
                "cache", cache, "--prune", "50d" if lock.parent == cache else "all", "--yes"
            )
        if lock.parent == cache:
            assert done.code == 0  # nothing is that old
            assert contents(cache).keys() == before.keys()
        else:
            assert done.code == 2
            assert "another process is writing" in done.err
            assert (lock.parent / f"{'d' * 24}.safetensors").exists()


def test_the_least_recently_used_are_pruned_first() -> None:
    entries = [CacheEntry(Path(str(used)), "", 4 * 10**6, used) for used in (3, 1, 4, 2)]
    chosen = [entry.last_used for entry in _chosen(entries, "10MB")]
    assert sorted(chosen) == [1, 2]
