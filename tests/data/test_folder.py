"""Folders and zips end to end: what comes out, and what a person reads when files are bad."""

from __future__ import annotations

import errno
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.data import folder as folder_module
from acgan.data import load as load_module
from acgan.data.config import DataConfig
from acgan.data.containers import UnusableFileError
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import DataError

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes of 20 images of 8×6 pixels, each with noise of its own."""
    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(random.integers(-20, 20, (8, 6, 3)) + color, 0, 255)
            save(pixels.astype(np.uint8), tmp_path / "set" / name / f"{number}.png")
    return tmp_path / "set"


def save(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def zipped(root: Path) -> Path:
    return Path(shutil.make_archive(str(root), "zip", root.parent, root.name))


def unzipped(root: Path) -> Path:
    return root


def load(source: Path, **options: object) -> DatasetSplits:
    cache = str(source.parent / "cache")
    return load_data(DataConfig.model_validate({"source": str(source), "cache": cache, **options}))


def sizes_of(splits: DatasetSplits) -> list[int]:
    return [len(splits.train), len(splits.validation), len(splits.test)]


@pytest.mark.parametrize("pack", [unzipped, zipped])
def test_labels_and_pixels_belong_together(root: Path, pack: Callable[[Path], Path]) -> None:
    splits = load(pack(root))
    assert splits.name == "set"
    assert [c.name for c in splits.classes] == ["blue", "green", "red"]
    assert sizes_of(splits) == [48, 6, 6]
    assert splits.shape == (3, 8, 6)
    assert splits.notes == ()
    assert splits.flip_keeps_class, "color images count as photographs"
    for split in (splits.train, splits.validation, splits.test):
        strongest = split.images.mean((2, 3)).argmax(1)
        np.testing.assert_array_equal(strongest, 2 - split.labels)


@pytest.mark.parametrize("name", ["all", "All", "ALL "])
@pytest.mark.parametrize("pack", [unzipped, zipped])
def test_a_class_named_all_is_refused(name: str, pack: Callable[[Path], Path], root: Path) -> None:
    next(each for each in sorted(root.iterdir()) if each.is_dir()).rename(root / name)
    with pytest.raises(DataError, match=r"means every class .*; rename the class folder"):
        load(pack(root))


def test_folder_and_zip_are_the_same_data(root: Path) -> None:
    assert load(root).split_record() == load(zipped(root)).split_record()


def test_a_second_start_decodes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(root).split_record()
    monkeypatch.setattr(folder_module, "decode", None)
    assert load(root).split_record() == first


def test_a_changed_pixel_is_seen(root: Path) -> None:
    before = load(root).split_record()
    save(np.full((8, 6, 3), 7, np.uint8), root / "red" / "0.png")
    assert load(root).split_record() != before


def test_splits_of_the_source_are_used(root: Path, tmp_path: Path) -> None:
    for name in COLORS:
        for split, numbers in (
            ("train", range(10)),
            ("val", range(10, 14)),
            ("test", range(14, 20)),
        ):
            for number in numbers:
                target = tmp_path / "split" / split / name / f"{number}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name / f"{number}.png", target)
    assert sizes_of(load(tmp_path / "split")) == [30, 12, 18]
    shutil.rmtree(tmp_path / "split" / "val")
    assert sizes_of(load(tmp_path / "split")) == [27, 3, 18]


@pytest.fixture(params=["guessed from all", "guessed from one"])
def guess(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess from the first file alone is wrong where a later one is of another kind."""
    if request.param == "guessed from one":
        monkeypatch.setattr(folder_module, "_SAMPLED", 1)


def test_a_wrong_guess_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = root / "blue" / "0.png"  # of the first class, in label order
    save(np.full((8, 6), 7, np.uint8), first)
    spoil(root)
    options: dict[str, Any] = {"bad_files": "skip", "image_size": (5, 4)}
    stages: dict[int, list[str]] = {}
    loaded = {}
    for count in (1, 64):
        monkeypatch.setattr(folder_module, "_SAMPLED", count)
        config = DataConfig(source=str(root), cache=str(root.parent / f"{count}"), **options)
        seen = stages.setdefault(count, [])
        loaded[count] = load_data(config, progress=lambda stage, *_, seen=seen: seen.append(stage))
    assert ("checking" in stages[1], "checking" in stages[64]) == (True, False)
    assert loaded[1].split_record() == loaded[64].split_record()
    assert loaded[1].shape == (3, 5, 4)
    assert loaded[1].skipped == loaded[64].skipped
    assert len(loaded[1].skipped) == len(BAD) + 1


