"""Sets of models: members are ordinary runs, budgets are divided, and a kill changes no byte."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.data.class_selection import select_classes
from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.errors import DataError, DiskError, DivergedError, UsageError
from acgan.model.model import load
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.runs.listing import list_runs
from acgan.sampling.interpolation import has_path
from acgan.sampling.sampler import sample_images
from acgan.storage.folders import write_manifest
from acgan.training.display import SilentDisplay
from acgan.training.run import TrainedRun
from acgan.training.run_set import plan, train_model_set
from acgan.training.train import train

ConfigMaker = Callable[..., RunConfig]
Content = Callable[[Path], dict[str, bytes]]
NAMES = ("bar", "cross", "ring", "cup", "jar")
FEW = {"training": {"total_images": 96}, "reporting": {"checkpoint_every_images": 16}}


@pytest.fixture(scope="module")
def five(tiny_splits: DatasetSplits) -> DatasetSplits:
    """The tiny pictures under five names, in equal numbers but for the last."""

    def renamed(part: LabeledImages) -> LabeledImages:
        labels = np.arange(len(part), dtype=np.int64) % 5
        return LabeledImages(part.images, labels, make_classes(NAMES))

    return DatasetSplits(
        "shapes",
        renamed(tiny_splits.train),
        renamed(tiny_splits.validation),
        renamed(tiny_splits.test),
    )


@pytest.fixture
def start(
    five: DatasetSplits, recording: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainedRun]:
    """``start(folder, config, display)``: one call of the command; no end-of-run pictures."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})

    def call(folder: Path, config: RunConfig, display: Any = None) -> TrainedRun:
        return train_model_set(config, five, RunFolder(folder), display or recording())

    return call


@pytest.fixture(scope="module")
def complete(
    five: DatasetSplits, tiny_config: ConfigMaker, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished set of two models, trained once."""
    folder = tmp_path_factory.mktemp("sets") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("acgan.training.run.draw_summary", lambda folder: {})
        config = tiny_config(classes_per_model=3, **FEW)
        train_model_set(config, five, RunFolder(folder), SilentDisplay())
    return folder


@pytest.mark.parametrize(
    ("training", "budgets"),
    [
        ({"total_images": 960}, [(590, None, None), (370, None, None)]),
        ({"total_images": None, "total_epochs": 3}, [(None, 3, None), (None, 3, None)]),
        ({"total_images": None, "max_minutes": 9.6}, [(None, None, 5.9), (None, None, 3.7)]),
    ],
)
def test_budgets_are_divided_so_that_every_class_is_seen_as_often(
    training: dict[str, Any], budgets: list[Any], tiny_config: ConfigMaker, five: DatasetSplits
) -> None:
    config = tiny_config(classes_per_model=3, training=training)
    # by hand: 20, 19, 19, 19, 19 of 96 images; the first three classes have 58, the others 38
    assert five.train.class_counts.tolist() == [20, 19, 19, 19, 19]
    expected = [58 / 96, 38 / 96]
    members = plan(config, five)
    assert [(m.name, m.labels) for m in members] == [
        ("00-bar-to-ring", range(3)),
        ("01-cup-to-jar", range(3, 5)),
    ]
    for member, share, wanted in zip(members, expected, budgets, strict=True):
        own = member.config.training
        whole = (own.total_images, own.total_epochs, own.max_minutes)
        assert whole[1] == wanted[1]
        if own.total_images is not None:
            assert own.total_images == round(960 * share)
        if own.max_minutes is not None:
            assert own.max_minutes == pytest.approx(9.6 * share)
        assert [value is None for value in whole] == [value is None for value in wanted]
        assert member.config.classes_per_model is None
        assert member.config.data.only_class == tuple(NAMES[label] for label in member.labels)
        assert member.config.seed == config.seed


@pytest.mark.slow
def test_members_are_the_runs_that_their_classes_alone_would_be(
    start: Callable[..., TrainedRun],
    train_tiny: Callable[..., TrainedRun],
    tiny_config: ConfigMaker,
    five: DatasetSplits,
    content: Content,
    tmp_path: Path,
) -> None:
    config = tiny_config(classes_per_model=3, **FEW)
    run = start(tmp_path / "set", config)
    images = []
    for member in plan(config, five):
        own = tmp_path / "set" / "members" / member.name
        data = select_classes(five, member.labels, cache=None)
        alone = train_tiny(tmp_path / member.name, member.config, splits=data)
        assert content(own) == content(alone.folder)
        images.append(alone.images_seen)
        model = load(tmp_path / "set")
        for label in member.labels:
            together = model.sample(label, 3, seed=5)
            apart = alone.model.sample(NAMES[label], 3, seed=5)
            assert np.array_equal(together, apart), "a set draws what its members draw"
    assert (run.images_seen, run.resumed_at) == (sum(images), 0)
    assert run.model.images_seen == sum(images)
    assert run.summary["grid"].exists()
    [row] = list_runs(tmp_path / "set")
    assert (row.state, row.images_seen, row.total_images) == ("complete", sum(images), 96)
    assert row.has_model


@pytest.mark.slow
def test_a_set_that_is_complete_stays_as_it_is(
    start: Callable[..., TrainedRun],
    tiny_config: ConfigMaker,
    recording: Any,
    trained: Path,
    content: Content,
    tmp_path: Path,
) -> None:
    config = tiny_config(classes_per_model=3, **FEW)
    before = content(tmp_path / "set")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "set" / "model").rglob("*")}
    display = recording()
    again = start(tmp_path / "set", config, display)
    assert again.resumed_at == again.images_seen
    assert (display.starts, display.messages) == ([], [])
    assert content(tmp_path / "set") == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    with pytest.raises(UsageError, match="classes_per_model: 3 → 2"):
        start(tmp_path / "set", tiny_config(classes_per_model=2, **FEW))
    further = tiny_config(classes_per_model=3, **{**FEW, "training": {"total_images": 160}})
    more = start(tmp_path / "set", further)
    assert more.resumed_at == again.images_seen < more.images_seen
    assert more.model.images_seen == more.images_seen


def bytes_of(run: Path) -> dict[str, bytes]:
    """Every file of a set but for its members' that know the time."""
    clocks = {"timing.jsonl", "tensorboard", ".lock"}
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and not clocks & set(path.parts)
    }


