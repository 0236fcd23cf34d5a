from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.data.images import ImageShape
from acgan.errors import DiskError
from acgan.model.model import load
from acgan.model.sample_archive import write_archive
from acgan.model.sample_folder import SampleFile, Samples, _add_to_manifest, write_samples
from acgan.plots import text

Acgan = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_of_pictures_with_a_manifest(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "drawn"
    options = ["--class", "7", "--class", "T-shirt/top", "--count", 3, "--seed", 5, "--out", out]
    done = acgan("sample", tiny_run, *options, "--json")
    assert (done.code, done.err) == (0, "")
    files = contents(out)
    expected = [f"{name}/{seed}.png" for name in ("T-shirt-top", "seven") for seed in (5, 6, 7)]
    assert sorted(files) == sorted([*expected, "manifest.json"])
    manifest = json.loads(files["manifest.json"])
    printed = json.loads(done.out)
    assert printed["model"] == manifest["model"] == load(tiny_run).record.content_hash
    assert manifest["truncation"] is None
    images = load(tiny_run).sample([1, 2], count=3, seed=5)
    assert printed["images"] == manifest["images"]
    for entry, image in zip(manifest["images"], images, strict=True):
        assert hashlib.sha256(files[entry["file"]]).hexdigest() == entry["sha256"]
        with Image.open(out / entry["file"]) as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), image[0])
    assert manifest["images"][0] | {"sha256": ""} == {
        "class_name": "seven",
        "label": 1,
        "seed": 5,
        "file": "seven/5.png",
        "sha256": "",
    }