def test_gray_images_stay_gray_until_one_is_in_color(tmp_path: Path, guess: None) -> None:
    for number in range(8):
        save(np.full((4, 4), number, np.uint8), tmp_path / "set" / "a" / f"{number}.png")
        save(np.full((4, 4), 100 + number, np.uint8), tmp_path / "set" / "b" / f"{number}.png")
    assert load(tmp_path / "set").shape == (1, 4, 4)
    save(np.full((4, 4, 3), 9, np.uint8), tmp_path / "set" / "b" / "9.png")
    assert load(tmp_path / "set").shape == (3, 4, 4)


BAD: dict[str, tuple[bytes, str]] = {
    "red/text.png": (b"just text", "not an image"),
    "red/empty.png": (b"", "empty file"),
    "blue/notes.txt": (b"notes", "not an image"),
}


def spoil(root: Path) -> None:
    for name, (data, _) in BAD.items():
        (root / name).write_bytes(data)
    whole = (root / "green" / "0.png").read_bytes()
    (root / "green" / "cut.png").write_bytes(whole[: len(whole) - 40])


@pytest.mark.parametrize("pack", [unzipped, zipped])
def test_bad_files_are_refused_with_path_and_reason(
    root: Path, pack: Callable[[Path], Path]
) -> None:
    spoil(root)
    source = pack(root)
    for _ in range(2):  # from a fresh scan, and from the cache
        with pytest.raises(DataError, match="4 files in") as caught:
            load(source)
        message = str(caught.value)
        assert "--bad-files skip" in message
        for name, (_, reason) in BAD.items():
            assert any(name in line and reason in line for line in message.splitlines())
        assert "green/cut.png: damaged or cut off" in message


