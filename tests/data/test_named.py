"""Named sets from local copies of every arrangement, and the sentence when there are none."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acgan.data import idx as mnist_family
from acgan.data.idx import find_files, load_idx_set
from acgan.data.idx_sets import IDX_SETS, IdxSet
from acgan.data.source import NAMED_SETS, Split
from acgan.data.torchvision_sets import TORCHVISION_SETS, load_torchvision_set
from acgan.errors import DataError

KINDS = {kind.name: kind for kind in IDX_SETS}
PLAIN = dataclasses.replace(KINDS["mnist"], md5s=(), folders=())


def idx(values: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return (
        bytes((0, 0, 8, values.ndim))
        + struct.pack(f">{values.ndim}I", *values.shape)
        + values.tobytes()
    )


def contents(kind: IdxSet, *, first: int = 0) -> dict[str, bytes]:
    """Two training images a class and one test image a class, all different."""
    count = len(kind.classes)
    random = np.random.default_rng(0)
    files = {}
    for (images, labels), times in ((kind.files[:2], 2), (kind.files[2:], 1)):
        files[images] = idx(random.integers(0, 256, (count * times, 28, 28), np.uint8))
        files[labels] = idx(np.tile(np.arange(count, dtype=np.uint8) + first, times))
    return files


def write(folder: Path, files: dict[str, bytes], *, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(data) if packed else data)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_all_sets_of_the_manual_are_registered() -> None:
    assert list(NAMED_SETS) == [
        *("digits", "mnist", "fashion-mnist", "kmnist"),
        *(f"emnist-{s}" for s in ["balanced", "byclass", "bymerge", "letters", "digits", "mnist"]),
        *("mnist-pairs", "cifar10", "cifar100", "svhn", "stl10"),
    ]


def test_flips_keep_the_class_of_things_not_of_characters() -> None:
    sets = (*IDX_SETS, *TORCHVISION_SETS)
    keeping = {each.name for each in sets if each.flip_keeps_class}
    assert keeping == {"fashion-mnist", "cifar10", "cifar100", "stl10"}
    assert NAMED_SETS["digits"](Path()).flip_keeps_class is False


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw", "mnist/raw", "MNIST"])
def test_local_copies_are_found_wherever_they_lie(
    tmp_path: Path, folder: str, packed: bool
) -> None:
    write(tmp_path / folder, contents(PLAIN), packed=packed)
    source = load_idx_set(PLAIN, tmp_path)
    assert source.data.shape == (1, 28, 28)
    assert source.splits.tolist() == [Split.TRAIN] * 20 + [Split.TEST] * 10
    assert source.data.labels.tolist() == [*range(10)] * 3
    assert len(source.notes) == 4  # nothing vouches for these files


def test_debians_folder_is_looked_at() -> None:
    assert KINDS["fashion-mnist"].folders == (Path("/usr/share/datasets/fashion-mnist"),)


def test_another_folder_is_looked_at_after_the_root(tmp_path: Path) -> None:
    write(tmp_path / "debian", contents(PLAIN), packed=True)
    kind = dataclasses.replace(PLAIN, folders=(tmp_path / "debian",))
    paths = find_files(kind, tmp_path / "root")
    assert paths is not None
    assert paths[0].parent == tmp_path / "debian"


def checked(files: dict[str, bytes]) -> IdxSet:
    sums = (hashlib.md5(files[name], usedforsecurity=False).hexdigest() for name in PLAIN.files)
    return dataclasses.replace(PLAIN, md5s=tuple(("", each) for each in sums))


def test_published_content_passes_however_it_is_packed(tmp_path: Path) -> None:
    files = contents(PLAIN)
    write(tmp_path, files, packed=True)
    assert load_idx_set(checked(files), tmp_path).notes == ()


def test_other_content_is_refused(tmp_path: Path) -> None:
    files = contents(PLAIN)
    kind = checked(files)
    name = kind.files[0]
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    write(tmp_path, files, packed=True)
    with pytest.raises(DataError, match="not the published file of mnist"):
        load_idx_set(kind, tmp_path)


def test_another_sets_files_in_the_root_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = contents(PLAIN)
    monkeypatch.setattr(mnist_family, "IDX_SETS", (checked(files),))
    write(tmp_path, files, packed=True)
    assert find_files(KINDS["kmnist"], tmp_path) is None


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write(tmp_path, contents(PLAIN, first=1), packed=False)
    with pytest.raises(DataError, match="beyond the 10 classes"):
        load_idx_set(PLAIN, tmp_path)


def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    files = contents(PLAIN)
    files[PLAIN.files[1]] = files[PLAIN.files[3]]
    write(tmp_path, files, packed=False)
    with pytest.raises(DataError, match=r"20 images and .* 10 labels"):
        load_idx_set(PLAIN, tmp_path)


def test_emnist_is_turned_upright_and_its_letters_begin_at_a(tmp_path: Path) -> None:
    kind = KINDS["emnist-letters"]
    files = contents(kind, first=1)
    write(tmp_path / "EMNIST" / "raw", files, packed=True)
    source = load_idx_set(kind, tmp_path)
    stored = np.frombuffer(files[kind.files[0]], np.uint8, offset=16).reshape(-1, 28, 28)
    np.testing.assert_array_equal(source.data.images[5, 0], stored[5].T)
    assert [c.name for c in source.data.classes] == list("abcdefghijklmnopqrstuvwxyz")
    assert source.data.labels.tolist()[:3] == [0, 1, 2]


def test_emnists_classes_are_torchvisions() -> None:
    import torchvision.datasets

    theirs = torchvision.datasets.EMNIST.classes_split_dict
    for split in ("balanced", "byclass", "bymerge"):
        assert list(KINDS[f"emnist-{split}"].classes) == theirs[split]
    assert list(KINDS["emnist-letters"].classes) == theirs["letters"][1:]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_checksums_and_names_are_torchvisions(name: str) -> None:
    import torchvision.datasets

    theirs = getattr(torchvision.datasets, KINDS[name].tree)
    kind = KINDS[name]
    packed = {f"{file}.gz": md5 for file, (md5, _) in zip(kind.files, kind.md5s, strict=True)}
    assert dict(theirs.resources) == packed
    if name != "mnist":
        assert list(theirs.classes) == list(KINDS[name].classes)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", [n for n in NAMED_SETS if n not in ("digits", "fashion-mnist")])
def test_without_copy_and_network_the_sentence_says_all(name: str, tmp_path: Path) -> None:
    before = socket.getdefaulttimeout()
    with pytest.raises(DataError, match="was not found on this machine") as caught:
        NAMED_SETS[name](tmp_path)
    message = str(caught.value)
    assert name in message
    assert str(tmp_path) in message
    assert "digits" in message
    assert any(suffix in message for suffix in (".gz", ".mat"))
    assert socket.getdefaulttimeout() == before


def fake_torchvision(
    monkeypatch: pytest.MonkeyPatch, kind: str, make: Callable[..., Any]
) -> list[str]:
    import torchvision.datasets

    roots: list[str] = []

    def build(root: str, *, download: bool, **split: Any) -> Any:
        assert download
        roots.append(root)
        return make(split)

    monkeypatch.setattr(torchvision.datasets, kind, build)
    return roots


class Pictures:
    """What torchvision's data sets have in common."""

    def __init__(self, data: Any, labels: Any, *, name: str) -> None:
        self.data = data
        setattr(self, name, labels)


