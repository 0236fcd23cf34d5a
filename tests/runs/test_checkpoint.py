"""Which checkpoints are kept, which is found, and that a loaded state is the saved one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.errors import DataError
from acgan.runs.checkpoint import (
    FORMAT,
    CheckpointStore,
    TrainingState,
    read_checkpoint,
    saved_checkpoints,
)
from acgan.storage.folders import CorruptFolderError, read_record, update_record


def state(images_seen: int, retry: int = 0) -> TrainingState:
    return TrainingState(
        {"weight": torch.tensor([images_seen, retry])},
        {"images_seen": images_seen, "retry": retry},
    )


def names(store: CheckpointStore) -> list[str]:
    return [checkpoint.path.name for checkpoint in store.list()]


def seen(found: TrainingState | None) -> tuple[int, int] | None:
    """Retry and images of a loaded state, told by its tensors and its counters alike."""
    if found is None:
        return None
    images_seen, retry = found.tensors["weight"].tolist()
    assert found.counters == {"images_seen": images_seen, "retry": retry}
    return retry, images_seen


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, warnings: list[str]) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", keep_last=2, on_damage=warnings.append)


def damage(path: Path, how: str) -> None:
    weights = path / "tensors.safetensors"
    content = bytearray(weights.read_bytes())
    if how == "bit flip":
        content[-1] ^= 1
        weights.write_bytes(content)
    elif how == "truncated":
        weights.write_bytes(content[:-1])
    elif how == "file missing":
        (path / "counters.json").unlink()
    else:
        (path / "manifest.json").unlink()


DAMAGES = ["bit flip", "truncated", "file missing", "manifest missing"]


def test_a_new_run_has_none(store: CheckpointStore, warnings: list[str]) -> None:
    assert store.newest() is None
    assert store.newest(scheduled=True) is None
    assert store.list() == ()
    assert warnings == []


def test_every_type_and_layout_comes_back_bit_for_bit(store: CheckpointStore) -> None:
    image = torch.randn(2, 3, 4, 5)
    image[0, 0, 0, :3] = torch.tensor([float("nan"), float("-inf"), -0.0])
    tensors = {
        "channels last": image.to(memory_format=torch.channels_last),
        "transposed": image[0, 0].T,
        "same memory": image,
        "a part of it": image[:, 1:2],
        "bf16": image.to(torch.bfloat16),
        "step": torch.tensor(7.0),
        "count": torch.tensor(2**40),
        "flags": torch.tensor([True, False]),
        "float64": torch.tensor([0.1], dtype=torch.float64),
        "parameter": torch.nn.Parameter(torch.randn(0, 3)),
    }
    counters = {"images_seen": 5, "retry": 0, "sum": 0.1 + 0.2, "alarms": {"seven": [1, None]}}
    store.save(TrainingState(tensors, counters), scheduled=True, milestone=False)
    found = store.newest()
    assert found is not None
    assert found.counters == counters
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        loaded = found.tensors[name]
        assert loaded.dtype == tensor.dtype
        assert loaded.is_contiguous()
        as_bytes = [t.detach().flatten().view(torch.uint8) for t in (loaded, tensor)]
        assert torch.equal(*as_bytes), name


def test_equal_states_give_equal_bytes(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "other"):
        store = CheckpointStore(tmp_path / name)
        paths.append(store.save(state(10), scheduled=True, milestone=True))
    for file in paths[0].iterdir():
        assert file.read_bytes() == (paths[1] / file.name).read_bytes()


def test_the_last_the_milestones_and_the_newest_are_kept(store: CheckpointStore) -> None:
    for images_seen in range(10, 80, 10):
        store.save(state(images_seen), scheduled=True, milestone=images_seen in (10, 30))
    store.save(state(75), scheduled=False, milestone=False)
    assert names(store) == [f"{n:012d}-r0" for n in (10, 30, 60, 70, 75)]
    store.save(state(80), scheduled=True, milestone=False)
    assert names(store) == [f"{n:012d}-r0" for n in (10, 30, 70, 80)]


def test_a_retry_supersedes_what_came_before(store: CheckpointStore) -> None:
    for images_seen in (100, 200, 300):
        store.save(state(images_seen), scheduled=True, milestone=False)
    store.save(state(200, retry=1), scheduled=True, milestone=False)
    assert seen(store.newest()) == (1, 200)
    assert names(store) == ["000000000300-r0", "000000000200-r1"]


def test_a_signal_does_not_move_where_a_rollback_leads(store: CheckpointStore) -> None:
    store.save(state(100), scheduled=True, milestone=False)
    store.save(state(130), scheduled=False, milestone=False)
    assert seen(store.newest()) == (0, 130)
    assert seen(store.newest(scheduled=True)) == (0, 100)


def test_saving_again_keeps_the_state_and_adds_flags(store: CheckpointStore) -> None:
    path = store.save(state(100), scheduled=False, milestone=False)
    weights = path / "tensors.safetensors"
    identity = weights.stat().st_ino
    for scheduled, milestone in ((True, False), (False, True), (False, False)):
        assert store.save(state(100), scheduled=scheduled, milestone=milestone) == path
    (checkpoint,) = store.list()
    assert (checkpoint.scheduled, checkpoint.milestone) == (True, True)
    assert weights.stat().st_ino == identity


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_one_is_skipped_and_reported_once(
    store: CheckpointStore, warnings: list[str], how: str
) -> None:
    store.save(state(100), scheduled=True, milestone=False)
    path = store.save(state(200), scheduled=True, milestone=False)
    damage(path, how)
    for _ in range(2):
        assert seen(store.newest()) == (0, 100)
        assert seen(store.newest(scheduled=True)) == (0, 100)
    (warning,) = warnings
    assert str(path) in warning
    with pytest.raises(CorruptFolderError, match=str(path)):
        read_checkpoint(path)


@pytest.mark.parametrize("how", DAMAGES)
def test_training_replaces_a_damaged_one(store: CheckpointStore, how: str) -> None:
    damage(store.save(state(100), scheduled=True, milestone=False), how)
    warnings: list[str] = []
    path = store.save(state(100), scheduled=True, milestone=True)
    again = CheckpointStore(path.parent, on_damage=warnings.append)
    assert seen(again.newest()) == (0, 100)
    assert warnings == []


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_ones_do_not_count_among_the_last(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "checkpoints"
    for images_seen in (100, 200, 300):
        CheckpointStore(folder).save(state(images_seen), scheduled=True, milestone=False)
    damage(folder / "000000000300-r0", how)
    store = CheckpointStore(folder, keep_last=2)
    store.save(state(250), scheduled=True, milestone=False)
    assert not (folder / "000000000100-r0").exists()
    assert seen(read_checkpoint(folder / "000000000200-r0")) == (0, 200)
    assert seen(store.newest()) == (0, 250)
    assert (folder / "000000000300-r0").exists(), "it is the person's to remove"


def test_other_things_in_the_folder_are_left_alone(
    store: CheckpointStore, warnings: list[str]
) -> None:
    path = store.save(state(100), scheduled=True, milestone=False)
    (path.parent / "my notes.txt").write_text("…")
    (path.parent / "copy of 000000000100-r0").mkdir()
    for images_seen in (200, 300, 400):
        store.save(state(images_seen), scheduled=True, milestone=False)
    assert {p.name for p in path.parent.iterdir()} - set(names(store)) == {
        "my notes.txt",
        "copy of 000000000100-r0",
    }
    assert warnings == []


def test_reading_changes_nothing(store: CheckpointStore) -> None:
    path = store.save(state(100), scheduled=True, milestone=False)
    (path.parent / ".tmp-of-the-process-that-trains").mkdir()
    reader = CheckpointStore(path.parent, keep_last=1)
    reader.newest(), reader.list()
    assert (path.parent / ".tmp-of-the-process-that-trains").exists()


@pytest.mark.parametrize("number", [None, 1, 99])
def test_another_format_is_refused_by_a_sentence(
    store: CheckpointStore, number: int | None
) -> None:
    path = store.save(state(100), scheduled=True, milestone=False)
    update_record(path, read_record(path) | {"format": number})
    for read in (
        store.newest,
        partial(store.newest, scheduled=True),
        store.list,
        lambda: read_checkpoint(path),
    ):
        with pytest.raises(
            DataError, match=rf"has format {number}; this version .* format {FORMAT}; cont"
        ):
            read()


def test_part_of_a_checkpoint_can_be_read(store: CheckpointStore) -> None:
    tensors = {name: torch.ones(2) for name in ("average.a", "average.b", "averages", "generator")}
    path = store.save(
        TrainingState(tensors, {"images_seen": 1, "retry": 0}), scheduled=True, milestone=False
    )
    assert read_checkpoint(path, "average.").tensors.keys() == {"average.a", "average.b"}


def test_the_states_that_a_retry_discarded_are_left_out(tmp_path: Path) -> None:
    assert saved_checkpoints(tmp_path, before=10) == ()
    store = CheckpointStore(tmp_path / "checkpoints", keep_last=9)
    for retry, images in ((0, 0), (0, 100), (0, 200), (0, 300), (1, 200), (1, 400)):
        store.save(state(images, retry), scheduled=True, milestone=False)
    (tmp_path / "checkpoints" / "notes").mkdir()
    assert [each.path.name for each in saved_checkpoints(tmp_path, before=400)] == [
        "000000000000-r0",
        "000000000100-r0",
        "000000000200-r1",
    ]


def test_a_counter_that_json_cannot_say_is_refused(store: CheckpointStore) -> None:
    bad = TrainingState({}, {"images_seen": 1, "retry": 0, "loss": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        store.save(bad, scheduled=True, milestone=False)
    assert store.list() == ()


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 6), st.booleans(), st.booleans()), max_size=12
    ),
    st.integers(1, 3),
)
def test_retention_is_what_it_says(
    tmp_path_factory: pytest.TempPathFactory,
    saves: list[tuple[int, int, bool, bool]],
    keep_last: int,
) -> None:
    store = CheckpointStore(tmp_path_factory.mktemp("kept"), keep_last=keep_last)
    there: dict[tuple[int, int], tuple[bool, bool]] = {}
    for retry, images_seen, scheduled, milestone in saves:
        store.save(state(images_seen, retry), scheduled=scheduled, milestone=milestone)
        old = there.get((retry, images_seen), (False, False))
        there[retry, images_seen] = (old[0] or scheduled, old[1] or milestone)
        last = sorted(p for p, flags in there.items() if flags[0])[-keep_last:]
        there = {p: f for p, f in there.items() if f[1] or p in last or p == max(there)}
        assert {c.position: (c.scheduled, c.milestone) for c in store.list()} == there
        assert seen(store.newest()) == max(there)
        assert seen(store.newest(scheduled=True)) == (last[-1] if last else None)
