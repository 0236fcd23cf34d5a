from __future__ import annotations

import json
import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.storage.json_reader import parse_json, read_json

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)


@given(plain, st.booleans())
def test_plain_values_come_back(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text.encode()) == value
    assert parse_json(b"\xef\xbb\xbf" + b'["[[[", "\\"[", "\\\\"]') == ["[[[", '"[', "\\"]


@given(st.binary(max_size=200) | plain.map(lambda value: json.dumps(value).encode()), st.data())
def test_anything_else_is_a_value_error(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    refusal = ValueError("one phrase")
    try:
        json.dumps(parse_json(bytes(damaged)), allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        refusal = error
    assert type(refusal) is ValueError  # of ours, not of a library
    assert len(str(refusal).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
        (b"123456789012345678901", "too many digits"),
        (b"[NaN]", "contains NaN"),
        (b'{"a": -Infinity}', "contains -Infinity"),
        (b"1e999", "too large"),
        (b'["\\ud800"]', "not UTF-8"),
        (b'{"\\udfff": 1}', "not UTF-8"),
        (b'["\xed\xa0\x80"]', "not UTF-8"),
        (b'"\xff"', "not UTF-8"),
        ('"é"'.encode("utf-16"), "not UTF-8"),
        (b"\0", "no JSON"),
        (b"", "no JSON"),
        (b" " * (1 << 20), "larger than"),
    ],
)
def test_each_refusal_has_its_phrase(content: bytes, phrase: str) -> None:
    with pytest.raises(ValueError, match=phrase):
        parse_json(content, 1 << 19)


@pytest.mark.parametrize("piece", [b"[", b'"', b'\\"', b"[]", b'{"":', b"0", b"1,", b"\\u0000"])
def test_memory_and_time_are_linear(piece: bytes) -> None:
    content = b'["' + piece * ((1 << 19) // len(piece))
    tracemalloc.start()
    with pytest.raises(ValueError, match="it "):
        parse_json(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * len(content)


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        caught: list[BaseException] = []

        def read(path: Path = path, caught: list[BaseException] = caught) -> None:
            try:
                read_json(path)
            except OSError as error:
                caught.append(error)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(5)
        assert "not a regular file" in str(caught[0])
