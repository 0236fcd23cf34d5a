from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from acgan.runs.checkpoint import CheckpointStore, TrainingState
from acgan.runs.listing import summarize

Acgan = Callable[..., Any]


@pytest.fixture
def runs(tiny_run: Path, tmp_path: Path) -> Path:
    """Runs in every state."""
    for name, state in (
        ("done", "complete"),
        ("lost", "diverged"),
        ("paused", "stopped"),
        ("killed", "training"),
    ):
        run = tmp_path / "runs" / name
        shutil.copytree(tiny_run, run)
        status = {"state": state, "images_seen": 640, "total_images": 1000}
        (run / "status.json").write_text(json.dumps(status))
        rows = [
            {"images": 320, "class_accuracy": {"real_held_out": 0.5, "fake": 0.25}},
            {"images": 640, "class_accuracy": {"real_held_out": 0.75, "fake": 0.125}},
            {"images": 640, "event": "skipped", "message": "…"},
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (run / "metrics.jsonl").write_text(lines + '{"images": 96')
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path / "runs"


def test_a_table(acgan: Acgan, runs: Path) -> None:
    done = acgan("runs", runs)
    assert (done.code, done.err) == (0, "")
    header, *lines, _ = [line.split() for line in done.out.splitlines()]
    rows = [line[:-2] for line in lines]
    assert {line[-1] for line in lines} == {"kB"}
    assert header == ["run", "data", "recipe", "images", "of", "state", "held-out", "fake", "disk"]
    metrics = ["digits", "small-gray", "640", "1,000"]
    assert rows == [
        ["done", *metrics, "complete", "0.750", "0.125"],
        ["killed", *metrics, "resumable", "0.750", "0.125"],
        ["lost", *metrics, "diverged", "0.750", "0.125"],
        ["paused", *metrics, "resumable", "0.750", "0.125"],
    ]


def test_json_has_the_last_row(acgan: Acgan, runs: Path) -> None:
    values = json.loads(acgan("runs", runs, "--json").out)
    assert [value["name"] for value in values] == ["done", "killed", "lost", "paused"]
    assert values[0]["last_row"]["images"] == 640
    assert values[0]["has_model"] is True
    files = [path for path in (runs / "done").rglob("*") if path.is_file()]
    assert values[0]["disk_bytes"] == sum(path.stat().st_size for path in files)


def test_a_run_at_work(runs: Path) -> None:
    with FileLock(runs / "killed" / ".lock"):
        assert summarize(runs / "killed").state == "training"
    assert summarize(runs / "killed").state == "resumable"


def test_a_run_killed_before_its_first_checkpoint(runs: Path) -> None:
    run = runs / "killed"
    for name in ("status.json", "metrics.jsonl"):
        (run / name).unlink()
    shutil.rmtree(run / "model")
    summary = summarize(run)
    assert (summary.state, summary.images_seen, summary.has_model) == ("resumable", None, False)
    assert summary.last_row == {}
    store = CheckpointStore(run / "checkpoints")
    for number in (100, 200):
        state = TrainingState({}, {"images_seen": number, "retry": 0})
        path = store.save(state, scheduled=True, milestone=False)
    assert summarize(run).images_seen == 200
    (path / "manifest.json").write_text("{")
    assert summarize(run).images_seen == 100


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", '{"data": 3}'])
@pytest.mark.parametrize("name", ["config.json", "status.json", "metrics.jsonl"])
def test_a_broken_run_does_not_hide_the_others(
    acgan: Acgan, runs: Path, name: str, content: str
) -> None:
    (runs / "done" / name).write_text(content)
    done = acgan("runs", runs)
    assert done.code == 0
    assert len(done.out.splitlines()) == 6
    if name != "metrics.jsonl" and content != '{"data": 3}':
        assert f"done/{name}" in done.err


def test_one_run_can_be_named(acgan: Acgan, runs: Path) -> None:
    assert len(acgan("runs", runs / "done").out.splitlines()) == 3


def test_no_runs_yet(acgan: Acgan, tmp_path: Path) -> None:
    done = acgan("runs", tmp_path)
    assert done.code == 0
    assert "`acgan train digits` creates one" in done.out
    assert acgan("runs", tmp_path, "--json").out == "[]\n"


def test_a_folder_that_is_none(acgan: Acgan, tmp_path: Path) -> None:
    done = acgan("runs", tmp_path / "nowhere")
    assert done.code == 2
    assert "does not exist; name the folder that contains your runs" in done.err


def test_runs_are_deleted_by_name(acgan: Acgan, runs: Path) -> None:
    done = acgan("runs", runs, "--delete", "done", "--delete", runs / "lost", "--yes", "--json")
    assert done.code == 0
    freed = json.loads(done.out)["deleted"]
    assert list(freed) == [str(runs / "done"), str(runs / "lost")]
    assert min(freed.values()) > 1000
    assert sorted(path.name for path in runs.iterdir()) == ["killed", "notes", "paused"]


def test_an_unfinished_run_is_deleted_whole(acgan: Acgan, runs: Path) -> None:
    for name in (".tmp-measure-1", ".old-model", ".lock", "config.json"):
        (runs / "killed" / name).unlink(missing_ok=True)
        (runs / "killed" / name).write_text("{")
    (runs / "killed" / "split.json").write_text("{}")  # the config is damaged
    assert acgan("runs", runs, "--delete", "killed", "--yes").code == 0
    assert not (runs / "killed").exists()


REFUSED = ["notes", "nowhere", "..", ".", "", "/", "done/model", "../runs", "~", "done/../../x"]


@pytest.mark.parametrize("name", [*REFUSED, "link", "foreign", "inner link", "model", "locked"])
def test_only_runs_that_are_ours_are_deleted(acgan: Acgan, runs: Path, name: str) -> None:
    """One wrong name, and no run is deleted."""
    lock = FileLock(runs / "paused" / ".lock")
    if name == "link":
        (runs / "link").symlink_to(runs / "done")
    elif name == "foreign":
        shutil.copytree(runs / "done", runs / "foreign")
        (runs / "foreign" / "thesis.tex").write_text("years of work")
    elif name == "inner link":
        shutil.copytree(runs / "done", runs / "inner link")
        (runs / "inner link" / "samples").symlink_to(runs / "notes")
    elif name == "model":  # of another tool: it has a config.json too
        (runs / "model").mkdir()
        (runs / "model" / "config.json").write_text('{"architectures": []}')
    elif name == "locked":
        lock.acquire()
        name = "paused"
    before = sorted(runs.rglob("*"))
    done = acgan("runs", runs, "--delete", "done", "--delete", name, "--yes")
    lock.release()
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert sorted(runs.rglob("*")) == before


@pytest.mark.parametrize("answer", [None, "n\n", "\n", "y\n"])
def test_deleting_asks(
    acgan: Acgan, runs: Path, answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", answer and Terminal(answer))
    done = acgan("runs", runs, "--delete", "done")
    assert "kB) for good?" in done.err
    assert (runs / "done").exists() == (answer != "y\n")
    assert done.code == (0 if answer == "y\n" else 2)
    assert ("Add --yes" in done.err) == (answer is None)
