"""The log of JSON lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.errors import DiskError
from acgan.storage.line_log import LineLog

VALUES = st.dictionaries(
    st.text(),
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.lists(VALUES), st.lists(VALUES), st.lists(VALUES))
def test_a_log_cut_back_and_continued_is_as_one_never_stopped(
    tmp_path_factory: pytest.TempPathFactory,
    kept: list[dict[str, object]],
    lost: list[dict[str, object]],
    again: list[dict[str, object]],
) -> None:
    folder = tmp_path_factory.mktemp("log")
    with LineLog(folder / "stopped") as log:
        for values in kept:
            log.append(values)
        length = log.sync()
        for values in lost:
            log.append(values)
    with LineLog(folder / "stopped", keep_bytes=length) as log:
        for values in again:
            log.append(values)
        assert log.sync() == (folder / "stopped").stat().st_size
    with LineLog(folder / "whole", keep_bytes=0) as log:
        for values in kept + again:
            log.append(values)
    assert (folder / "stopped").read_bytes() == (folder / "whole").read_bytes()
    lines = (folder / "stopped").read_bytes().split(b"\n")[:-1]
    assert [json.loads(line) for line in lines] == kept + again


def test_a_line_is_there_at_once_in_the_given_order(tmp_path: Path) -> None:
    with LineLog(tmp_path / "run" / "metrics.jsonl") as log:
        log.append({"step": 1, "loss": 0.1, "class": "süß"})
        text = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8")
        assert text == '{"step":1,"loss":0.1,"class":"süß"}\n'


def test_without_a_length_whole_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "timing.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":')
    with LineLog(path) as log:
        log.append({"b": 2})
    assert path.read_bytes() == b'{"a":1}\n{"b":2}\n'
    path.write_bytes(b'{"a":')
    with LineLog(path) as log:
        assert log.sync() == 0


def test_a_log_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(DiskError, match=r"has 3 bytes, but 4 were written .* --run"):
        LineLog(path, keep_bytes=4)
    assert path.read_bytes() == b"{}\n"


@settings(max_examples=50)
@given(st.lists(VALUES, min_size=1), st.data())
def test_a_flipped_bit_before_the_checkpoint_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    with LineLog(path) as log:
        for values in rows:
            log.append(values)
        length, sha256 = log.sync(), log.sha256
        log.append({"after": 1})
    with LineLog(path, keep_bytes=length, keep_sha256=sha256) as log:
        assert log.sha256 == sha256
        log.append({"after": 2})
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    if bit // 8 >= length:  # rows after the checkpoint are written again
        LineLog(path, keep_bytes=length, keep_sha256=sha256).close()
        assert len(path.read_bytes()) == length
        return
    with pytest.raises(DiskError, match="has changed since the last checkpoint"):
        LineLog(path, keep_bytes=length, keep_sha256=sha256)
    assert path.read_bytes() == content
    with LineLog(path, keep_bytes=length) as log:  # a checkpoint of an earlier version
        assert log.sha256 != sha256


@pytest.mark.parametrize("change", ["removed", "folder removed", "moved", "replaced"])
def test_a_log_that_lost_its_name_takes_no_more_lines(tmp_path: Path, change: str) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    with LineLog(path) as log:
        log.append({"a": 1})
        if change == "removed":
            path.unlink()
        elif change == "folder removed":
            shutil.rmtree(path.parent)
        else:
            path.rename(tmp_path / "aside")
        if change == "replaced":
            path.write_bytes(b'{"a":1}\n')
        for write in (lambda: log.append({"a": 2}), log.sync):
            with pytest.raises(DiskError, match="was removed or moved while"):
                write()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(tmp_path: Path, value: float) -> None:
    with LineLog(tmp_path / "log") as log:
        with pytest.raises(ValueError, match="JSON"):
            log.append({"loss": value})
        log.append({"loss": None})
    assert (tmp_path / "log").read_text() == '{"loss":null}\n'