class Killed(BaseException):
    """What a SIGKILL looks like from inside: nothing below may handle it."""


@pytest.mark.slow
def test_wherever_it_is_killed_it_ends_with_the_same_bytes(
    start: Callable[..., TrainedRun],
    tiny_config: ConfigMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed before things are put in place: while members train, and while all is put together."""
    config = tiny_config(classes_per_model=3, **FEW)
    renames = [0]
    kill_at = [0]

    def counted(name: str) -> None:
        rename = getattr(__import__("os"), name)

        def put(*arguments: Any) -> None:
            renames[0] += 1
            if renames[0] == kill_at[0]:
                raise Killed
            rename(*arguments)

        monkeypatch.setattr(f"os.{name}", put)

    counted("rename")
    counted("replace")
    start(tmp_path / "straight", config)
    wanted, count = bytes_of(tmp_path / "straight"), renames[0]
    assert count > 20
    killed = 0
    for place in (1, 4, count // 3, count // 2, *range(count - 7, count + 1, 3)):
        renames[0], kill_at[0] = 0, place
        try:
            start(tmp_path / "killed", config)
        except Killed:
            killed += 1
            kill_at[0] = 0
            start(tmp_path / "killed", config)
        assert bytes_of(tmp_path / "killed") == wanted, f"killed before rename {place} of {count}"
        shutil.rmtree(tmp_path / "killed")
    assert killed > 4


def test_a_set_that_diverges_says_which_model(
    start: Callable[..., TrainedRun],
    tiny_config: ConfigMaker,
    poison: Callable[..., None],
    tmp_path: Path,
) -> None:
    poison(lambda images_seen, retry: True)
    with pytest.raises(DivergedError, match="members/00-bar-to-ring: training diverged"):
        start(
            tmp_path / "set",
            tiny_config(classes_per_model=3, training={"skips_before_restore": 1}),
        )
    [row] = list_runs(tmp_path / "set")
    assert row.state == "diverged"


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_same_command_goes_on(
    start: Callable[..., TrainedRun],
    tiny_config: ConfigMaker,
    recording: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(classes_per_model=3, **FEW)

    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("acgan.model.folder.shutil.copytree", full)
        with pytest.raises(DiskError, match=r"set/model: no space left.*run the same command"):
            start(tmp_path / "set", config)
    with pytest.raises(UsageError, match="after all of its members are trained"):
        load(tmp_path / "set")
    display = recording()
    run = start(tmp_path / "set", config, display)
    assert display.starts == [], "no member is trained again"
    assert run.model.classes == make_classes(NAMES)


def test_what_cannot_be_divided_is_refused_before_anything_is_written(
    start: Callable[..., TrainedRun],
    five: DatasetSplits,
    tiny_config: ConfigMaker,
    tmp_path: Path,
) -> None:
    few = tiny_config(classes_per_model=2, training={"batch_size": 50})
    with pytest.raises(UsageError, match="38 training images of cup, jar, fewer"):
        start(tmp_path / "set", few)
    assert not (tmp_path / "set").exists()
    for rare in (1, 2, 5):  # images of each class of the last model
        labels = five.train.labels
        rows = [np.flatnonzero(labels == k)[: rare if k > 2 else None] for k in range(5)]
        skewed = replace(five, train=five.train.subset(np.concatenate(rows)))
        with pytest.raises(UsageError, match="fewer than a batch") as caught:
            plan(tiny_config(classes_per_model=2, training={"batch_size": 5000}), skewed)
        size = int(re.findall(r"batch_size=(\d+)", str(caught.value))[0])
        plan(tiny_config(classes_per_model=2, training={"batch_size": size}), skewed)


@pytest.fixture
def trained(complete: Path, tmp_path: Path) -> Path:
    """A copy of the finished set, to be changed."""
    return Path(shutil.copytree(complete, tmp_path / "set"))


@pytest.mark.slow
def test_the_model_folder_alone_draws_every_class(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "model", tmp_path / "elsewhere")
    shutil.rmtree(trained)
    model = load(tmp_path / "elsewhere")
    assert model.class_indices("jar") == (4,)
    assert model.sample(count=2).shape == (10, 1, 8, 8)
    mixed = sample_images(model.generator, [4, 0, 3], [9, 9, 9])
    for index, label in enumerate((4, 0, 3)):
        assert np.array_equal(mixed[index], model.sample(label, seed=9)[0])
    assert list(model.split["train"]["per_class"].values()) == [20, 19, 19, 19, 19]
    card = (tmp_path / "elsewhere" / "README.md").read_text(encoding="utf-8")
    assert "a set of 2 models of 2 or 3 classes each" in card
    with pytest.raises(UsageError, match=r"set of 2(.|\n)*01-cup-to-jar: cup, jar"):
        model.discriminator  # noqa: B018
    member = load(tmp_path / "elsewhere" / "members" / "01-cup-to-jar")
    assert member.discriminator(torch.zeros(1, 1, 8, 8)).source_logits.shape == (1,)


def test_there_is_a_way_only_inside_a_member(trained: Path) -> None:
    model = load(trained)
    way = model.interpolate("cup", "jar", seed=1, to_seed=2, steps=3)
    assert np.array_equal(way[0], model.sample("cup", seed=1)[0])
    assert np.array_equal(way[2], model.sample("jar", seed=2)[0])
    with pytest.raises(UsageError, match="from 'ring' lead to 'bar' or 'cross'"):
        model.interpolate("ring", "cup")
    assert (has_path(model.generator, 0, 2), has_path(model.generator, 2, 3)) == (True, False)


def test_a_member_that_is_damaged_or_another_is_refused(trained: Path) -> None:
    members = trained / "model" / "members"
    weights = members / "01-cup-to-jar" / "generator.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(DataError, match="damaged"):
        load(trained)
    weights.write_bytes(good)
    manifest = trained / "model" / "manifest.json"
    record = json.loads((trained / "model" / "model.json").read_text(encoding="utf-8"))
    record["members"] = {"../../elsewhere": "0" * 64}
    (trained / "model" / "model.json").write_text(json.dumps(record), encoding="utf-8")
    manifest.unlink()
    write_manifest(trained / "model", {})
    with pytest.raises(DataError, match="not a safe folder name"):
        load(trained)


@pytest.mark.slow
def test_a_set_neither_starts_from_weights_nor_gives_them(trained: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    for several in (2, None):
        with pytest.raises(UsageError, match=r"--init-from starts one model.*members/"):
            train("digits", run=new, init_from=trained, images=64, classes_per_model=several)
    with pytest.raises(UsageError, match="classes_per_model"):
        train("digits", run=new, classes_per_model=1)
    assert not new.exists()
