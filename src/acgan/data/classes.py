"""One class has one canonical name, some aliases, and one folder name that is safe everywhere."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from acgan.errors import UsageError

_RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"com{i}" for i in range(1, 10)),
    *(f"lpt{i}" for i in range(1, 10)),
}


@final
@dataclass(frozen=True)
class ClassName:
    """A class as a person names it.

    Attributes:
        name: the canonical name (``seven``, ``T-shirt/top``).
        aliases: other names that mean the same (``7``).
        folder: a single path component that is safe on every file system, unique in its set.
    """

    name: str
    aliases: tuple[str, ...]
    folder: str

    def to_json(self) -> dict[str, Any]:
        """The entry of ``classes.json``."""
        return {"name": self.name, "aliases": list(self.aliases), "folder": self.folder}

    @staticmethod
    def from_json(entry: Mapping[str, Any]) -> ClassName:
        """What `to_json` gave; the entry may come from a stranger.

        Raises:
            KeyError: it is incomplete.
            ValueError: its folder is no single path component.
        """
        folder = checked_component(str(entry["folder"]))
        return ClassName(str(entry["name"]), tuple(map(str, entry["aliases"])), folder)


def make_classes(
    names: Sequence[str], aliases: Sequence[Sequence[str]] | None = None
) -> tuple[ClassName, ...]:
    """Classes in label order, with unique safe folder names.

    Raises:
        UsageError: a name is empty or occurs twice.
    """
    seen: set[str] = set()
    classes = []
    for index, name in enumerate(names):
        if not name.strip():
            raise UsageError(f"class {index} has an empty name; every class needs one")
        if name in names[:index]:
            raise UsageError(f"the class name {name!r} occurs twice; names must differ")
        folder = stem = safe_component(name)
        number = 2
        while folder.casefold() in seen:  # Windows and macOS do not tell A from a
            folder, number = f"{stem}-{number}", number + 1
        seen.add(folder.casefold())
        classes.append(ClassName(name, tuple(aliases[index]) if aliases else (), folder))
    return tuple(classes)


def find_class(classes: Sequence[ClassName], wanted: str) -> int:
    """Index of the class that a person names by canonical name, alias, folder or index.

    An exact name wins over an alias, an alias over an index, so a class called ``3`` is found by
    its name even where it has another index. Upper and lower case are told apart only when needed.

    Raises:
        UsageError: no class or several classes go by that name; the message lists the names.
    """
    text = wanted.strip()
    exact = [i for i, c in enumerate(classes) if text == c.name]
    if len(exact) == 1:
        return exact[0]
    key = text.casefold()
    for spellings in (
        [{c.name.casefold()} for c in classes],
        [{a.casefold() for a in c.aliases} for c in classes],
        [{c.folder.casefold()} for c in classes],
    ):
        hits = [i for i, names in enumerate(spellings) if key in names]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise UsageError(
                f"{wanted!r} means several classes: {', '.join(classes[i].name for i in hits)}; "
                "use the exact name"
            )
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    known = [c.name for c in classes]
    close = difflib.get_close_matches(text, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    raise UsageError(
        f"there is no class {wanted!r}{hint} The classes are: {shown} "
        f"(or an index from 0 to {len(known) - 1})"
    )


def safe_component(name: str) -> str:
    """A name as one path component that is safe on every file system (not yet unique)."""
    plain = unicodedata.normalize("NFKC", name)
    plain = re.sub(r"[^\w.+-]+", "-", plain).strip("-. ")[:80] or "class"
    return f"{plain}-" if plain.split(".")[0].casefold() in _RESERVED else plain


def checked_component(text: str) -> str:
    """A path component from a stranger, if it is as harmless as `safe_component` makes them.

    Raises:
        ValueError: it is not.
    """
    if not re.fullmatch(r"[\w+-][\w.+-]*", text):
        raise ValueError(f"{text!r} is no safe folder name")
    return text
