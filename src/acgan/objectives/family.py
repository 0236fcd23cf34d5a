"""The members of the family as docs/objective.md tells them, for who asks at the command line.

The document is the only place where they are told: a wheel carries it beside this package, a
checkout has it where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import final

from acgan.errors import unknown_name

_PACKAGED = "objective.md"
_IN_CHECKOUT = Path(__file__).parents[3] / "docs" / "objective.md"


@final
@dataclass(frozen=True)
class FamilyMember:
    """One member of the family; texts are Markdown, as in the document.

    Attributes:
        title: its name as people write it (``TAC-GAN``).
        name: of its objective (``tac``).
        source: where it comes from.
        mends: what went wrong with a member before it, in some words; may be empty.
        sees: what D is shown.
        predictions: what D answers with.
        discriminator: D's loss.
        generator: G's loss.
        goes_wrong: what is known to go wrong.
        text: all of its section below the title and the line of sources.
        code: dotted names of the code that is it, the objective first.
    """

    title: str
    name: str
    source: str
    mends: str
    sees: str
    predictions: str
    discriminator: str
    generator: str
    goes_wrong: str
    text: str
    code: tuple[str, ...]


@cache
def document() -> str:
    """The text of docs/objective.md."""
    packaged = resources.files("acgan.objectives").joinpath(_PACKAGED)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return _IN_CHECKOUT.read_text(encoding="utf-8")


@cache
def members() -> tuple[FamilyMember, ...]:
    """All members, in the order of the document."""
    family = document().split("\n## The family\n")[1].split("\n## ")[0]
    table, *sections = family.split("\n### ")
    mends = {row[0].strip("`"): row[4] for row in _rows(table)}
    return tuple(_member(section, mends) for section in sections)


def find_member(wanted: str) -> FamilyMember:
    """The member that a person names by its title or by its objective's name, in any case.

    Raises:
        UsageError: there is none; the message names the closest.
    """
    by_name = {one.name.casefold(): one for one in reversed(members())}  # acgan: the first
    by_title = {one.title.casefold(): one for one in members()}
    found = (by_name | by_title).get(wanted.strip().casefold())
    if found is None:
        known = [one.title for one in members()]
        known += [name for name in by_name if name not in by_title]
        raise unknown_name("objective", wanted, known)
    return found


@cache
def symbols() -> Mapping[str, str]:
    """What the symbols of the formulas mean, in the order of the document; Markdown."""
    notation = document().split("\n## Notation\n")[1].split("\n## ")[0]
    return {row[0]: row[1] for row in _rows(notation)}


def _rows(text: str) -> list[list[str]]:
    """The cells of the table in a text, without its header."""
    lines = [line.strip("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def _member(section: str, mends: Mapping[str, str]) -> FamilyMember:
    title, _, rest = section.partition("\n")
    source, _, text = rest.strip().partition("\n\n")
    named, where, _code = " ".join(source.split()).split(" · ")
    name = named.split("`")[1]
    alone = named == f"`{name}`"  # else it is that objective with settings
    return FamilyMember(
        title=title,
        name=name,
        source=where if alone else f"{named} · {where}",
        mends=mends[name] if alone else where,
        sees=_paragraph(text, r"\*\*D sees\*\* "),
        predictions=_paragraph(text, r"\*\*D answers\*\* "),
        discriminator=_paragraph(text, " {4}D:  "),
        generator=_paragraph(text, " {4}G:  "),
        goes_wrong=_paragraph(text, r"\*\*Goes wrong\*\*: "),
        text=text.strip(),
        code=tuple(dict.fromkeys(re.findall(r"`(acgan(?:\.\w+)+)`", source + text))),
    )


def _paragraph(text: str, beginning: str) -> str:
    """What follows ``beginning`` up to an empty line or, in a formula, up to the next one."""
    found = re.search(rf"^{beginning}(.*?)(?=\n\n|\n {{4}}\w|\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"a section of docs/objective.md lacks {beginning!r}")
    return " ".join(found[1].split())