@pytest.mark.parametrize("wanted", TORCHVISION_SETS, ids=lambda wanted: str(wanted.name))
def test_torchvisions_arrays_become_ours(
    wanted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar = wanted.name.startswith("cifar")
    shape = (3, 32, 32, 3) if cifar else (3, 3, 32, 32)

    def make(split: dict[str, Any]) -> Any:
        train = split in ({"train": True}, {"split": "train"})
        data = np.zeros(shape, np.uint8)
        data[0, ..., 1] = 50 if train else 60
        pictures = Pictures(data, [0, 1, 2], name="targets" if cifar else "labels")
        first = "aquarium_fish" if wanted.name == "cifar100" else "airplane"
        pictures.classes = [first, "ship", "c"]  # type: ignore[attr-defined]
        return pictures

    roots = fake_torchvision(monkeypatch, wanted.kind, make)
    (tmp_path / wanted.name / wanted.files[0]).mkdir(parents=True)
    source = load_torchvision_set(wanted, tmp_path)
    assert set(roots) == {str(tmp_path / wanted.name)}
    assert source.data.shape == (3, 32, 32)
    assert source.splits.tolist() == [0, 0, 0, 2, 2, 2]
    assert source.data.images[0].max() == 50
    assert source.data.images[3].max() == 60
    if cifar:
        assert (source.data.images[0, 1] == 50).all()
    names = [c.name for c in source.data.classes]
    assert source.data.classes[1].aliases == {"svhn": ("1",), "stl10": ()}.get(
        wanted.name, ("boat",)
    )
    assert names[0] == {"cifar100": "aquarium fish", "svhn": "zero"}.get(wanted.name, "airplane")
