"""A resolved configuration as text: one setting a line, as `-o` takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z_][\w./:-]*")
_TAKEN = {"true", "false", "none", "inf", "nan"}  # mean something else without quotes


def settings(config: Mapping[str, Any]) -> str:
    """``section.key=value`` for every leaf, sections in order."""
    from acgan.config import flatten

    return "\n".join(f"{key}={_outermost(value)}" for key, value in flatten(config))


def _outermost(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in _TAKEN:
        return value
    return _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        # TOML has no word for nothing: a key that is left out has its default, which is that
        inner = (f"{key} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(inner)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