def test_by_default_one_of_each(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    done = acgan("sample", tiny_run / "model", "--out", tmp_path / "a")
    assert done.code == 0
    assert "3 images" in done.out
    assert len(contents(tmp_path / "a")) == 4
    acgan("sample", tiny_run, "--class", "all", "--out", tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_by_default_the_folder_is_named_after_the_run(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (tiny_run, tiny_run / "model"):
        done = acgan("sample", path, "--class", "zero")
        assert (done.code, done.out) == (0, f"1 image in {Path('samples', 'tiny')}\n")
    assert sorted(contents(tmp_path)) == ["samples/tiny/manifest.json", "samples/tiny/zero/0.png"]


@pytest.mark.slow
def test_a_folder_is_added_to_and_repeating_changes_nothing(
    acgan: Acgan, tiny_run: Path, tmp_path: Path
) -> None:
    at_once, bit_by_bit = tmp_path / "a", tmp_path / "b"
    acgan("sample", tiny_run, "--class", "all", "--count", 40, "--out", at_once)
    for name, count in (("seven", 2), ("zero", 40), ("all", 40), ("seven", 1)):
        done = acgan("sample", tiny_run, "--class", name, "--count", count, "--out", bit_by_bit)
        assert done.code == 0
    assert contents(at_once) == contents(bit_by_bit)


def test_a_sample_cut_off_goes_on(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_samples(model, tmp_path / "a", count=3, progress=stop)
    assert not (tmp_path / "a" / "manifest.json").exists()
    write_samples(model, tmp_path / "a", count=3)
    write_samples(model, tmp_path / "b", count=3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_full_disk_leaves_nothing_that_the_next_call_refuses(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_run)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match="no space left"):
        write_samples(model, tmp_path / "a", count=3)
    monkeypatch.undo()
    assert contents(tmp_path / "a") == {}
    write_samples(model, tmp_path / "a", count=1)
    (tmp_path / "a" / "zero" / "1.png").touch()  # as a power cut leaves it
    write_samples(model, tmp_path / "a", count=3)
    write_samples(model, tmp_path / "b", count=3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.skipif(os.name == "nt", reason="needs fork, or each process would import torch")
def test_four_processes_that_write_into_one_folder_lose_no_row(tmp_path: Path) -> None:
    rounds, processes = 5, []
    for label in range(4):
        child = os.fork()
        if not child:
            try:
                for seed in range(rounds):
                    written = SampleFile(str(label), label, seed, f"{label}/{seed}.png", "")
                    _add_to_manifest(tmp_path, {"format": 2}, [written])
                os._exit(0)
            finally:
                os._exit(1)
        processes.append(child)
    for child in processes:
        assert os.waitpid(child, 0)[1] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    images = json.loads((tmp_path / "manifest.json").read_text())["images"]
    pairs = [(label, seed) for label in range(4) for seed in range(rounds)]
    assert [(each["label"], each["seed"]) for each in images] == pairs


def test_nothing_is_overwritten_with_other_content(
    acgan: Acgan, tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "drawn"
    acgan("sample", tiny_run, "--out", out)
    before = contents(out)
    other = acgan("sample", tiny_run, "--out", out, "--truncation", 0.7)
    assert (other.code, contents(out)) == (2, before)
    assert "samples of another truncation" in other.err
    (out / "zero" / "0.png").write_bytes(b"mine")
    spoiled = acgan("sample", tiny_run, "--out", out)
    assert spoiled.code == 2
    assert "exists with other content, which is not overwritten" in spoiled.err
    assert (out / "zero" / "0.png").read_bytes() == b"mine"
    (out / "manifest.json").write_text('{"name": "a web page"}')
    foreign = acgan("sample", tiny_run, "--out", out)
    assert foreign.code == 2
    assert "not a manifest of samples" in foreign.err


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("class_name", (0, ["zero"])),
        ("label", ("0", 0.5, True, [0], {})),
        ("seed", ("0", None, 1.0, False, [[]])),
        ("file", (None, 1)),
        ("sha256", (None, [])),
    ],
)
def test_a_manifest_with_a_wrong_type_is_refused(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, field: str, values: tuple[object, ...]
) -> None:
    acgan("sample", tiny_run, "--out", tmp_path)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    for value in values:
        manifest["images"][0][field] = value
        path.write_text(json.dumps(manifest))
        before = contents(tmp_path)
        done = acgan("sample", tiny_run, "--out", tmp_path, "--seed", 1)
        assert (done.code, contents(tmp_path)) == (2, before), value
        assert "not a manifest of samples; choose another folder with --out" in done.err


def test_a_manifest_may_mix_images_with_and_without_classes(tmp_path: Path) -> None:
    for label in (1, None, 0):
        image = SampleFile(None, label, 3, f"{label}.png", "")
        _add_to_manifest(tmp_path, {"format": 2}, [image])
    images = json.loads((tmp_path / "manifest.json").read_text())["images"]
    assert [each["label"] for each in images] == [None, 0, 1]


def test_samples_of_another_model_are_told(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    acgan("sample", tiny_run, "--out", out)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "model": "b" * 64}))
    done = acgan("sample", tiny_run, "--out", out)
    assert done.code == 2
    assert "samples of another model" in done.err


def test_a_grid_without_a_font_for_a_class_says_so(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "missing_fonts_note", lambda names: [f"no font for {names[1]}"])
    done = acgan("sample", tiny_run, "--grid", tmp_path / "grid.png")
    assert done.err.splitlines() == ["no font for seven"]
    assert "no font" not in acgan("sample", tiny_run, "--out", tmp_path / "out").err


def test_a_grid(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.png"
    done = acgan("sample", tiny_run, "--count", 4, "--grid", grid)
    assert (done.code, done.out) == (0, f"grid: {grid}\n")
    with Image.open(grid) as picture:
        drawn = load(tiny_run).grid(count=4)
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(drawn))
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


def test_precision_is_recorded_and_not_mixed(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    done = acgan("sample", tiny_run, "--out", out, "--precision", "fp32", "--json")
    assert json.loads(done.out)["precision"] == "fp32"
    assert json.loads((out / "manifest.json").read_text())["precision"] == "fp32"
    image = load(tiny_run).sample("seven", precision="fp32")[0]
    with Image.open(out / "seven" / "0.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), image[0])
    before = contents(out)
    other = acgan("sample", tiny_run, "--out", out, "--precision", "bf16")
    assert (other.code, contents(out)) == (2, before)
    assert "samples of another precision" in other.err
    grid = acgan("sample", tiny_run, "--grid", tmp_path / "x.png", "--json")
    assert json.loads(grid.out)["precision"] == load(tiny_run).sampling_precision()
    assert acgan("sample", tiny_run, "--precision", "int8").code == 2


def test_samples_of_an_earlier_version_are_not_mixed_in(
    acgan: Acgan, tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "drawn"
    acgan("sample", tiny_run, "--out", out)
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["precision"]  # as it was before seeds came to mean other images
    (out / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    done = acgan("sample", tiny_run, "--out", out)
    assert done.code == 2
    assert "samples of another version of acgan" in done.err


def test_truncation_is_recorded(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    acgan("sample", tiny_run, "--out", tmp_path / "a", "--truncation", 0.5)
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["truncation"] == 0.5


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ("--out x --class sevn", 2, "no class 'sevn'; did you mean 'seven'?"),
        ("--out x --class 3", 2, "no class '3'"),
        ("--out x --class all --class eight", 2, "no class 'eight'"),
        ("--out x --count 0", 2, "the count must be at least 1, not 0"),
        ("--out x --count -5", 2, "the count must be at least 1, not -5"),
        ("--out x --seed -1", 2, "the seed must be a whole number from 0"),
        ("--out x --seed 9223372036854775808", 2, "the seed must be a whole number from 0"),
        ("--out x --truncation 0", 2, "the truncation must be at least 0.01"),
        ("--out x --truncation nan", 2, "the truncation must be at least 0.01"),
        ("--grid x.jpg", 2, "end its name in .png"),
        ("--grid x.png --count 101", 2, "has at most 100 images"),
        ("--out file", 2, "file is a file; name a folder"),
        ("--out file/x", 5, "a file or folder of that name is in the way"),
        ("--grid file/x.png", 5, "in the way"),
    ],
)
def test_mistakes_get_their_sentence(
    acgan: Acgan,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    done = acgan("sample", tiny_run, *options.split())
    assert done.code == code
    assert sentence in done.err
    assert done.err.startswith("acgan: ")
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = acgan("sample", tiny_run, "--out", tmp_path / "x")
    assert done.code == 5
    assert "permission denied" in done.err


def test_no_space_left(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("acgan.model.sample_folder._write_new", full)
    done = acgan("sample", tiny_run, "--out", tmp_path / "x")
    assert done.code == 5
    assert "no space left" in done.err
    assert "--out" in done.err


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        ("nowhere", 2, "there is no model at nowhere"),
        ("empty", 2, "neither a run nor a model folder"),
        ("fresh", 2, "has no model yet"),
    ],
)
def test_a_model_that_is_none(
    acgan: Acgan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("fresh").mkdir()
    Path("fresh/config.json").write_text("{}")
    done = acgan("sample", path, "--out", "x")
    assert (done.code, sentence in done.err) == (code, True)


def test_a_damaged_model_is_exit_code_3(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    for path in (tiny_run / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "generator.safetensors").write_bytes(b"")
    done = acgan("sample", tmp_path, "--out", tmp_path / "x")
    assert done.code == 3
    assert "generator.safetensors" in done.err


def test_many_files_are_announced_or_refused(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "x"
    monkeypatch.setattr("acgan.cli.sample.free_bytes", lambda path: 12_287)
    done = acgan("sample", tiny_run, "--out", out)
    assert done.code == 5
    assert "3 new files take up to 12.3 kB, and 12.3 kB are free on the disk of" in done.err
    assert "write one file of 2.3 kB with --out FILE.npz" in done.err
    assert not out.exists()
    monkeypatch.setattr("acgan.cli.sample.free_bytes", lambda path: None)  # unknown: not refused
    monkeypatch.setattr("acgan.cli.sample.free_files", lambda path: 2)
    done = acgan("sample", tiny_run, "--out", out)
    assert (done.code, out.exists()) == (5, False)
    assert "and only 2 more files are free on the disk of" in done.err
    assert acgan("sample", tiny_run, "--class", "7", "--out", out).code == 0
    monkeypatch.setattr("acgan.cli.sample._MANY_FILES", 2)
    done = acgan("sample", tiny_run, "--out", out)  # one of the three exists
    assert done.code == 0
    assert "2 new files take up to 8.2 kB" in done.err
    assert "--out FILE.zip or FILE.npz writes one file instead" in done.err
    again = acgan("sample", tiny_run, "--out", out)
    assert (again.code, again.err) == (0, "")


def test_a_zip_has_the_files_of_the_folder(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    options = ("--class", "7", "--class", "zero", "--count", 3, "--seed", 5)
    acgan("sample", tiny_run, *options, "--out", tmp_path / "folder")
    done = acgan("sample", tiny_run, *options, "--out", tmp_path / "new" / "x.ZIP", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["count"] == 6
    with zipfile.ZipFile(tmp_path / "new" / "x.ZIP") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
    assert members == contents(tmp_path / "folder")
    # The same images in another order and at another time are the same bytes.
    options = ("--class", "zero", "--class", "seven", "--count", 3, "--seed", 5)
    acgan("sample", tiny_run, *options, "--out", tmp_path / "y.zip")
    assert (tmp_path / "y.zip").read_bytes() == (tmp_path / "new" / "x.ZIP").read_bytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.ZIP"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_npz_has_the_images_as_arrays(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = load(tiny_run).sample([0, 2], count=40, seed=5)  # more than a batch
    if channels == 3:
        images = np.concatenate([images, images // 2, images // 3], axis=1)
        shape = ImageShape(3, *images.shape[2:])
        monkeypatch.setattr("acgan.model.model.Model.shape", shape)
        drawn = iter([images[:40], images[40:]])
        monkeypatch.setattr(
            "acgan.model.sample_folder.iterate_images", lambda *_, **__: iter([next(drawn)])
        )
    options = ("--class", 0, "--class", 2, "--count", 40, "--seed", 5)
    done = acgan("sample", tiny_run, *options, "--out", tmp_path / "x.npz")
    assert (done.code, done.out) == (0, f"80 images in {tmp_path / 'x.npz'}\n")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["class_names", "images", "labels", "seeds"]
        expected = images[:, 0] if channels == 1 else images.transpose(0, 2, 3, 1)
        assert arrays["images"].dtype == np.uint8
        np.testing.assert_array_equal(arrays["images"], expected)
        assert arrays["labels"].dtype == np.int64
        assert arrays["labels"].tolist() == [0] * 40 + [2] * 40
        assert arrays["seeds"].tolist() == list(range(5, 45)) * 2
        assert arrays["class_names"].tolist() == ["zero", "seven", "T-shirt/top"]


@pytest.mark.parametrize("suffix", ["zip", "npz"])
def test_an_archive_is_written_once_and_never_over_another(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"x.{suffix}"
    assert acgan("sample", tiny_run, "--out", out).code == 0
    before = contents(tmp_path)
    again = acgan("sample", tiny_run, "--out", out)
    assert (again.code, again.out) == (0, f"3 images are already in {out}\n")
    for other in (("--count", 2), ("--seed", 1), ("--class", 0), ("--truncation", 0.7)):
        done = acgan("sample", tiny_run, "--out", out, *other)
        assert (done.code, done.out) == (2, "")
        assert "exists and holds other samples, which is not overwritten" in done.err
    assert contents(tmp_path) == before
    content = bytearray(before[out.name])
    content[200] ^= 1
    out.write_bytes(content)
    assert "is damaged at" in acgan("sample", tiny_run, "--out", out).err
    out.write_text("mine")
    assert "holds something else" in acgan("sample", tiny_run, "--out", out).err
    assert out.read_text() == "mine"
    out.unlink()
    out.mkdir()
    assert "cannot be read (Is a directory)" in acgan("sample", tiny_run, "--out", out).err


@pytest.mark.parametrize("suffix", ["zip", "npz"])
def test_an_archive_is_whole_or_not_there(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    out = tmp_path / f"x.{suffix}"
    model = load(tiny_run)
    samples = Samples(model, None, 30, 0, None, "auto")

    def stop(done: int, total: int) -> None:
        if done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(model, out, samples, progress=stop)
    assert contents(tmp_path) == {}
    with monkeypatch.context() as patch:
        patch.setattr("acgan.model.sample_archive.sync_file", full)
        done = acgan("sample", tiny_run, "--out", out)
    assert (done.code, "no space left" in done.err, contents(tmp_path)) == (5, True, {})
    monkeypatch.setattr("acgan.cli.sample.free_bytes", lambda path: 1000)
    done = acgan("sample", tiny_run, "--out", out)
    assert done.code == 5
    assert f"3 images in .{suffix} take up to " in done.err
    assert contents(tmp_path) == {}


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_the_memory_of_an_archive_does_not_grow_with_its_images(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_run)
    batch = np.zeros((100, *model.shape), np.uint8)
    monkeypatch.setattr(
        "acgan.model.sample_folder.iterate_images",
        lambda _, labels, seeds, *__, **___: (batch for _ in range(len(seeds) // 100)),
    )
    peaks = []
    for count in (1000, 5000):
        samples = Samples(model, "zero", count, 0, None, "auto")
        tracemalloc.start()
        write_archive(model, tmp_path / f"{count}.npz", samples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 4000 * 40  # the images alone have 4000 * 784 bytes