@pytest.mark.parametrize("pack", [unzipped, zipped])
@pytest.mark.parametrize("repaired", ["bytes", "decoder"])
def test_refused_data_is_not_cached_and_loads_once_repaired(
    root: Path, pack: Callable[[Path], Path], repaired: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, cache = load(root).split_record(), root.parent / "cache"
    shutil.rmtree(cache)
    source = pack(root)
    file = source if source.is_file() else root / "red" / "0.png"
    good, times = file.read_bytes(), file.stat()
    with monkeypatch.context() as patch:
        if repaired == "bytes":  # same names, size, time and, in a zip, directory
            at = len(good) // 2
            if source.is_file():
                member = zipfile.ZipFile(source).getinfo("set/red/0.png")
                at = member.header_offset + 60
            file.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        else:  # the same bytes: a codec of Pillow was missing
            patch.setattr(folder_module, "decode", undecodable)
        with pytest.raises(DataError, match="cannot be used"):
            load(source)
    assert not [path for path in cache.iterdir() if path.name != ".lock"]
    file.write_bytes(good)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(source).split_record() == wanted


def undecodable(*_: object) -> None:
    raise UnusableFileError("no codec")


def test_a_class_without_usable_files_is_not_cached(root: Path) -> None:
    (root / "violet").mkdir()
    (root / "violet" / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match="violet"):
        load(root, bad_files="skip")
    assert not [path for path in (root.parent / "cache").iterdir() if path.name != ".lock"]


def test_a_zip_on_a_failing_disk_is_no_damaged_zip(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = zipped(root)
    wanted = load(source).split_record()
    shutil.rmtree(root.parent / "cache")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipExtFile, "read", fail)
        with pytest.raises(DataError, match=r"set\.zip cannot be read: Input/output error"):
            load(source, bad_files="skip")
    assert load(source, bad_files="skip").split_record() == wanted


def test_bad_files_are_skipped_on_request(root: Path) -> None:
    clean = load(root).split_record()
    spoil(root)
    for _ in range(2):
        splits = load(root, bad_files="skip")
        assert splits.split_record() == clean
        assert any("skipped 4 unusable files in" in note for note in splits.notes)
        assert sorted(path for path, _ in splits.skipped) == sorted([*BAD, "green/cut.png"])


def test_one_bad_file_is_one_file(root: Path) -> None:
    (root / "red" / "empty.png").write_bytes(b"")
    (note,) = load(root, bad_files="skip").notes
    assert note == f"skipped 1 unusable file in {root}: red/empty.png: empty file"
    for number in range(4):
        (root / "blue" / f"bad{number}.png").write_bytes(b"")
    (note,) = load(root, bad_files="skip").notes
    assert note.count("empty file") == 3
    assert note.endswith("; …")
    for number in range(4):
        (root / "blue" / f"bad{number}.png").unlink()
    with pytest.raises(DataError, match="repair or remove it, or skip it with --bad-files skip"):
        load(root)


def test_many_bad_files_are_counted_and_the_first_listed(root: Path) -> None:
    for number in range(50):
        (root / "red" / f"bad{number}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="50 files") as caught:
        load(root)
    assert len(str(caught.value).splitlines()) == 22
    assert "… and 30 more" in str(caught.value)


def test_names_cannot_steer_the_terminal(root: Path) -> None:
    (root / "red" / "\x1b[31mbad.png").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        load(root)
    assert "\x1b" not in str(caught.value)
    assert "\\x1b[31mbad.png" in str(caught.value)


def test_names_of_classes_cannot_steer_the_terminal(root: Path) -> None:
    (root / "red").rename(root / "\x1b[31mred")
    assert "\\x1b[31mred" in [c.name for c in load(root).classes]


def test_a_class_with_only_bad_files_is_refused(root: Path) -> None:
    (root / "violet").mkdir()
    (root / "violet" / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"'violet' has no usable file \(1 file skipped in all\)"):
        load(root, bad_files="skip")


def test_nothing_but_bad_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match="1 file in"):
        load(tmp_path / "set", bad_files="skip")


def test_one_image_in_a_class_is_refused_unless_the_class_is_left_out(root: Path) -> None:
    save(np.zeros((8, 6, 3), np.uint8), root / "violet" / "1.png")
    with pytest.raises(DataError, match="'violet' has only 1 training image"):
        load(root)
    assert [c.name for c in load(root, only_class=["red", "blue"]).classes] == ["blue", "red"]


def test_files_of_classes_left_out_do_not_matter(root: Path) -> None:
    alone = load(root, only_class=["green", "red"]).split_record()
    spoil(root)
    for bad in ("green/cut.png", "red/empty.png", "red/text.png"):
        (root / bad).unlink()
    save(np.zeros((9, 9), np.uint8), root / "blue" / "large.png")
    assert load(root, only_class=["green", "red"]).split_record() == alone


def test_mixed_sizes_want_a_size(root: Path, guess: None) -> None:
    save(np.zeros((9, 9, 3), np.uint8), root / "red" / "large.png")
    with pytest.raises(DataError, match=r"8×6 \(60\), 9×9 \(1\).*--image-size 64"):
        load(root)
    assert load(root, image_size=(4, 5)).shape == (3, 4, 5)


def test_files_outside_of_the_class_folders_are_reported(root: Path) -> None:
    (root / "LICENSE").write_text("free")
    (note,) = load(root).notes
    assert note == f"ignored 1 file in {root} outside of the class folders: LICENSE"


def test_every_bad_entry_is_refused_or_listed_and_ignored_ones_are_counted(root: Path) -> None:
    clean = load(root).split_record()
    (root / "violet").symlink_to(root / "red")
    (root / ".git").mkdir()
    (root / "red" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(DataError, match="violet: the same folder as 'red'"):
        load(root)
    splits = load(root, bad_files="skip")
    assert splits.split_record() == clean
    assert splits.skipped == (("violet", "the same folder as 'red'"),)
    assert splits.notes == (
        f"skipped 1 unusable file in {root}: violet: the same folder as 'red'",
        f"ignored 2 entries in {root}: hidden, or created by an operating system",
    )


def test_a_file_that_changes_while_images_are_read_stops_the_start(root: Path) -> None:
    def change(stage: str, done: int, _: int) -> None:
        if (stage, done) == ("decoding", 0):
            save(np.zeros((8, 6, 3), np.uint8), root / "red" / "0.png")

    config = DataConfig(source=str(root), cache=str(root.parent / "cache"), bad_files="skip")
    with pytest.raises(DataError, match=r"red/0\.png changed while the images were read"):
        load_data(config, progress=change)
    assert len(load(root).train) == 48, "the next start finds no half entry"


@pytest.fixture
def flat(root: Path, tmp_path: Path) -> Path:
    """The same images in one folder."""
    (tmp_path / "flat").mkdir()
    for path in root.rglob("*.png"):
        shutil.copy(path, tmp_path / "flat" / f"{path.parent.name}-{path.name}")
    return tmp_path / "flat"


def test_images_without_folders_are_data_of_one_class(flat: Path) -> None:
    splits = load(flat)
    assert [each.name for each in splits.classes] == ["image"]
    assert sum(sizes_of(splits)) == 60
    assert min(sizes_of(splits)) > 0
    archive = Path(shutil.make_archive(str(flat), "zip", flat))  # without a folder around them
    assert load(archive).split_record() == splits.split_record()


def test_bad_files_among_images_without_folders_are_refused_by_name(flat: Path) -> None:
    (flat / "notes.txt").write_text("not an image")
    with pytest.raises(DataError, match=r"1 file in .*cannot be used[^$]*notes\.txt"):
        load(flat)
    assert sum(sizes_of(load(flat, bad_files="skip"))) == 60


def test_duplicates_across_splits_are_reported(root: Path) -> None:
    for number in range(20, 40):
        shutil.copy(root / "red" / "0.png", root / "red" / f"{number}.png")
    assert any("exact duplicates" in note and "in test" in note for note in load(root).notes)


def test_large_sets_are_mapped_and_equal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load(root, only_class=["red", "blue"])
    monkeypatch.setattr("acgan.data.cache.IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(load_module, "IN_MEMORY_BYTES", 100)
    large = load(root, only_class=["red", "blue"])
    assert isinstance(large.train.images, np.memmap)
    assert large.split_record() == small.split_record()


def test_progress_reaches_the_end_of_each_stage(root: Path) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    def note(stage: str, done: int, total: int) -> None:
        seen.setdefault(stage, []).append((done, total))

    load_data(DataConfig(source=str(root), cache=str(root.parent / "cache")), progress=note)
    assert list(seen) == ["reading", "decoding"]
    for steps in seen.values():
        assert steps[-1] == (60, 60)
        assert steps == sorted(steps)


def test_missing_paths_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder or zip"):
        load(tmp_path / "none")


def test_labels_of_a_file_are_those_of_class_folders(root: Path, flat: Path) -> None:
    names = sorted(path.name for path in flat.iterdir())
    rows = "".join(f'"{name}";{name.partition("-")[0]}\r\n' for name in names)
    (flat / "labels.csv").write_bytes(f"\ufeffFile Name;Label\r\n{rows}".encode())
    splits = load(flat)
    assert splits.notes == ("the labels are those of 'labels.csv'",)
    assert [c.name for c in splits.classes] == ["blue", "green", "red"]
    for split in (splits.train, splits.validation, splits.test):
        strongest = split.images.mean((2, 3)).argmax(1)
        np.testing.assert_array_equal(strongest, 2 - split.labels)


def test_several_labels_of_an_image_are_refused(flat: Path) -> None:
    name = next(flat.iterdir()).name
    (flat / "labels.csv").write_text(f"image,label\n{name},red\n{name},blue\n")
    with pytest.raises(DataError, match="has the labels 'red' and 'blue'; only one label per im"):
        load(flat)
    (flat / "labels.csv").write_text(f"image,red,blue\n{name},1,1\n")
    with pytest.raises(DataError, match=r"several columns of labels \('red', 'blue'\); only one"):
        load(flat, bad_files="skip")


def test_rows_without_file_and_images_without_row_are_bad_files(flat: Path) -> None:
    names = sorted(path.name for path in flat.iterdir())
    rows = [f"{name},{name.partition('-')[0]}" for name in [*names[1:], "red-99.png"]]
    (flat / "labels.csv").write_text("\n".join(["file,label", *rows]))
    (flat / "README").write_text("free")
    with pytest.raises(DataError, match="2 files in") as caught:
        load(flat)
    assert f"{names[0]}: no row in 'labels.csv'" in str(caught.value)
    assert "red-99.png: in labels.csv, but there is no such file" in str(caught.value)
    splits = load(flat, bad_files="skip")
    assert sum(sizes_of(splits)) == 59
    assert [path for path, _ in splits.skipped] == ["red-99.png", names[0]]
    assert any("ignored 1 file" in note and note.endswith(": README") for note in splits.notes)


def test_another_label_file_makes_another_cache_entry(flat: Path) -> None:
    names = sorted(path.name for path in flat.iterdir())
    for turn in (0, 1):
        rows = [f"{name},{number % 2 ^ turn}" for number, name in enumerate(names)]
        (flat / "labels.csv").write_text("\n".join(["file,label", *rows]))
        splits = load(flat)
        by_label = [splits.train.images[splits.train.labels == label] for label in (0, 1)]
        one = np.asarray(Image.open(flat / names[0])).transpose(2, 0, 1)
        whole = [len(some) for some in by_label]
        assert sum(whole) == 48
        assert not (by_label[1 - turn] == one).all((1, 2, 3)).any()


@pytest.mark.parametrize("bad_files", ["refuse", "skip"])
@pytest.mark.parametrize(
    "name",
    [
        *("labels.txt", "labels.json", "labels.xlsx", "list_attr_celeba.txt", "annotations.xml"),
        *("classes.txt", "metadata.parquet", "red-0.txt", "my labels.yaml", "instances.jsonl"),
    ],
)
def test_labels_that_are_not_read_never_train_without_classes(
    flat: Path, bad_files: str, name: str
) -> None:
    (flat / name).write_text("0.png cat")
    with pytest.raises(DataError, match="is not read") as caught:
        load(flat, bad_files=bad_files)
    assert re.search(rf"{name} is not read: .*move it away to train without", str(caught.value))
    (flat / name).unlink()
    assert len(load(flat, bad_files=bad_files).classes) == 1
