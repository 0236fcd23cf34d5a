"""What every configuration in this project has in common: frozen, strict, printable, comparable.

Component configurations live beside their components; `acgan.run_config` puts them together.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from acgan.errors import UsageError


class Config(BaseModel):
    """Base of all configurations: frozen values; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigT = TypeVar("ConfigT", bound=Config)


def validate(kind: type[ConfigT], values: Mapping[str, Any], *, where: str) -> ConfigT:
    """``kind`` built from plain values.

    Args:
        kind: the configuration class.
        values: nested plain values, as JSON or TOML give them.
        where: where the values come from, for the error message (``recipe mnist-28`` …).

    Raises:
        UsageError: one sentence per mistake, with "did you mean" for an unknown key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        sentences = [_sentence(kind, problem) for problem in error.errors()]
        raise UsageError(f"{where}: " + "; ".join(dict.fromkeys(sentences))) from None


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """``section.key=value`` as a path and a TOML value; a bare word is taken as a string.

    >>> parse_override("training.batch_size=64")
    (('training', 'batch_size'), 64)
    """
    key, equals, raw = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise UsageError(f"{text!r} is not of the form section.key=value")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw.strip()
    return path, None if value == "none" else value


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A deep copy of ``values`` with every ``section.key=value`` set, later ones winning."""
    result: dict[str, Any] = json.loads(json.dumps(values))
    for text in overrides:
        path, value = parse_override(text)
        node = result
        for part in path[:-1]:
            inner = node.setdefault(part, {})
            if inner is None:
                inner = node[part] = {}
            if not isinstance(inner, dict):
                raise UsageError(f"{text!r}: {part!r} is a value, not a section")
            node = inner
        node[path[-1]] = value
    return result


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested values as ``("section.key", value)``, in order."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each leaf that differs: ``section.key: old → new``."""
    before, after = dict(flatten(old)), dict(flatten(new))
    missing = "(absent)"
    return [
        f"{key}: {before.get(key, missing)} → {after.get(key, missing)}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key, missing) != after.get(key, missing)
    ]


def canonical_json(values: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short_hash(values: Any) -> str:
    """Eight hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:8]


def _sentence(kind: type[Config], problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    name = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = sorted(_keys_at(kind, location[:-1]))
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"unknown key {name!r}; {hint}"
    if problem["type"] == "missing":
        return f"{name} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]} (got {problem['input']!r})"


def _keys_at(kind: type[Config], location: Sequence[str]) -> set[str]:
    """Field names that are legal at a place; union tags in the location select a member."""
    kinds: list[type[BaseModel]] = [kind]
    for part in location:
        inner = [f.annotation for k in kinds for n, f in k.model_fields.items() if n == part]
        kinds = [m for a in inner for m in _models(a)] if inner else kinds
    return {name for k in kinds for name in k.model_fields}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return [m for argument in typing.get_args(annotation) for m in _models(argument)]
    return []
