"""A resolved configuration as text: one setting a line, as `-o` takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def settings(config: Mapping[str, Any]) -> str:
    """``section.key=value`` for every leaf, sections in order."""
    from acgan.config import flatten

    return "\n".join(f"{key}={_value(value)}" for key, value in flatten(config))


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
