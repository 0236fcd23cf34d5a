"""JSON that anybody may have written: refused if oversized, nested deeply, or not plain values.

Python's reader alone overflows its stack at nested lists, and accepts NaN, numbers that overflow,
and text that cannot be encoded.
"""

from __future__ import annotations

import errno
import json
import math
import re
import stat
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

from acgan.storage.disk import human_size

LARGEST_BYTES = 16 << 20
_DEEPEST = 64  # levels of lists and objects
_DIGITS = 20  # of a whole number, with its sign: 64 bits
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(path: Path, limit_bytes: int = LARGEST_BYTES) -> Any:
    """Return the value in a JSON file; see `parse_json`.

    Raises:
        OSError: it cannot be read, or is no regular file: reading a pipe would block.
        ValueError: see `parse_json`.
    """
    return parse_json(read_regular(path, limit_bytes), limit_bytes)


def read_regular(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a regular file, or ``limit_bytes`` and one more byte of a larger one.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return file.read(limit_bytes + 1)


def parse_json(content: bytes, limit_bytes: int = LARGEST_BYTES) -> Any:
    """Return the value of a JSON text in UTF-8, in time and memory proportional to its length.

    Raises:
        ValueError: it is no JSON, or larger, deeper or of other values than allowed; the message
            is a phrase such as "it is nested too deeply".
    """
    if len(content) > limit_bytes:
        raise ValueError(f"it is larger than {human_size(limit_bytes)}")
    brackets = _STRINGS.sub(b"", content).translate(_STEPS, _OTHERS)
    if max(accumulate(memoryview(brackets).cast("b")), default=0) > _DEEPEST:
        raise ValueError("it is nested too deeply")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
        if _SURROGATE.search(content):
            _check_text(value)
    except UnicodeError:
        raise ValueError("its text is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON (line {error.lineno}: {error.msg})") from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it contains {constant}, which is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number in it is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("a number in it has too many digits")
    return int(text)


def _check_text(value: Any) -> None:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            each.encode()  # fails for a surrogate without its other half
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
