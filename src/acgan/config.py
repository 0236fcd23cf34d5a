"""The base of all configurations, and what they share: validation, overrides, comparison, hashes.

Component configurations live beside their components; `acgan.runs.config` assembles them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import shlex
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from acgan.errors import UsageError, brief, shown, suggestion


class Config(BaseModel):
    """Base of all configurations: frozen values; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


_BARE_LIST = re.compile(r"\[(?P<words> *[A-Za-z][\w-]*( *, *[A-Za-z][\w-]*)* *)\]")

_MOST_SENTENCES = 5  # of one error
_LONGEST_VALUE = 60  # characters of a value that a message repeats

ConfigT = TypeVar("ConfigT", bound=Config)


def validate(kind: type[ConfigT], values: Mapping[str, Any], *, where: str) -> ConfigT:
    """Build a configuration from plain values.

    Args:
        kind: the configuration class.
        values: nested plain values, as read from JSON or TOML.
        where: origin of the values, for the error message (``recipe mnist-28`` …).

    Raises:
        UsageError: one sentence for each mistake, with "did you mean" for an unknown key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        sentences = [_sentence(kind, problem) for problem in problems[:_MOST_SENTENCES]]
        if len(problems) > _MOST_SENTENCES:
            sentences.append(f"and {len(problems) - _MOST_SENTENCES} more mistakes")
        raise UsageError(f"{where}: " + "; ".join(dict.fromkeys(sentences))) from None


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """Parse ``section.key=value`` into a path and a TOML value.

    A bare word is read as a string, also in a list (shells remove quotes), and so is a date (it may
    be the name of a folder); ``none`` without quotes is None.

    Raises:
        UsageError: the text does not have this form.

    >>> parse_override("training.batch_size=64")
    (('training', 'batch_size'), 64)
    """
    key, equals, raw = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise UsageError(f"the option {shown(text)} does not have the form section.key=value")
    if raw.strip() == "none":
        return path, None
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
        repr(value)  # fails for a hexadecimal number of thousands of digits, as loads for a decimal
    except RecursionError:
        raise UsageError(f"the option {shown(text)} is nested too deeply") from None
    except ValueError:  # no TOML, or a number of thousands of digits
        words = _BARE_LIST.fullmatch(raw.strip())
        return path, words["words"].replace(" ", "").split(",") if words else raw.strip()
    return path, raw.strip() if isinstance(value, datetime.date | datetime.time) else value


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a deep copy of ``values`` with each ``section.key=value`` applied in order.

    Raises:
        UsageError: an override has another form, or its path leads through a value.
    """
    result: dict[str, Any] = json.loads(json.dumps(values))
    for text in overrides:
        path, value = parse_override(text)
        node = result
        for key in path[:-1]:
            inner = node.setdefault(key, {})
            if inner is None:
                inner = node[key] = {}
            if not isinstance(inner, dict):
                raise UsageError(f"{shown(text)}: {shown(key)} is a value, not a section")
            node = inner
        node[path[-1]] = value
    return result


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of nested values as ``("section.key", value)``, in order."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a line for each leaf that differs: ``section.key: old → new``."""
    before, after = dict(flatten(old)), dict(flatten(new))
    missing = "(absent)"
    return [
        f"{key}: {before.get(key, missing)} → {after.get(key, missing)}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key, missing) != after.get(key, missing)
    ]


def canonical_json(values: Any) -> str:
    """Return JSON with sorted keys and without spaces: equal values, equal text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short_hash(values: Any) -> str:
    """Return the first eight hexadecimal digits of the canonical JSON's SHA-256."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:8]


def _sentence(kind: type[Config], problem: Any) -> str:
    location, kinds = _written_location(kind, problem["loc"])
    name, context = ".".join(location), problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            keys = sorted({field for model in kinds for field in model.model_fields})
            return f"unknown key {shown(name)}; {suggestion(location[-1], keys, 'Keys')}"
        case "missing":
            return f"{name} is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            return _tag_sentence(name, context)
        case "tuple_type" if _is_short(problem["input"]):
            given = json.dumps(problem["input"])
            return f"{name} is a list; write {name}={shlex.quote(f'[{given}]')} instead of {given}"
        case "model_type" | "model_attributes_type":
            return f"{name} is a section, not a value (got {_given(problem)}); set one of its keys"
    message = problem["msg"].removeprefix("Value error, ")
    sentence = f"{name}: {message[:1].lower()}{message[1:]}" if name else message
    # Do not print a whole section: the message names the keys.
    return (
        sentence if isinstance(problem["input"], Mapping) else f"{sentence} (got {_given(problem)})"
    )


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _LONGEST_VALUE


def _given(problem: Any) -> str:
    return brief(repr(problem["input"]))


def _tag_sentence(name: str, context: Mapping[str, Any]) -> str:
    field = f"{name}.{_unquoted(context['discriminator'])}"
    if "tag" not in context:
        return f"{field} is missing"
    values = [_unquoted(tag) for tag in context["expected_tags"].split(", ")]
    tag = str(context["tag"])
    return f"{field}: unknown value {shown(tag)}; {suggestion(tag, values, 'Values')}"


def _unquoted(text: str) -> str:
    return text.strip("'")


def _written_location(
    kind: type[Config], location: Sequence[str | int]
) -> tuple[list[str], list[type[BaseModel]]]:
    """Return the location as users write it, and the models whose keys are valid at its end.

    pydantic inserts the tag of a union's member into the location; users do not write it.
    """
    written: list[str] = []
    kinds: list[type[BaseModel]] = [kind]
    for index, key in enumerate(location):
        if isinstance(key, int):
            written.append(str(key))
            continue
        if tagged := [k for k in kinds if len(kinds) > 1 and _is_tagged(k, key)]:
            kinds = tagged
            continue
        written.append(key)
        if index < len(location) - 1:
            fields = [k.model_fields[key] for k in kinds if key in k.model_fields]
            kinds = [model for field in fields for model in _models(field.annotation)]
    return written, kinds


def _is_tagged(kind: type[BaseModel], tag: str) -> bool:
    """Return whether ``tag`` is the only valid value of a field of ``kind``."""
    return any(
        typing.get_origin(field.annotation) is typing.Literal
        and typing.get_args(field.annotation) == (tag,)
        for field in kind.model_fields.values()
    )


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the configurations that a field can hold: the type, a union's or a tuple's members."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in typing.get_args(annotation) for m in _models(argument)]
